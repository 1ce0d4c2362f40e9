"""The guard of one source: each rule refuses by its code, at the limit and not before."""

import pytest

from node.oracle.guard import Limits, SourceState, age_ms, judge
from node.oracle.readings import E18, Reading, of_book
from node.oracle.source import OracleCode

NOW = 1_000_000
LIMITS = Limits(age_ms_max=5_000, skew_ms_max=2_000, spread_ppm_max=5_000)


def source(reading: Reading | None, arrived_ms: int = NOW) -> SourceState:
    return SourceState("venue", reading, arrived_ms)


def book(bid: int, ask: int) -> SourceState:
    return source(of_book(bid * E18, ask * E18, NOW))


def verdict(state: SourceState) -> OracleCode | None:
    flaw = judge(state, LIMITS, NOW)
    return None if flaw is None else flaw.code


@pytest.mark.parametrize(
    ("bid", "ask", "code"),
    [
        (999, 1_000, None),
        (100, 100, OracleCode.BOOK_UNUSABLE),
        (101, 100, OracleCode.BOOK_UNUSABLE),
        (0, 100, OracleCode.BOOK_UNUSABLE),
        (100, 0, OracleCode.BOOK_UNUSABLE),
        (-2, -1, OracleCode.BOOK_UNUSABLE),
    ],
)
def test_a_crossed_locked_or_one_sided_book_is_refused(bid: int, ask: int, code: OracleCode | None) -> None:
    assert verdict(book(bid, ask)) is code


def test_the_price_of_a_book_is_the_middle_and_its_half_width_is_rounded_up() -> None:
    reading = of_book(100, 103, None)
    assert (reading.price_e18, reading.half_width_e18) == (101, 2)


@pytest.mark.parametrize("price", [0, -1, -E18])
def test_a_price_of_zero_or_less_is_refused(price: int) -> None:
    assert verdict(source(Reading(price))) is OracleCode.PRICE_NOT_POSITIVE


@pytest.mark.parametrize(
    ("stated_ms", "code"),
    [
        (NOW - 5_000, None),
        (NOW - 5_001, OracleCode.SOURCE_STALE),
        (NOW + 2_000, None),
        (NOW + 2_001, OracleCode.CLOCK_SKEWED),
    ],
)
def test_a_price_is_as_old_as_the_source_states(stated_ms: int, code: OracleCode | None) -> None:
    assert verdict(source(Reading(E18, time_ms=stated_ms))) is code


def test_a_price_without_a_time_is_as_old_as_its_arrival() -> None:
    assert verdict(source(Reading(E18), NOW - 5_000)) is None
    assert verdict(source(Reading(E18), NOW - 5_001)) is OracleCode.SOURCE_STALE


def test_a_source_that_states_the_future_does_not_stay_young() -> None:
    assert age_ms(source(Reading(E18, time_ms=NOW + 1_000), NOW - 7_000), NOW) == 7_000


def test_half_the_spread_may_be_so_wide_and_no_wider() -> None:
    assert verdict(source(Reading(1_000 * E18, 5 * E18))) is None
    assert verdict(source(Reading(1_000 * E18, 5 * E18 + 1))) is OracleCode.SPREAD_TOO_WIDE


def test_a_halted_market_does_not_count_even_with_a_price() -> None:
    halted = SourceState("venue", Reading(E18), NOW, OracleCode.MARKET_HALTED, "cancel_only")
    assert verdict(halted) is OracleCode.MARKET_HALTED


def test_the_last_price_outlives_one_failed_question_and_not_its_age() -> None:
    failed = SourceState("venue", Reading(E18), NOW - 5_000, OracleCode.VENUE_RATE_LIMITED, "wait 3 s")
    assert judge(failed, LIMITS, NOW) is None
    late = judge(failed, LIMITS, NOW + 1)
    assert late is not None
    assert late.code is OracleCode.SOURCE_STALE
    assert "wait 3 s" in late.why


def test_a_source_without_a_price_says_why() -> None:
    assert verdict(SourceState("venue")) is OracleCode.SOURCE_SILENT
    assert verdict(SourceState("venue", fault=OracleCode.BOOK_BROKEN)) is OracleCode.BOOK_BROKEN
