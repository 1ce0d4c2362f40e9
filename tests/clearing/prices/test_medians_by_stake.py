"""Medians by stake, and outliers by median absolute deviation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.prices.index_prices import WeightedReport, filter_outliers, lower_median, upper_median

WEIGHTED = st.lists(st.tuples(st.integers(-(2**40), 2**40), st.integers(0, 100)), min_size=1).filter(
    lambda pairs: any(weight for _, weight in pairs)
)
REPORTS = st.lists(
    st.tuples(st.integers(1, 100), st.integers(1, 2**40), st.integers(0, 100)), min_size=1, max_size=30
).map(lambda rows: [WeightedReport(at, power, ticks, unsure) for at, (power, ticks, unsure) in enumerate(rows)])


def reports(*prices: int, power: int = 10) -> list[WeightedReport]:
    return [WeightedReport(at, power, ticks, 0) for at, ticks in enumerate(prices)]


@pytest.mark.parametrize(
    ("weighted", "lower", "upper"),
    [
        ([(5, 1)], 5, 5),
        ([(1, 1), (2, 1)], 1, 2),
        ([(1, 1), (2, 1), (3, 1)], 2, 2),
        ([(1, 10), (2, 1), (3, 1)], 1, 1),
        ([(1, 0), (2, 1), (3, 1)], 2, 3),
        ([(3, 2), (1, 1), (2, 1)], 2, 3),
    ],
)
def test_the_lower_and_upper_median_take_the_ends_of_the_middle(
    weighted: list[tuple[int, int]], lower: int, upper: int
) -> None:
    assert lower_median(weighted) == lower
    assert upper_median(weighted) == upper


@given(WEIGHTED)
def test_half_of_the_weight_lies_on_each_side_of_the_lower_median(weighted: list[tuple[int, int]]) -> None:
    middle, whole = lower_median(weighted), sum(weight for _, weight in weighted)
    assert 2 * sum(weight for value, weight in weighted if value <= middle) >= whole
    assert 2 * sum(weight for value, weight in weighted if value < middle) < whole
    assert upper_median(weighted) >= middle


@given(WEIGHTED, st.randoms())
def test_the_order_of_reports_does_not_count(weighted: list[tuple[int, int]], chance: object) -> None:
    shuffled = list(weighted)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert lower_median(weighted) == lower_median(shuffled)


def test_a_median_of_no_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="no weight"):
        lower_median([(1, 0)])


@pytest.mark.parametrize(
    ("prices", "deviations", "floor_ppm", "dropped"),
    [
        ((100, 101, 102, 500), 3, 0, (3,)),  # median 101, deviations 1 0 1 399: MAD 1
        ((100, 101, 102, 104), 3, 0, ()),  # exactly three deviations away
        ((100, 101, 102, 105), 3, 0, (3,)),
        ((100, 101, 102, 500), 0, 0, ()),  # switched off
        ((1_000, 1_000, 1_000, 1_001), 3, 0, (3,)),  # MAD 0 and no floor: only the same is kept
        ((1_000, 1_000, 1_000, 1_001), 3, 1_000, ()),  # exactly at the floor
        ((1_000, 1_000, 1_000, 1_002), 3, 1_000, (3,)),
        ((1, 1_000, 1_010, 2_000), 2, 1_000, (0, 3)),  # both sides: median 1000, MAD 10
        ((100, 200), 1, 0, (1,)),  # lower median 100, MAD 0: half of the stake stays
    ],
)
def test_reports_beyond_so_many_deviations_are_dropped(
    prices: tuple[int, ...], deviations: int, floor_ppm: int, dropped: tuple[int, ...]
) -> None:
    sifted = filter_outliers(reports(*prices), deviations, floor_ppm)
    assert tuple(each.validator for each in sifted.dropped) == dropped
    assert len(sifted.used) + len(sifted.dropped) == len(prices)


def test_deviation_is_by_stake_and_not_by_heads() -> None:
    many_small = [WeightedReport(at, 1, 5_000, 0) for at in range(5)]
    few_large = [WeightedReport(5 + at, 100, 1_000 + at, 0) for at in range(3)]
    sifted = filter_outliers([*many_small, *few_large], 3, 0)
    assert sifted.median_ticks == 1_001
    assert {each.validator for each in sifted.dropped} == set(range(5))


@given(REPORTS, st.integers(1, 20), st.integers(0, 100_000))
def test_half_of_the_stake_is_never_an_outlier(listed: list[WeightedReport], deviations: int, floor_ppm: int) -> None:
    sifted = filter_outliers(listed, deviations, floor_ppm)
    assert 2 * sum(each.power for each in sifted.used) >= sum(each.power for each in listed)
    assert all(abs(each.ticks - sifted.median_ticks) <= sifted.limit_ticks for each in sifted.used)
    assert all(abs(each.ticks - sifted.median_ticks) > sifted.limit_ticks for each in sifted.dropped)


@given(REPORTS, st.integers(1, 20), st.integers(2**41, 2**50))
def test_less_than_half_of_the_stake_cannot_move_the_median_beyond_what_the_rest_says(
    listed: list[WeightedReport], deviations: int, lie: int
) -> None:
    honest = sum(each.power for each in listed)
    liar = WeightedReport(len(listed), max(honest - 1, 1), lie, 0)
    if liar.power >= honest:
        return
    sifted = filter_outliers([*listed, liar], deviations, 1_000)
    assert sifted.median_ticks <= max(each.ticks for each in listed)
