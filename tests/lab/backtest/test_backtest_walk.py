"""The walk: books fixed beforehand, the same rules as the network's, and no look at what comes."""

import random
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from clearing.price_ranges.update import history_figures
from clearing.schema.records.prices import GroupMove, VarianceRecord
from clearing.schema.risk.price_ranges import RangeParameters
from lab.backtest.market_data import MarketData
from lab.backtest.report import report_of
from lab.backtest.walk import FORMS, MoveWindow, Setup, Walker, form_of, lots_of, walk, worth_of

HOUR = 3_600_000
RULES = RangeParameters(interval_ms=HOUR, window=60, window_min=20, joint_scenarios=8)


def market(rows: int = 400, seed: int = 1) -> MarketData:
    chance = random.Random(seed)
    closes: list[list[int]] = [[1_000_000], [50_000]]
    for _ in range(rows - 1):
        common = chance.gauss(0, 0.01)
        for series in closes:
            series.append(max(1, round(series[-1] * (1 + common + chance.gauss(0, 0.005)))))
    return MarketData(("a", "b"), tuple(3600 * at for at in range(1, rows + 1)), tuple(map(tuple, closes)))


FIXED = [(521_505, 0), (0, 684_019), (55_030, 807_862), (164_017, -24_504)]


def test_books_are_what_they_were_when_they_were_fixed() -> None:
    assert [worth_of(seed, 2) for seed in range(4)] == FIXED
    assert [form_of(seed) for seed in range(4)] == list(FORMS)
    assert worth_of(4, 2)[0] < 0


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_every_book_holds_something_of_bounded_worth(seed: int, underlyings: int) -> None:
    worth = worth_of(seed, underlyings)
    held = [abs(each) for each in worth if each]
    assert held
    assert all(10_000 <= each <= 1_000_000 for each in held)


def test_lots_are_worth_at_least_what_is_wanted() -> None:
    assert lots_of((10_000, -10_000, 0), (800_000, 3_000_000, 1)) == [1_250, -334, 0]


def test_the_walk_takes_the_moves_that_a_state_would_take() -> None:
    rules = msgspec.structs.replace(RULES, joint_scenarios=0, historical_scenarios=30, joint_floor=True)
    data = market()
    walker = Walker(data, Setup(rules, 4, 60))
    for at in range(len(data.times_s)):
        walker.observe(at)
        walker.publish(at)
    assert walker.history.tail == rules.joint_tail(sum(each.count for each in walker.history.scenarios))[0]
    for scenario in walker.history.scenarios:
        assert len(scenario.moves) == 2
    sizes = {move.price_ppm % 1_000 for scenario in walker.history.scenarios for move in scenario.moves}
    assert len(sizes) > 20  # no grid


moves = st.lists(st.builds(GroupMove, st.integers(-(10**9), 10**9), st.integers(0, 10**8)), max_size=120)


@settings(max_examples=50)
@given(moves, st.integers(0, 10**16), st.integers(1, 6))
def test_the_sorted_window_says_what_the_state_says(history: list[GroupMove], variance: int, steps: int) -> None:
    rules = msgspec.structs.replace(RULES, horizon_ms=steps * HOUR)
    window, held = MoveWindow(rules), VarianceRecord(variance, variance)
    for move in history:
        window.add(move)
    assert window.filtered(held) == history_figures(rules, history[-RULES.window :], held)


def test_nothing_is_estimated_from_what_comes_later() -> None:
    data, setup, cut = market(), Setup(RULES, 8, 100), 250
    other = market(seed=2)
    closes = tuple((*kept[:cut], *new[cut:]) for kept, new in zip(data.closes, other.closes, strict=True))
    one, two = walk(data, setup), walk(replace(data, closes=closes), setup)
    known = int((one.times_s <= data.times_s[cut - 1]).sum())
    assert known == cut - 100
    assert np.array_equal(one.raw_ppm[:known], two.raw_ppm[:known])
    assert np.array_equal(one.ranges_ppm[:known], two.ranges_ppm[:known])
    assert np.array_equal(one.margins[:known], two.margins[:known])
    assert not np.array_equal(one.losses[known:], two.losses[known:])


