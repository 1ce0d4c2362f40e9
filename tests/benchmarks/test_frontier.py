"""The frontier of risk parameters: what is measured is what is shipped, and it lets nobody else lose."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.frontier.__main__ import evaluate, loss_to_others, parser
from benchmarks.frontier.depth import Depth, appetites, stress_of, wanted_discounts
from benchmarks.frontier.plot import lowest_so_far, write_plot
from benchmarks.frontier.rows import Row, efficient, row_of, table
from benchmarks.frontier.scenarios import (
    DAYS,
    MARCH_S,
    NOVEMBER_S,
    Histories,
    drawn,
    modelled_november,
    paths_of,
    recorded,
)
from benchmarks.frontier.sets import CHANGES, SHIPPED, all_sets, shipped
from benchmarks.march2020.__main__ import figures_of
from benchmarks.march2020.hours import BLOCKS, HOUR_S, HOURS_BEFORE, RECORDED, hours_of_march, path_of
from benchmarks.march2020.market import Plan
from benchmarks.march2020.replay import Outcome, Replay
from benchmarks.march2020.settings import SETTINGS
from clearing.schema.terms.genesis import CrisisParameters, crisis_checks
from devnet.risk_set import RiskSet, read_risk_set

ROOT = Path(__file__).resolve().parents[2]
FIRST_S, LAST_S = 1_583_884_800, 1_584_144_000
"""From 2020-03-11 to 2020-03-14, 00:00 UTC: the crash and the night after it."""
BOOKS = range(24)


@pytest.fixture(scope="module")
def march(market_data_dir: Path) -> Histories:
    return recorded(market_data_dir, "March 2020", MARCH_S)


def worst_days(folder: Path, crisis: CrisisParameters, risk: RiskSet | None) -> Outcome:
    hours = [each for each in hours_of_march(folder / RECORDED) if FIRST_S - 300 * HOUR_S <= each.time_s < LAST_S]
    plan = Plan(4, opening_s=FIRST_S, risk=risk, depth=Depth())
    return Replay("worst days", hours, BOOKS, crisis, plan).run()


def test_nobody_else_loses_in_the_worst_days_of_march_with_the_shipped_file(market_data_dir: Path) -> None:
    """By the state machine. With the terms before, the same books in the same days cost others money."""
    outcome = worst_days(market_data_dir, shipped().crisis, shipped())
    figures = figures_of(outcome)
    assert figures["liquidations"] > 0
    assert loss_to_others(outcome) == 0
    assert figures["defaults"] == 0
    assert "STUCK" not in {fate.end for fate in outcome.fates.values()}
    assert loss_to_others(worst_days(market_data_dir, SETTINGS["default"], None)) > 0


def test_what_the_rules_ask_of_members_is_brought_in_the_replay(market_data_dir: Path) -> None:
    """Cover of growth until the fund is sized, then withdrawn; sealed bids where somebody is in default. The set is one
    with defaults."""
    hours = [each for each in hours_of_march(market_data_dir / RECORDED) if each.time_s >= FIRST_S - 200 * HOUR_S]
    risk = all_sets()["before"]
    replay = Replay("rules", hours[:260], range(8), risk.crisis, Plan(opening_s=FIRST_S, risk=risk, depth=Depth()))
    outcome = replay.run()
    assert outcome.receipts["WithdrawalReleased"] > 0
    assert replay.market.cover.brought == {}
    assert outcome.receipts["DefaultDeclared"] > 0
    assert replay.market.committed
    assert outcome.receipts["DefaultBidTaken"] > len(replay.market.committed)
    assert "STUCK" not in {fate.end for fate in outcome.fates.values()}


def test_a_replay_without_roots_is_the_same_replay(march: Histories) -> None:
    risk, at = all_sets()["before"], HOURS_BEFORE + 11 * 24
    hours = march.hours(0)[at - 150 : at + 48]
    plan = Plan(opening_s=hours[150].time_s, risk=risk, depth=Depth())
    hashed = replace(plan, has_roots=True)
    fast, full = (Replay("days", hours, range(12), risk.crisis, each).run() for each in (plan, hashed))
    assert fast.receipts["DefaultDeclared"] > 0
    assert fast == full


def test_the_fast_evaluator_tells_a_set_that_loses_from_the_shipped_one(march: Histories) -> None:
    sets, before = all_sets(), "before"
    rows = {name: row_of(name, evaluate(march, BOOKS, sets[name], Depth())) for name in (SHIPPED, before)}
    assert rows[SHIPPED].loss == 0
    assert rows[before].loss > 0
    assert rows[before].worst == "March 2020"


def test_the_shipped_set_is_the_file_in_longer_blocks() -> None:
    mine, theirs = shipped(), read_risk_set()
    assert mine.ranges == theirs.ranges
    assert mine.block_ms * BLOCKS == HOUR_S * 1000
    assert mine.epoch_blocks == BLOCKS
    assert CHANGES[SHIPPED] == {}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_every_set_is_terms_that_a_genesis_may_have(name: str) -> None:
    assert [field for field, _, good in crisis_checks(all_sets()[name].crisis) if not good] == []


def test_a_drawn_month_is_recorded_hours_one_after_another(market_data_dir: Path) -> None:
    both = drawn(market_data_dir, range(7, 9))
    again = drawn(market_data_dir, range(8, 9))
    assert (both.candles[1] == again.candles[0]).all()
    assert (both.candles[0] != both.candles[1]).any()
    opened, high, low, close = (both.candles[..., at] for at in range(4))
    assert (np.maximum(opened, close) <= high).all()
    assert (low <= np.minimum(opened, close)).all()
    assert (opened[:, 1:] == close[:, :-1]).all()
    source = np.array([each.candles for each in hours_of_march(market_data_dir / RECORDED)], np.float64)
    assert (high / low).max() < 1.6
    assert source.shape[1:] == both.candles.shape[2:]


def test_a_modelled_day_goes_through_what_was_recorded_of_it(market_data_dir: Path) -> None:
    november = modelled_november(market_data_dir)
    rows = [line.split(",") for line in (market_data_dir / DAYS).read_text().splitlines()[1:]]
    days = {int(cells[0]): [round(float(cell) * 100) for cell in cells[1:]] for cells in rows}
    for day in range(20):
        closes = november.candles[0, HOURS_BEFORE + 24 * day : HOURS_BEFORE + 24 * (day + 1), 0, 3]
        _, high, low, close = days[NOVEMBER_S + 24 * HOUR_S * day]
        assert (closes.max(), closes.min(), closes[-1]) == (high, low, close)
    assert "modelled" in november.names[0]


def test_blocks_go_through_the_prices_of_the_replay(march: Histories) -> None:
    paths = paths_of(march)
    for at in (0, 270, 300):
        hour = march.candles[0, HOURS_BEFORE + at]
        blocks = paths[0, 1 + at * BLOCKS : 1 + (at + 1) * BLOCKS]
        for number in range(2):
            assert blocks[:, number].tolist() == [each / 100 for each in path_of(tuple(hour[number].tolist()))]


def test_bids_thin_out_with_the_recent_range_and_with_inventory() -> None:
    depth, whole, nothing = Depth(), np.array([1e6]), np.zeros((1, 4))
    calm, crash = np.full((1, 12, 2), 100.0), np.full((1, 12, 2), 100.0)
    crash[0, -1, 0] = 80.0
    assert stress_of(depth, calm)[0] == 1
    stress = stress_of(depth, crash)
    assert stress[0] == pytest.approx(12.5)
    calm_sizes = appetites(depth, np.ones(1), nothing, whole)
    assert appetites(depth, stress, nothing, whole) == pytest.approx(calm_sizes / 12.5)
    assert appetites(replace(depth, factor=0.5), stress, nothing, whole) == pytest.approx(calm_sizes / 25)
    assert (wanted_discounts(depth, stress, nothing, whole) > wanted_discounts(depth, np.ones(1), nothing, whole)).all()
    full = np.full((1, 4), 150_000.0)
    assert (appetites(depth, np.ones(1), full, whole) == 0).all()
    assert (
        wanted_discounts(depth, np.ones(1), full, whole) > wanted_discounts(depth, np.ones(1), nothing, whole)
    ).all()


def test_a_row_that_another_dominates_is_not_efficient(tmp_path: Path) -> None:
    first = Row("first", "", 0.0, 0, 0.2, 0.21, 0.01, 0.1, 0.0, 0.0, 1.5)
    rows = efficient(
        [first, replace(first, name="dearer", asked=0.3), replace(first, name="less", asked=0.1, loss=0.1)]
    )
    assert [row.is_efficient for row in rows] == [True, False, True]
    assert [line[0] for line in table(rows)[1:]] == ["*", " ", "*"]
    pytest.importorskip("matplotlib")
    write_plot(tmp_path / "a.svg", rows)
    write_plot(tmp_path / "b.svg", rows)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_the_line_of_the_picture_never_rises() -> None:
    points = [(1.0, 5.0), (2.0, 6.0), (3.0, 5.0), (4.0, 2.0), (5.0, 4.0), (6.0, 0.0), (7.0, 0.0)]
    assert lowest_so_far(points) == [(1.0, 5.0), (4.0, 2.0), (6.0, 0.0)]
    assert lowest_so_far([]) == []


PAGE = (ROOT / "docs/explanation/risk-parameters.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^python -m benchmarks\.frontier(.*)$", PAGE, re.MULTILINE)


def test_the_page_names_commands_and_every_set() -> None:
    assert COMMANDS
    for command in COMMANDS:
        options = parser().parse_args(command.split("#")[0].split())
        assert set(filter(None, options.sets.split(","))) <= set(CHANGES)
    assert all(f" {name} " in PAGE for name in CHANGES)
