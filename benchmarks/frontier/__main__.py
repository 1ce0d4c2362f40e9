"""Sets of risk parameters over many months: `python -m benchmarks.frontier [--played 70] [--plot FILE] [--replay 3]`.

Rule: a loss to others is what an account owed beyond all it had at its worst block, and what the house lost with what
it took over. Exits with 1 if the shipped set has one, in the fast evaluator or, with `--replay`, in the state machine.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.frontier.depth import Depth
from benchmarks.frontier.plot import write_plot
from benchmarks.frontier.rows import RECORDED_MONTHS, efficient, row_of, table
from benchmarks.frontier.scenarios import (
    MARCH_S,
    MAY_S,
    Histories,
    drawn,
    largest_moves,
    modelled_november,
    months_of,
    recorded,
    together,
)
from benchmarks.frontier.screen import Screened, rules_of, sale_of, screen
from benchmarks.frontier.sets import SHIPPED, all_sets, shipped
from benchmarks.march2020.__main__ import figures_of
from benchmarks.march2020.__main__ import table as replay_table
from benchmarks.march2020.market import Plan
from benchmarks.march2020.replay import Outcome, Replay
from devnet.risk_set import RiskSet

CHUNK = 100
"""Months that are played together."""


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.frontier", description=__doc__)
    options.add_argument("--seeds", default="0:100", help="books, first:last, last excluded")
    folder = Path(os.environ.get("CROSSCLEAR_MARKET_DATA") or "../shared/data")
    options.add_argument("--folder", type=Path, default=folder, help="of market data (CROSSCLEAR_MARKET_DATA)")
    options.add_argument("--drawn", default="0:1000", help="seeds of drawn months")
    options.add_argument("--played", type=int, default=70, help="drawn months that are played: with the largest moves")
    options.add_argument("--sets", default="", help="names of sets, separated by commas; all by default")
    options.add_argument("--depths", default="1", help="factors of market depth, separated by commas")
    options.add_argument(
        "--replay",
        type=int,
        metavar="N",
        help="only the shipped set by the state machine, in the"
        " recorded months and in the N worst of those that are played",
    )
    options.add_argument("--plot", type=Path, help="a picture of the table there, .png or .svg")
    return options


def main() -> int:
    """Run the command."""
    options = parser().parse_args()
    seeds, months = (range(*map(int, text.split(":"))) for text in (options.seeds, options.drawn))
    histories = all_histories(options.folder, months, options.played)
    depths = [Depth(factor=float(text)) for text in options.depths.split(",")]
    if options.replay is not None:
        return replay_shipped(histories, seeds, options.replay, depths)
    wanted = options.sets.split(",") if options.sets else list(all_sets())
    rows = []
    for name in wanted:
        for depth in depths:
            title = name if len(depths) == 1 else f"{name}, depth {depth.factor:g}"
            rows.append(row_of(title, evaluate(histories, seeds, all_sets()[name], depth)))
            print(f"{title}: done", file=sys.stderr, flush=True)
    rows = efficient(rows)
    print("\n".join([f"{len(histories.names)} of {len(months) + RECORDED_MONTHS} months", *table(rows)]))
    if options.plot is not None:
        write_plot(options.plot, rows)
    full = [row for row in rows if row.name in (SHIPPED, f"{SHIPPED}, depth 1")]
    return 1 if any(row.loss > 0 for row in full) else 0


def all_histories(folder: Path, seeds: range, played: int) -> Histories:
    """The recorded months, then of the drawn ones those with the largest moves."""
    three = [recorded(folder, "March 2020", MARCH_S), recorded(folder, "May 2021", MAY_S), modelled_november(folder)]
    if not seeds or not played:
        return together(three)
    made = drawn(folder, seeds)
    return together([*three, made.of(largest_moves(made)[:played])])


def evaluate(histories: Histories, seeds: range, risk: RiskSet, depth: Depth) -> Screened:
    """One set by the fast evaluator."""
    parts = []
    for first in range(0, len(histories.names), CHUNK):
        months = months_of(histories.of(range(first, min(first + CHUNK, len(histories.names)))), risk.ranges)
        rules = rules_of(risk.crisis, risk.maintenance[0] / risk.maintenance[1])
        parts.append(screen(months, seeds, rules, sale_of(risk.crisis, risk.penalty_ppm), depth))
    return Screened.together(parts)


def replay_shipped(histories: Histories, seeds: range, count: int, depths: Sequence[Depth]) -> int:
    """The state machine on the shipped set. Returns 1 where others lose anything at the first depth."""
    risk, exit_code = shipped(), 0
    worst = _worst(histories, seeds, risk, count)
    for depth in depths:
        outcomes = []
        for at in [*range(RECORDED_MONTHS), *worst]:
            outcomes.append(replay(histories, at, seeds, risk, depth))
            print(f"{outcomes[-1].name}: done", file=sys.stderr, flush=True)
        print("\n".join([f"depth {depth.factor:g}", *replay_table(outcomes)]), flush=True)
        if depth is depths[0]:
            exit_code = 1 if any(loss_to_others(each) for each in outcomes) else 0
    return exit_code


def _worst(histories: Histories, seeds: range, risk: RiskSet, count: int) -> list[int]:
    """The drawn months in which an account comes nearest to owing something."""
    if not count:
        return []
    lowest = evaluate(histories, seeds, risk, Depth()).lowest[RECORDED_MONTHS:]
    return [RECORDED_MONTHS + int(at) for at in np.argsort(lowest, kind="stable")[:count]]


def replay(histories: Histories, at: int, seeds: range, risk: RiskSet, depth: Depth) -> Outcome:
    """One month by the state machine."""
    plan = Plan(opening_s=histories.opening_s(at), risk=risk, depth=depth)
    return Replay(histories.names[at][:14], histories.hours(at), seeds, risk.crisis, plan).run()


def loss_to_others(outcome: Outcome) -> int:
    """Dollars beyond the defaulters' own resources, and what the house lost at its worst block; rounded down."""
    figures = figures_of(outcome)
    return figures["missing"] + max(-figures["house_worst"], 0)


if __name__ == "__main__":
    sys.exit(main())
