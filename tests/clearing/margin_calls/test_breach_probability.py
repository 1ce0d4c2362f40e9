"""The probability of a breach: integers, rounded towards more likely, held against the normal distribution."""

from math import ceil, erfc, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.margin_calls.early_calls import (
    BREACH_PROBABILITIES_PPM,
    STEPS_PER_DEVIATION,
    breach_probability_ppm,
    deviation_steps_within,
    loss_deviation,
)
from clearing.schema.terms.margin_calls import EARLY_PPM_MIN


def exact(headroom: int, deviation: int) -> float:
    """2 (1 - Phi(z)) = erfc(z / sqrt(2)), by the reflection principle."""
    return erfc(headroom / deviation / sqrt(2)) * 1e6


def test_the_table_is_the_normal_distribution_rounded_up() -> None:
    assert [ceil(exact(at, STEPS_PER_DEVIATION)) for at in range(len(BREACH_PROBABILITIES_PPM))] == list(
        BREACH_PROBABILITIES_PPM
    )


@given(st.integers(1, 2**60), st.integers(1, 2**60))
def test_it_is_never_below_the_exact_probability_and_hardly_above(headroom: int, deviation: int) -> None:
    told = breach_probability_ppm(headroom, deviation)
    assert told >= exact(headroom, deviation) - 1e-6
    assert told <= exact(headroom, deviation) + 1_100, "a tenth of a deviation apart, the chord is this near"


@given(st.integers(-(2**40), 2**40), st.integers(0, 2**40), st.integers(0, 2**30))
def test_more_headroom_is_never_more_likely_to_go(headroom: int, deviation: int, more: int) -> None:
    assert breach_probability_ppm(headroom + more, deviation) <= breach_probability_ppm(headroom, deviation)


@pytest.mark.parametrize(
    ("headroom", "deviation", "ppm"),
    [(0, 5, 1_000_000), (-1, 0, 1_000_000), (1, 0, 0), (10, 10, 317_311), (105, 100, 293_722 + 600), (500, 100, 1)],
)
def test_worked_values(headroom: int, deviation: int, ppm: int) -> None:
    assert breach_probability_ppm(headroom, deviation) == ppm


@given(st.integers(EARLY_PPM_MIN, 10**6), st.integers(1, 2**50), st.integers(1, 2**50))
def test_beyond_the_steps_the_threshold_is_not_reached(ppm: int, headroom: int, deviation: int) -> None:
    if headroom * STEPS_PER_DEVIATION >= deviation_steps_within(ppm) * deviation:
        assert breach_probability_ppm(headroom, deviation) < ppm


def test_losses_are_scaled_by_deviation_over_range_and_rounded_up() -> None:
    assert loss_deviation(1_000, 50_000_000, 200_000) == 250, "5 % of a range of 20 %"
    assert loss_deviation(1_001, 50_000_000, 200_000) == 251
