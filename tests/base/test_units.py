"""Rounding has a direction, and what is left over has an owner."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.units import allocate, mul_div_down, mul_div_up

whole = st.integers(-(10**30), 10**30)
positive = st.integers(1, 10**30)


@given(whole, whole, positive)
def test_up_and_down_enclose_the_quotient_and_differ_by_at_most_one(value: int, by: int, over: int) -> None:
    down, up = mul_div_down(value, by, over), mul_div_up(value, by, over)
    assert down * over <= value * by <= up * over
    assert up - down == (0 if value * by % over == 0 else 1)


@given(st.integers(0, 10**18), st.lists(st.integers(0, 10**18), min_size=1, max_size=20))
def test_shares_sum_to_the_total_and_none_is_off_by_one_unit(total: int, weights: list[int]) -> None:
    if sum(weights) == 0:
        weights[0] = 1
    shares = allocate(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share * sum(weights) - total * weight) < sum(weights)


def test_case_c19_a_hundred_over_three_equal_weights() -> None:
    assert allocate(100, [1, 1, 1]) == [34, 33, 33]


def test_division_by_nothing_is_refused() -> None:
    for call in (lambda: mul_div_up(1, 1, 0), lambda: mul_div_down(1, 1, -1), lambda: allocate(1, [0, 0])):
        with pytest.raises(ValueError, match=r"positive|nobody"):
            call()
