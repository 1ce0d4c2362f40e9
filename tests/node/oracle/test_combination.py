"""One value out of several sources: medians of those that most confirm, never a value by too few."""

from hypothesis import given
from hypothesis import strategies as st

from node.oracle.combination import FeedCombination, Judgement, median
from node.oracle.guard import Limits, SourceState
from node.oracle.readings import E18, PPM, Reading
from node.oracle.source import OracleCode

NOW = 1_000_000
LIMITS = Limits(quorum=2, deviation_ppm_max=10_000, jump_ppm_max=50_000, jump_ms=10_000)


def sources(*prices: float, at_ms: int = NOW) -> list[SourceState]:
    return [SourceState(f"s{i}", Reading(round(price * 1_000) * E18 // 1_000), at_ms) for i, price in enumerate(prices)]


def codes(judgement: Judgement) -> list[OracleCode | None]:
    return [None if verdict.flaw is None else verdict.flaw.code for verdict in judgement.verdicts]


def test_the_value_is_the_median_and_its_half_width_reaches_the_farthest_source() -> None:
    value = FeedCombination(LIMITS).judge(sources(100, 100.2, 100.9), NOW).value
    assert value is not None
    assert (value.price_e18, value.half_width_e18, value.sources) == (1_002 * E18 // 10, 7 * E18 // 10, 3)


def test_one_source_that_lies_is_named_and_does_not_count() -> None:
    judged = FeedCombination(LIMITS).judge(sources(100, 100.5, 150), NOW)
    assert codes(judged) == [None, None, OracleCode.PRICE_DEVIATES]
    assert judged.value is not None
    assert judged.value.price_e18 == 10_025 * E18 // 100


def test_two_sources_that_contradict_each_other_give_no_value() -> None:
    judged = FeedCombination(LIMITS).judge(sources(100, 150), NOW)
    assert codes(judged) == [OracleCode.PRICE_DEVIATES, OracleCode.PRICE_DEVIATES]
    assert judged.value is None


def test_two_pairs_that_contradict_each_other_give_no_value() -> None:
    judged = FeedCombination(LIMITS).judge(sources(100, 100, 150, 150), NOW)
    assert codes(judged) == [OracleCode.PRICE_DEVIATES] * 4
    assert judged.value is None


def test_fewer_sources_than_the_quorum_give_no_value() -> None:
    assert FeedCombination(LIMITS).judge(sources(100), NOW).value is None
    assert FeedCombination(Limits(quorum=1)).judge(sources(100), NOW).value is not None
    assert FeedCombination(LIMITS).judge([], NOW).value is None


def test_a_clock_that_is_set_back_leaves_no_anchor_of_a_later_time() -> None:
    feed = FeedCombination(LIMITS)
    feed.judge(sources(100), NOW)
    assert codes(feed.judge(sources(50, at_ms=NOW - 500_000), NOW - 500_000)) == [None]


def test_a_jump_counts_when_another_source_makes_it_too() -> None:
    feed = FeedCombination(LIMITS)
    feed.judge(sources(100, 100, 100), NOW)
    alone = feed.judge(sources(80, 100, 100, at_ms=NOW + 100), NOW + 100)
    assert codes(alone) == [OracleCode.PRICE_JUMPED, None, None]
    confirmed = feed.judge(sources(80, 80.1, 100, at_ms=NOW + 200), NOW + 200)
    assert codes(confirmed) == [None, None, OracleCode.PRICE_DEVIATES]


def test_the_jump_of_a_lone_source_counts_after_its_time() -> None:
    feed = FeedCombination(Limits(quorum=1, jump_ms=10_000))
    feed.judge(sources(100), NOW)
    assert codes(feed.judge(sources(80, at_ms=NOW + 10_000), NOW + 10_000)) == [OracleCode.PRICE_JUMPED]
    late = feed.judge(sources(80, at_ms=NOW + 10_001), NOW + 10_001)
    assert late.value is not None
    assert late.value.price_e18 == 80 * E18


def test_a_price_that_walks_is_no_jump() -> None:
    feed = FeedCombination(Limits(quorum=1, jump_ppm_max=50_000))
    for step in range(20):
        at = NOW + 1_000 * step
        assert feed.judge(sources(100 - step, at_ms=at), at).value is not None


def test_a_source_may_have_an_age_of_its_own() -> None:
    feed = FeedCombination(LIMITS, lambda name: 60_000 if name == "s1" else 0)
    judged = feed.judge(sources(100, 100, at_ms=NOW - 30_000), NOW)
    assert codes(judged) == [OracleCode.SOURCE_STALE, None]


@given(
    honest=st.lists(st.integers(1_000 * E18, 1_005 * E18), min_size=1, max_size=7),
    lies=st.lists(st.integers(1, 2_000 * E18), max_size=6),
)
def test_while_most_sources_are_honest_the_value_is_between_two_of_them(honest: list[int], lies: list[int]) -> None:
    lies = lies[: len(honest) - 1]
    states = [SourceState(f"s{i}", Reading(price), NOW) for i, price in enumerate(honest + lies)]
    value = FeedCombination(Limits(quorum=1)).judge(states, NOW).value
    assert value is not None
    assert min(honest) <= value.price_e18 <= max(honest)


@given(st.lists(st.integers(1, 10**24), min_size=1, max_size=9), st.integers(1, PPM))
def test_the_order_of_the_sources_changes_nothing(prices: list[int], ppm: int) -> None:
    states = [SourceState(f"s{i}", Reading(price), NOW) for i, price in enumerate(prices)]
    limits = Limits(quorum=1, deviation_ppm_max=ppm)
    forward, backward = (FeedCombination(limits).judge(each, NOW) for each in (states, states[::-1]))
    assert forward.value == backward.value
    assert forward.verdicts == backward.verdicts[::-1]
    assert min(prices) <= median(prices) <= max(prices)