def test_losses_are_what_the_positions_lost() -> None:
    data, setup = market(), Setup(RULES, 4, 100)
    walked = walk(data, setup)
    # The books were opened at the first row and never since: 400 rows are less than a reopening.
    for seed in range(4):
        lots = lots_of(worth_of(seed, 2), [series[0] for series in data.closes])
        for point in (0, 17, 200):
            changes = [series[101 + point] - series[100 + point] for series in data.closes]
            loss = -sum(held * change * 10 for held, change in zip(lots, changes, strict=True))
            assert walked.losses[point, seed] == loss


def test_the_margin_of_one_underlying_is_its_range() -> None:
    rules = msgspec.structs.replace(RULES, joint_scenarios=0)
    data = market()
    walked = walk(data, Setup(rules, 1, 100))
    lots = lots_of(worth_of(0, 2), [series[0] for series in data.closes])[0]
    for point in (0, 50, 250):
        shock = -(-data.closes[0][100 + point] * int(walked.ranges_ppm[point, 0]) // 1_000_000)
        assert walked.margins[point, 0] == lots * shock * 10


def test_a_longer_horizon_is_tested_without_overlap() -> None:
    walked = walk(market(), Setup(msgspec.structs.replace(RULES, horizon_ms=4 * HOUR), 2, 100, 4))
    assert np.unique(np.diff(walked.times_s)).tolist() == [4 * 3600]


def test_points_across_a_gap_are_left_out_and_counted() -> None:
    data = market()
    times = tuple(time_s if at < 300 else time_s + 7200 for at, time_s in enumerate(data.times_s))
    walked = walk(MarketData(data.names, times, data.closes), Setup(RULES, 2, 100))
    assert walked.gaps == 1
    assert walked.times_s.size == 400 - 100 - 1 - 1


@pytest.mark.parametrize("top", [2**40 - 1, 10**9])
def test_prices_too_far_apart_are_refused_and_never_wrap(top: int) -> None:
    series = tuple(1 if at % 2 else top for at in range(1_600))
    data = MarketData(("a",), tuple(3600 * at for at in range(1, 1_601)), (series,))
    try:
        walked = walk(data, Setup(RULES, 4, 100))
    except LocalFault as fault:
        assert fault.code.name == "MARKET_DATA_UNUSABLE"
    else:
        lots = lots_of(worth_of(0, 1), [top])[0]
        assert abs(int(walked.losses[0, 0])) == lots * (top - 1) * 10


def test_every_book_and_every_breach_is_reported() -> None:
    setup = Setup(RULES, 12, 100)
    walked = walk(market(rows=900, seed=5), setup)
    report = report_of(walked, setup, "prices.csv", "00")
    assert [book.seed for book in report.books] == list(range(12))
    assert len(report.breaches) == int((walked.losses > walked.margins).sum()) > 0
    assert sum(book.coverage.exceeded for book in report.books) == len(report.breaches)
    assert all(breach.loss > breach.margin for breach in report.breaches)
    decoded = msgspec.json.decode(msgspec.json.encode(report))
    assert len(decoded["books"]) == 12
    assert decoded["parameters"]["window"] == 60


def test_a_range_that_is_too_small_fails() -> None:
    setup = Setup(msgspec.structs.replace(RULES, joint_scenarios=0), 4, 100)
    walked = walk(market(rows=900), setup)
    blind = replace(walked, raw_ppm=walked.raw_ppm // 2, margins=walked.margins // 3)
    report = report_of(blind, setup, "prices.csv", "00")
    assert not report.raw_is_calibrated
    assert not report.margin_is_enough
    assert not report.passed


def test_the_names_of_series_do_not_matter() -> None:
    data = market()
    renamed = replace(data, names=("x", "y"))
    assert np.array_equal(walk(data, Setup(RULES, 4, 100)).margins, walk(renamed, Setup(RULES, 4, 100)).margins)
