"""Variance: the recursion's worked case, rounding away from calm, and what a gap does."""

from fractions import Fraction
from math import isqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.price_ranges.history import (
    NANO,
    RETURN_MAX_NANO,
    VARIANCE_MAX,
    deviation_over,
    first_variance,
    interval_return_nano,
    next_variance,
    observe_price,
    sqrt_up,
)
from clearing.schema.records.prices import GroupMove, VarianceRecord

HOUR = 3_600_000
PPM = 1_000_000
variances = st.integers(0, VARIANCE_MAX)
returns = st.integers(-RETURN_MAX_NANO, RETURN_MAX_NANO)
prices = st.integers(1, 2**40 - 1)
spans = st.integers(1, 30 * 24 * HOUR)


def seen(variance_record: VarianceRecord, ticks: int, time_ms: int) -> tuple[VarianceRecord, GroupMove]:
    return observe_price(variance_record, ticks, time_ms, interval_ms=HOUR, decay_ppm=940_000, floor_samples=100)


def test_c14_the_weighted_variance() -> None:
    assert next_variance(400_000 * 10**9, 50_000_000, 940_000) == 526_000 * 10**9  # .0004, r = .05 -> .000526


@given(variances, returns, st.integers(1, PPM - 1))
def test_variance_is_rounded_up_and_stays_between_what_it_mixes(before: int, moved: int, decay: int) -> None:
    after = next_variance(before, moved, decay)
    exact = Fraction(before * decay + moved * moved * (PPM - decay), PPM)
    assert exact <= after < exact + 1
    assert min(before, moved * moved) <= after <= max(before, moved * moved) <= VARIANCE_MAX < 2**63


@given(st.integers(0, 10**40))
def test_the_square_root_is_the_least_whole_number_that_is_enough(value: int) -> None:
    root = sqrt_up(value)
    assert root * root >= value
    assert root == 0 or (root - 1) ** 2 < value
    assert root - isqrt(value) in (0, 1)


@given(variances, spans, spans)
def test_a_longer_span_never_deviates_less(variance: int, one: int, other: int) -> None:
    short, long = sorted((one, other))
    assert deviation_over(variance, short, HOUR) <= deviation_over(variance, long, HOUR)


def test_deviation_grows_with_the_root_of_time() -> None:
    assert deviation_over(10**14, 4 * HOUR, HOUR) == 2 * deviation_over(10**14, HOUR, HOUR) == 20_000_000


@given(prices, prices, st.integers(HOUR, 100 * HOUR))
def test_a_return_is_rounded_away_from_zero_and_bounded(before: int, after: int, gap: int) -> None:
    moved = interval_return_nano(before, after, gap, HOUR)
    exact = Fraction((after - before) * NANO, before)
    assert (moved > 0) == (after > before)
    assert (moved < 0) == (after < before)
    assert abs(moved) <= RETURN_MAX_NANO
    if gap == HOUR and abs(exact) <= RETURN_MAX_NANO:
        assert abs(exact) <= abs(moved) < abs(exact) + 1


def test_a_return_over_a_gap_counts_as_one_of_an_interval() -> None:
    assert interval_return_nano(100, 110, HOUR, HOUR) == 100_000_000
    assert interval_return_nano(100, 110, 4 * HOUR, HOUR) == 50_000_000
    assert interval_return_nano(100, 90, 4 * HOUR, HOUR) == -50_000_000


def test_the_first_price_is_no_move() -> None:
    held, move = seen(VarianceRecord(5, 5), 1_000, HOUR)
    assert move == GroupMove(0, 0)
    assert (held.variance, held.price_ticks, held.observations) == (5, 1_000, 0)


def test_the_deviation_that_goes_with_a_move_is_the_one_before_it() -> None:
    held, _ = seen(VarianceRecord(10**14, 10**14), 1_000, HOUR)
    after, move = seen(held, 1_050, 2 * HOUR)
    assert move == GroupMove(50_000_000, 10_000_000)
    assert after.variance == next_variance(10**14, 50_000_000, 940_000)
    assert after.observations == 1
    assert after.turbulence > 0


@settings(max_examples=50)
@given(st.lists(prices, min_size=2, max_size=30))
def test_no_history_leaves_the_range_of_the_records(series: list[int]) -> None:
    variance_record = VarianceRecord(VARIANCE_MAX, VARIANCE_MAX)
    for at, ticks in enumerate(series):
        variance_record, move = seen(variance_record, ticks, at * HOUR)
        assert 0 <= variance_record.variance <= VARIANCE_MAX
        assert 0 <= variance_record.long_variance <= VARIANCE_MAX
        assert 0 <= variance_record.turbulence <= VARIANCE_MAX
        assert abs(move.return_nano) <= RETURN_MAX_NANO


def test_the_long_run_variance_is_the_mean_until_its_memory_is_full() -> None:
    held, _ = seen(VarianceRecord(0, 0), 10**9, 0)
    for at, change in enumerate((10**7, -(10**7), 10**7), start=1):
        held, _ = seen(held, held.price_ticks + change, at * HOUR)
    assert held.long_variance == pytest.approx(0.75 * 10**14, rel=0.02)  # the first of four counts as zero


@given(st.integers(1, PPM), st.integers(PPM, 20 * PPM), spans, spans)
def test_the_first_variance_is_in_range(range_ppm: int, multiple: int, horizon: int, interval: int) -> None:
    held = first_variance(range_ppm, multiple, horizon, interval)
    assert 1 <= held.variance <= VARIANCE_MAX
