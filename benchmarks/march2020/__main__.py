"""Replay March 2020: `python -m benchmarks.march2020 [--seeds 0:100] [--file HOURS.csv] [--horizon 1] [--blocks 12]`.

Rule: exits with 0 only if no account is left stuck. Losses beyond defaulters' own resources are reported, not hidden.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.march2020.hours import BLOCKS, RECORDED, hours_of_march
from benchmarks.march2020.market import Plan
from benchmarks.march2020.replay import Outcome, Replay
from benchmarks.march2020.settings import SETTINGS
from clearing.schema.receipts.default import WaterfallLayer

WHOLE = 10**6
LOSSES_TOLD = 20
LINES: tuple[tuple[str, str], ...] = (
    ("calls", "calls"),
    ("early_calls", "early calls"),
    ("liquidations", "forced liquidations"),
    ("accounts", "accounts liquidated"),
    ("notional", "notional taken, dollars"),
    ("sold", "of it sold to bidders, dollars"),
    ("brought", "cash that answered calls, dollars"),
    ("reduced", "offered by members that were called, dollars"),
    ("penalties", "penalties and discounts, dollars"),
    ("defaults", "defaults"),
    ("lapsed", "of them because a call ran out, of margin or fund"),
    ("defaulters", "accounts with a loss beyond their own resources"),
    ("missing", "losses beyond the defaulters' own resources, dollars"),
    ("worst", "lowest equity of any account, dollars"),
    ("house", "the house's result over March, dollars"),
    ("house_worst", "the same at its worst block, dollars"),
)


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.march2020", description=__doc__)
    arguments.add_argument("--seeds", default="0:100", help="first:last, last excluded")
    recorded = Path(os.environ.get("CROSSCLEAR_MARKET_DATA") or "../shared/data") / RECORDED
    arguments.add_argument("--file", type=Path, default=recorded, help="hours of BTC and ETH (CROSSCLEAR_MARKET_DATA)")
    arguments.add_argument("--horizon", type=int, default=1, help="hours that initial margin is to cover")
    arguments.add_argument("--blocks", type=int, default=BLOCKS, help=f"blocks an hour; divides {BLOCKS}")
    arguments.add_argument("--settings", default=",".join(SETTINGS), help=f"of {', '.join(SETTINGS)}; all by default")
    arguments.add_argument("--json", type=Path, help="write every account's fate there")
    return arguments


def main() -> int:
    options = parser().parse_args()
    first, last = (int(part) for part in options.seeds.split(":"))
    plan = Plan(options.horizon, options.blocks)
    hours = hours_of_march(options.file)
    outcomes = []
    for name in options.settings.split(","):
        began = time.monotonic()
        outcome = Replay(name, hours, range(first, last), SETTINGS[name], plan).run()
        outcomes.append(outcome)
        print(f"{name}: {outcome.blocks:,} blocks in {time.monotonic() - began:.0f} s", flush=True)
    print("\n".join(table(outcomes)))
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(outcomes), indent=1) + b"\n")
    return 1 if any(fate.end == "STUCK" for outcome in outcomes for fate in outcome.fates.values()) else 0


def figures_of(outcome: Outcome) -> dict[str, int]:
    """The table's column. Dollars are rounded down."""
    fates = list(outcome.fates.values())
    return {
        "calls": sum(each.calls for each in fates),
        "early_calls": sum(each.early_calls for each in fates),
        "liquidations": sum(each.liquidations for each in fates),
        "accounts": sum(each.liquidations > 0 for each in fates),
        "notional": sum(each.notional for each in fates) // WHOLE,
        "sold": outcome.sold // WHOLE,
        "brought": outcome.brought // WHOLE,
        "reduced": outcome.reduced // WHOLE,
        "penalties": sum(each.penalties for each in fates) // WHOLE,
        "defaults": sum(each.defaults for each in fates),
        "lapsed": outcome.receipts["DefaultDeclared CALL_LAPSED"],
        "defaulters": sum(each.missing > 0 for each in fates),
        "missing": sum(each.missing for each in fates) // WHOLE,
        "worst": outcome.worst_equity // WHOLE,
        "house": outcome.house // WHOLE,
        "house_worst": outcome.house_worst // WHOLE,
    }


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Lines for a terminal: a column for each replay, then how accounts ended, then every loss that others bore."""
    columns = [figures_of(each) for each in outcomes]
    lines = ["", f"{'':54}" + "".join(f"{each.name:>16}" for each in outcomes)]
    lines += [f"{title:54}" + "".join(f"{column[key]:>16,}" for column in columns) for key, title in LINES]
    layers = [layer.name for layer in WaterfallLayer if layer is not WaterfallLayer.TEAR_UP]
    for name in [*layers, "REST"]:
        title = f"borne by {name.lower().replace('_', ' ')}, dollars"
        lines.append(f"{title:54}" + "".join(f"{each.layers[name] // WHOLE:>16,}" for each in outcomes))
    ends = [Counter(fate.end for fate in each.fates.values()) for each in outcomes]
    for end in sorted(set().union(*ends)):
        lines.append(f"{'ended ' + end:54}" + "".join(f"{each[end]:>16,}" for each in ends))
    for outcome in outcomes:
        lines += losses(outcome)
    return lines


def losses(outcome: Outcome) -> list[str]:
    """Every loss that others bore, the largest first; the JSON has all."""
    owing = sorted((each for each in outcome.fates.values() if each.missing), key=lambda each: -each.missing)
    lines = [
        f"{outcome.name}: account {each.account} (book {each.seed}) owed {each.missing / WHOLE:,.2f} more than it had; "
        f"paid in {each.paid_in / WHOLE:,.2f}, initial margin when opened {each.margin / WHOLE:,.2f}"
        for each in owing[:LOSSES_TOLD]
    ]
    return [*lines, f"{outcome.name}: {len(owing) - LOSSES_TOLD} more losses"] if len(owing) > LOSSES_TOLD else lines


if __name__ == "__main__":
    sys.exit(main())
