"""Time averages of irregular blocks, and what a lot is worth at expiry."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.schema.terms.instruments import InstrumentKind
from clearing.settlement.settlement_prices import (
    TimeAverage,
    expected_average_ticks,
    extend_average,
    needed_ms,
    settlement_payments,
    settlement_value_ticks,
)

FOREVER = 10**12


def average_of(prices: list[tuple[int, int]], end: int, start: int, hold_ms: int = FOREVER) -> TimeAverage:
    """(time, ticks) rising in time; the last price stands until `end`."""
    average = TimeAverage()
    for (at, ticks), (until, _) in zip(prices, [*prices[1:], (end, 0)], strict=True):
        average = extend_average(average, ticks, at, until, start, hold_ms)
    return average


@pytest.mark.parametrize(
    ("prices", "end", "start", "hold", "covered", "ticks"),
    [
        ([(0, 100)], 10, 0, FOREVER, 10, 100),
        ([(0, 100), (5, 200)], 10, 0, FOREVER, 10, 150),
        ([(0, 100), (9, 200)], 10, 0, FOREVER, 10, 110),  # a price weighs by how long it stood, not by its block
        ([(0, 100), (5, 200)], 10, 5, FOREVER, 5, 200),  # what was before the window does not count
        ([(0, 100), (5, 200)], 10, 3, FOREVER, 7, 171),  # 2 x 100 + 5 x 200 over 7, rounded down
        ([(0, 100), (5, 200)], 10, 0, 3, 6, 150),  # each price stands three milliseconds at most
        ([(0, 100), (5, 200)], 10, 4, 3, 3, 200),  # the first was too old when the window opened
        ([(0, 100), (0, 300)], 10, 0, FOREVER, 10, 300),  # two blocks of one time: the later one stands
    ],
)
def test_each_price_weighs_as_long_as_it_stood(
    prices: list[tuple[int, int]], end: int, start: int, hold: int, covered: int, ticks: int
) -> None:
    average = average_of(prices, end, start, hold)
    assert average.covered_ms == covered
    assert average.ticks == ticks


def test_an_average_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no part"):
        _ = TimeAverage().ticks


TIMES = st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 2**40)), min_size=1, max_size=20).map(sorted)


@given(TIMES, st.integers(0, 10_000))
def test_the_average_is_that_of_the_step_function_of_prices(prices: list[tuple[int, int]], start: int) -> None:
    end = 10_001
    average = average_of(prices, end, start)

    def standing(at: int) -> int | None:
        before = [ticks for time, ticks in prices if time <= at]
        return before[-1] if before else None

    values = [ticks for at in range(start, end, 1) if (ticks := standing(at)) is not None] if end - start < 300 else []
    if values:
        assert average.ticks == int(Fraction(sum(values), len(values)))
    assert average.covered_ms == max(end - max(start, prices[0][0]), 0)
    if average.covered_ms:
        assert min(t for _, t in prices) <= average.ticks <= max(t for _, t in prices)


@given(TIMES, st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_block_in_between_that_moves_no_price_changes_nothing(
    prices: list[tuple[int, int]], start: int, at: int
) -> None:
    before = [ticks for time, ticks in prices if time <= at]
    if not before:
        return
    split = sorted([*prices, (at, before[-1])], key=lambda each: each[0])
    assert average_of(split, 10_001, start) == average_of(prices, 10_001, start)


@pytest.mark.parametrize(("window", "ppm", "wanted"), [(1_000, 500_000, 500), (3, 500_000, 2), (0, 500_000, 0)])
def test_needed_coverage_rounds_up(window: int, ppm: int, wanted: int) -> None:
    assert needed_ms(window, ppm) == wanted


def test_inside_its_window_a_future_is_worth_what_the_average_will_be() -> None:
    assert expected_average_ticks(TimeAverage(), 1_000, 777) == 777
    assert expected_average_ticks(TimeAverage(250 * 100, 250), 1_000, 200) == 175
    assert expected_average_ticks(TimeAverage(1_000 * 100, 1_000), 1_000, 9_999) == 100
    assert expected_average_ticks(TimeAverage(2_000 * 100, 2_000), 1_000, 9_999) == 100, "a prolonged window"
    assert expected_average_ticks(TimeAverage(), 0, 777) == 777


@pytest.mark.parametrize(
    ("kind", "settlement", "value"),
    [
        (InstrumentKind.FUTURE, 900, 900),
        (InstrumentKind.FORWARD, 900, 900),
        (InstrumentKind.PERPETUAL, 900, 900),
        (InstrumentKind.CALL, 900, 100),
        (InstrumentKind.CALL, 800, 0),
        (InstrumentKind.CALL, 700, 0),
        (InstrumentKind.PUT, 900, 0),
        (InstrumentKind.PUT, 700, 100),
    ],
)
def test_an_option_is_worth_its_intrinsic_value(kind: InstrumentKind, settlement: int, value: int) -> None:
    assert settlement_value_ticks(kind, settlement, 800) == value


@given(st.lists(st.integers(-(2**39), 2**39)), st.integers(0, 2**40), st.integers(0, 2**40), st.integers(1, 2**16))
def test_settlement_of_matched_lots_sums_to_zero(lots: list[int], value: int, paid: int, micros: int) -> None:
    assert sum(settlement_payments([*lots, -sum(lots)], value, paid, micros)) == 0
