"""Early calls against plain ones: `python -m benchmarks.early_calls [--drawn 3] [--deaf] [--seeds 0:50]`.

Rule: every rule plays the same months with the same books. An early rule is held against the plain rule that sells by
force the fewest times and loses no more than it does: equal protection. Exits with 1 if a figure is not finite.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.early_calls.history import Months, drawn, march, recorded
from benchmarks.early_calls.model import Rules, Tally, play
from benchmarks.march2020.hours import RECORDED

PLAIN: dict[str, Rules] = {
    f"plain, {minutes}, {share} %": Rules(deadline=blocks, maintenance=share / 100)
    for blocks, minutes in ((12, "1 h"), (3, "15 min"), (0, "at once"))
    for share in (80, 90, 100)
}
"""Time below the trigger, and the trigger in parts of the initial margin."""
EARLY: dict[str, Rules] = {
    "early, 1 h ahead, 5 %": Rules(early=0.05),
    "early, 4 h ahead, 20 %": Rules(early=0.2, horizon=4),
    "early, 4 h ahead, 5 %": Rules(early=0.05, horizon=4),
    "early, 4 h, 5 %, its clock": Rules(early=0.05, horizon=4, leaves=0),
    "early, 4 h, 5 %, then 15 min": Rules(early=0.05, horizon=4, deadline=3),
    "early, 4 h, 5 %, then at once": Rules(early=0.05, horizon=4, deadline=0),
    "early, 12 h ahead, 5 %": Rules(early=0.05, horizon=12),
}
"""By default: an hour's time, a trigger of 80 %, and no time taken off by the warning."""
BASE = next(iter(PLAIN))
HEAD = ("liquidations", "accounts", "notional %", "shortfall %", "costs %", "warned", "called", "own sales %")


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.early_calls", description=__doc__)
    arguments.add_argument("--seeds", default="0:50", help="books, first:last, last excluded")
    file = Path(os.environ.get("CROSSCLEAR_MARKET_DATA") or "../shared/data") / RECORDED
    arguments.add_argument("--file", type=Path, default=file, help="hours of BTC and ETH (CROSSCLEAR_MARKET_DATA)")
    arguments.add_argument("--drawn", type=int, default=0, help="so many drawn years instead of what was recorded")
    arguments.add_argument("--march", action="store_true", help="the replay's 30 days from 1 March 2020 alone")
    arguments.add_argument("--horizon", type=int, default=4, help="hours that initial margin is to cover")
    arguments.add_argument("--deaf", action="store_true", help="members hear only calls that have a deadline")
    return arguments


def main() -> int:
    options = parser().parse_args()
    first, last = (int(part) for part in options.seeds.split(":"))
    if options.drawn:
        histories = [drawn(seed, options.horizon) for seed in range(1, options.drawn + 1)]
    else:
        histories = [(march if options.march else recorded)(options.file, options.horizon)]
    tallies = {}
    for name, rules in (PLAIN | EARLY).items():
        simulated_rules = replace(rules, asks_below_initial=not options.deaf)
        tallies[name] = together([play(each, range(first, last), simulated_rules) for each in histories])
        print(f"{name}: done", file=sys.stderr, flush=True)
    print("\n".join(table(tallies, histories)))
    return 0 if all(np.isfinite(each.shortfall).all() for each in tallies.values()) else 1


def together(tallies: Sequence[Tally]) -> Tally:
    """All months of all histories."""
    return Tally(*(np.concatenate([getattr(each, name) for each in tallies]) for name in Tally.__slots__))


def table(tallies: dict[str, Tally], histories: Sequence[Months]) -> list[str]:
    """A line for each rule; for an early one, in how many months it sells less and more often than the first, and the
    plain one that protects as well.
    """
    months = sum(len(each.names) for each in histories)
    base = tallies[BASE]
    wide = np.median(np.concatenate([each.ranges / each.deviations for each in histories]), (0, 1))
    lines = [
        f"{months} months; ranges in deviations of an hour, half of the time at least {wide[0]:.1f} and {wide[1]:.1f}",
        f"{'':30}" + "".join(f"{each:>13}" for each in HEAD) + "   fewer more  as safe and plain",
    ]
    for name, tally in tallies.items():
        line = f"{name:30}" + "".join(f"{each:>13}" for each in cells(tally))
        if name in EARLY:
            fewer = (tally.liquidations < base.liquidations).sum()
            more = (tally.liquidations > base.liquidations).sum()
            line += f"   {fewer:>5} {more:>4}  {as_safe(tally, tallies)}"
        lines.append(line)
    return lines


def cells(tally: Tally) -> list[str]:
    """Sums over all months; shares are means of a month."""
    return [
        f"{tally.liquidations.sum():,}",
        f"{tally.accounts.sum():,}",
        f"{tally.notional.mean() * 100:.2f}",
        f"{tally.shortfall.mean() * 100:.3f}",
        f"{tally.costs.mean() * 100:.2f}",
        f"{tally.early_calls.sum():,}",
        f"{tally.calls.sum():,}",
        f"{tally.sold.mean() * 100:.2f}",
    ]


def as_safe(tally: Tally, tallies: dict[str, Tally]) -> str:
    """The plain rule with the fewest liquidations of those with no larger shortfall."""
    safe = [
        (tallies[each].liquidations.sum(), each)
        for each in PLAIN
        if tallies[each].shortfall.sum() <= tally.shortfall.sum()
    ]
    return f"{min(safe)[1]}: {min(safe)[0]:,}" if safe else "none of these"


if __name__ == "__main__":
    sys.exit(main())
