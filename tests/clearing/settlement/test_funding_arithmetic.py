"""Premium and funding in whole numbers: worked by hand, and as properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.schema.terms.prices import PREMIUM_CAP_PPM_MAX
from clearing.settlement.funding import (
    PPB,
    VOLUME_MAX,
    average_premium_ppb,
    funding_payments,
    funding_rate_ppb,
    next_premium_ppb,
    perpetual_mark_ticks,
    premium_ppb,
)

INDEX = st.integers(1, 2**40 - 1)
PREMIUM = st.integers(-500_000_000, 500_000_000)
HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("trade", "index", "cap_ppm", "wanted"),
    [
        (1_010_000, 1_000_000, 50_000, 10_000_000),  # 1 %
        (990_000, 1_000_000, 50_000, -10_000_000),
        (1_100_000, 1_000_000, 50_000, 50_000_000),  # clamped to 5 %
        (1, 1_000_000, 50_000, -50_000_000),
        (1_000_001, 3_000_000, 500_000, -500_000_000),
        (4, 3, 500_000, 333_333_333),  # towards zero
        (2, 3, 500_000, -333_333_333),
    ],
)
def test_a_trade_says_a_premium_within_the_cap(trade: int, index: int, cap_ppm: int, wanted: int) -> None:
    assert premium_ppb(trade, index, cap_ppm) == wanted


def test_a_premium_needs_an_index() -> None:
    with pytest.raises(ValueError, match="index must be positive"):
        premium_ppb(1, 0, 1)


@pytest.mark.parametrize(
    ("premium", "weighted", "volume", "depth", "elapsed", "window", "wanted"),
    [
        (0, 900 * 1_000_000, 900, 100, 1_000, 1_000, 450_000),  # sample 900,000; half of the way in one window
        (0, 0, 0, 100, 1_000, 1_000, 0),
        (800, 0, 0, 100, 1_000, 3_000, 600),  # fades by a quarter
        (-800, 0, 0, 100, 1_000, 3_000, -600),
        (7, 0, 0, 1, 0, 1_000, 7),  # no time, no change
        (1, 0, 0, 1, 1_000_000, 1, 0),
    ],
)
def test_the_premium_follows_trades_by_volume_and_time(
    premium: int, weighted: int, volume: int, depth: int, elapsed: int, window: int, wanted: int
) -> None:
    assert next_premium_ppb(premium, weighted, volume, depth, elapsed, window) == wanted


@given(
    PREMIUM,
    PREMIUM,
    st.integers(0, VOLUME_MAX),
    st.integers(1, 2**32 - 1),
    st.integers(0, 10**9),
    st.integers(1, 10**9),
)
def test_the_premium_stays_between_what_it_was_what_was_traded_and_nothing(
    premium: int, traded: int, volume: int, depth: int, elapsed: int, window: int
) -> None:
    after = next_premium_ppb(premium, traded * volume, volume, depth, elapsed, window)
    assert min(premium, traded, 0) <= after <= max(premium, traded, 0)
    mirrored = next_premium_ppb(-premium, -traded * volume, volume, depth, elapsed, window)
    assert mirrored == -after, "longs and shorts are treated alike"


@pytest.mark.parametrize(
    "arguments", [(0, 0, 0, 0, 1, 1), (0, 0, 0, 1, 1, 0), (0, 0, 0, 1, -1, 1), (0, 0, -1, 1, 1, 1)]
)
def test_an_average_over_nothing_is_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="depth"):
        next_premium_ppb(*arguments)


@given(INDEX, PREMIUM, st.integers(0, PREMIUM_CAP_PPM_MAX))
def test_the_mark_lies_within_the_cap_of_the_index(index: int, premium: int, cap_ppm: int) -> None:
    mark = perpetual_mark_ticks(index, premium, cap_ppm)
    assert mark >= 1
    assert abs(mark - index) * 1_000_000 <= index * cap_ppm
    assert perpetual_mark_ticks(index, premium, 0) == index


@pytest.mark.parametrize(
    ("premium", "interest_ppm", "dampener_ppm", "cap_ppm", "wanted"),
    [
        (0, 100, 500, 5_000, 100_000),  # near the interest: the interest
        (599_000, 100, 500, 5_000, 100_000),
        (601_000, 100, 500, 5_000, 101_000),
        (-400_000, 100, 500, 5_000, 100_000),
        (-401_000, 100, 500, 5_000, 99_000),
        (10_000_000, 100, 500, 5_000, 5_000_000),  # clamped
        (-10_000_000, 100, 500, 5_000, -5_000_000),
        (1_000_000, 0, 0, 5_000, 1_000_000),  # no dampener: the premium itself
    ],
)
def test_the_rate_is_the_premium_dampened_and_clamped(
    premium: int, interest_ppm: int, dampener_ppm: int, cap_ppm: int, wanted: int
) -> None:
    assert funding_rate_ppb(premium, interest_ppm, dampener_ppm, cap_ppm) == wanted


@given(PREMIUM, PREMIUM, st.integers(0, 1_000), st.integers(0, 1_000), st.integers(0, 500_000))
def test_a_higher_premium_never_lowers_the_rate(
    premium: int, other: int, interest: int, dampener: int, cap: int
) -> None:
    low, high = sorted((premium, other))
    rates = [funding_rate_ppb(each, interest, dampener, cap) for each in (low, high)]
    assert rates[0] <= rates[1]
    assert all(abs(rate) <= cap * 1_000 for rate in rates)


def test_funding_worked_by_hand() -> None:
    """10 and 5 lots long, 15 short; index 7,900.00, 10 micros a tick; 0.01 % for one hour of eight."""
    payments, rounding = funding_payments([10, 5, -15], 790_000, 10, 100_000, HOUR_MS, 8 * HOUR_MS)
    exact = 10 * 790_000 * 10 * 100_000 * HOUR_MS / (PPB * 8 * HOUR_MS)
    assert exact == 987.5
    assert payments == [-988, -494, 1_481]
    assert rounding == 1


def test_a_negative_rate_is_paid_by_shorts() -> None:
    payments, rounding = funding_payments([10, -10], 790_000, 10, -100_000, HOUR_MS, 8 * HOUR_MS)
    assert (payments, rounding) == ([987, -988], 1)


@given(
    st.lists(st.integers(-(2**39) + 1, 2**39 - 1), max_size=20),
    INDEX,
    st.integers(1, 2**16),
    PREMIUM,
    st.integers(0, 10**9),
    st.integers(1, 10**9),
)
def test_payments_and_rounding_sum_to_zero_and_the_house_never_pays(
    lots: list[int], index: int, micros: int, rate: int, covered: int, period: int
) -> None:
    matched = [*lots, -sum(lots)]
    payments, rounding = funding_payments(matched, index, micros, rate, covered, period)
    assert sum(payments) + rounding == 0
    assert 0 <= rounding < max(len(matched), 1)
    for each, payment in zip(matched, payments, strict=True):
        exact = -each * index * micros * rate * covered
        assert payment * PPB * period <= exact < (payment + 1) * PPB * period, "down for payees, up for payers"


@given(st.lists(st.tuples(st.integers(0, 10**6), PREMIUM), min_size=1))
def test_an_average_premium_lies_between_the_least_and_the_largest(pieces: list[tuple[int, int]]) -> None:
    covered = sum(elapsed for elapsed, _ in pieces)
    average = average_premium_ppb(sum(elapsed * premium for elapsed, premium in pieces), covered)
    if covered == 0:
        assert average == 0
    else:
        assert min(p for e, p in pieces if e) <= average <= max(p for e, p in pieces if e)
