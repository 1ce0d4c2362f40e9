"""Filtered history: the worked case of rescaling, quantiles that count what is to come, expected shortfall."""

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.price_ranges.history import (
    MULTIPLE_MAX_PPM,
    expected_shortfall,
    quantile_up,
    rescale_returns,
    spanned_moves,
    standardised_move,
)
from clearing.schema.records.prices import GroupMove

PPM = 1_000_000
M = 1_000_000  # a thousandth, in 10^-9


def test_c15_past_returns_in_today_s_proportion() -> None:
    returns = [-20 * M, 10 * M, -30 * M, 15 * M, 20 * M]
    deviations = [10 * M, 10 * M, 20 * M, 15 * M, 10 * M]
    assert rescale_returns(returns, deviations, 30 * M) == [-60 * M, 30 * M, -45 * M, 30 * M, 60 * M]


@given(st.lists(st.tuples(st.integers(-(10**10), 10**10), st.integers(1, 10**10))), st.integers(0, 10**10))
def test_rescaling_rounds_away_from_zero(pairs: list[tuple[int, int]], now: int) -> None:
    scaled = rescale_returns([r for r, _ in pairs], [s for _, s in pairs], now)
    for (moved, then), after in zip(pairs, scaled, strict=True):
        exact = Fraction(abs(moved) * now, then)
        assert exact <= abs(after) < exact + 1
        assert after == 0 or (after > 0) == (moved > 0)


def test_a_return_without_its_deviation_cannot_be_rescaled() -> None:
    with pytest.raises(ValueError):
        rescale_returns([1, 2], [1], 3)
    with pytest.raises(ValueError):
        rescale_returns([1], [0], 3)


def test_a_move_is_measured_in_deviations() -> None:
    assert standardised_move(GroupMove(-30, 10)) == 3 * PPM
    assert standardised_move(GroupMove(10, 3)) == 3_333_334
    assert standardised_move(GroupMove(10**9, 1)) == MULTIPLE_MAX_PPM


def test_moves_in_a_row_are_one_over_the_root_of_time() -> None:
    moves = [GroupMove(10, 10), GroupMove(-4, 20), GroupMove(8, 30), GroupMove(1, 40), GroupMove(0, 0)]
    assert spanned_moves(moves, 1) == moves[:4]
    assert spanned_moves(moves, 4) == [GroupMove(15, 20)]
    assert spanned_moves(moves, 2) == [GroupMove(6, 15), GroupMove(4, 29), GroupMove(9, 43)]
    assert spanned_moves(moves, 6) == []


@pytest.mark.parametrize(
    ("count", "confidence", "rank"), [(99, 990_000, 99), (100, 990_000, 100), (199, 990_000, 198), (9, 500_000, 5)]
)
def test_the_quantile_counts_the_value_to_come(count: int, confidence: int, rank: int) -> None:
    assert quantile_up(range(1, count + 1), confidence) == rank


@given(st.lists(st.integers(), min_size=1), st.integers(1, PPM))
def test_enough_values_lie_at_or_below_the_quantile(values: list[int], confidence: int) -> None:
    value = quantile_up(sorted(values), confidence)
    below = sum(each <= value for each in values)
    assert below * PPM >= confidence * len(values)
    assert value in values


def test_there_is_no_quantile_of_nothing() -> None:
    with pytest.raises(ValueError):
        quantile_up([], 990_000)


def test_expected_shortfall_is_the_mean_of_the_worst_rounded_up() -> None:
    assert expected_shortfall([1, 5, -3, 10], 2) == 8  # 7.5
    assert expected_shortfall([1], 5) == 1
    assert expected_shortfall([-3, -4], 2) == -3
    for losses, tail in (([], 1), ([1], 0)):
        with pytest.raises(ValueError):
            expected_shortfall(losses, tail)


@given(
    st.lists(st.integers(-(10**12), 10**12), min_size=1), st.lists(st.integers(-(10**12), 10**12)), st.integers(1, 9)
)
def test_expected_shortfall_is_subadditive(one: list[int], more: list[int], tail: int) -> None:
    other = (more + [0] * len(one))[: len(one)]
    both = [a + b for a, b in zip(one, other, strict=True)]
    assert expected_shortfall(both, tail) <= expected_shortfall(one, tail) + expected_shortfall(other, tail)


@given(st.lists(st.integers(), min_size=1), st.integers(1, 9), st.randoms())
def test_the_order_of_history_does_not_matter(losses: list[int], tail: int, chance: random.Random) -> None:
    shuffled = list(losses)
    chance.shuffle(shuffled)
    assert expected_shortfall(shuffled, tail) == expected_shortfall(losses, tail)
