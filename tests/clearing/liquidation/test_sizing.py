"""Sizes and steps of a liquidation, and the path of its auction: exact numbers, some of them other people's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.context.block_context import DENOMINATOR, LiquidationBudget
from clearing.liquidation.auction import auction_discount_ppm
from clearing.liquidation.slices import disposal_steps, restoring_share, share_rounded_up, step_size


def test_c5_steps_of_a_disposal() -> None:
    """280 with fraction 0.5, whole at 50, of an available 10,000 at most 1 % a step."""
    assert list(disposal_steps(280, step_ppm=500_000, whole=50, limit=10_000 // 100)) == [100, 90, 45, 45]


@pytest.mark.parametrize(
    ("rate_ppm", "cost_ppm", "size"),
    [(99_000, 0, 1_010_101_010), (101_000, 0, 990_099_009), (100_000, 20_000, 1_250_000_000)],
)
def test_c20_size_of_a_liquidation(rate_ppm: int, cost_ppm: int, size: int) -> None:
    """A shortage of 10 at price 100, where closing frees 10 % of the value at the quote and costs the fees."""
    notional = 100 * 10**12
    initial = notional * rate_ppm // 10**6
    share = restoring_share(initial - 10 * 10**9, initial, notional, cost_ppm=cost_ppm)
    closed = share * (notional // 100) // DENOMINATOR
    assert 0 <= closed - size < 2_000, "in 10^-9 of the base, a share rounded up to 10^-9 of the position"


@given(st.integers(1, 2**60), st.integers(1, 10**6), st.integers(0, 2**40), st.integers(1, 2**40))
def test_the_steps_of_a_disposal_sum_to_it_and_end(total: int, step_ppm: int, whole: int, parts: int) -> None:
    most = -(-total // min(parts, 200))
    step_ppm = max(step_ppm, 50_000)
    steps = list(disposal_steps(total, step_ppm, whole, most))
    assert sum(steps) == total
    assert all(0 < step <= most for step in steps)
    assert len(steps) <= 2_000


@given(st.integers(0, 2**60), st.integers(1, 10**6), st.integers(0, 2**60), st.integers(0, 2**60))
def test_no_step_takes_more_than_there_is(left: int, step_ppm: int, whole: int, most: int) -> None:
    size = step_size(left, step_ppm, whole, most)
    assert 0 <= size <= left
    assert bool(size) == bool(left)


@given(
    st.integers(1, 2**50), st.integers(1, 2**50), st.integers(1, 2**55), st.integers(0, 500_000), st.integers(0, 2**40)
)
def test_the_share_restores_what_is_linear_and_no_smaller_one_does(
    equity: int, initial: int, notional: int, cost_ppm: int, fixed: int
) -> None:
    fixed = min(fixed, initial)
    share = restoring_share(equity, initial, notional, cost_ppm=cost_ppm, fixed=fixed)
    assert 0 <= share <= DENOMINATOR

    def restored(part: int) -> bool:
        left = equity * 10**6 * DENOMINATOR - cost_ppm * notional * part
        return left >= 10**6 * ((DENOMINATOR - part) * (initial - fixed) + DENOMINATOR * fixed)

    if share < DENOMINATOR:
        assert restored(share)
    if 0 < share < DENOMINATOR:
        assert not restored(share - 1)
    if equity >= initial:
        assert share == 0


@pytest.mark.parametrize(("height", "ppm"), [(11, 1_000), (12, 7_333), (13, 13_666), (14, 20_000)])
def test_the_discount_rises_evenly_from_the_first_block_to_the_last(height: int, ppm: int) -> None:
    assert auction_discount_ppm(1_000, 20_000, 11, 14, height) == ppm


def test_an_auction_of_one_block_sells_at_the_first_discount() -> None:
    assert auction_discount_ppm(1_000, 20_000, 11, 11, 11) == 1_000


@given(st.integers(0, 2**60), st.integers(0, 2**60))
def test_a_share_is_rounded_up_and_at_most_everything(part: int, whole: int) -> None:
    share = share_rounded_up(part, whole)
    assert 0 <= share <= DENOMINATOR
    if 0 < part <= whole:
        assert share * whole >= part * DENOMINATOR


@given(st.integers(1, DENOMINATOR), st.integers(1, 2**60), st.integers(1, 2**60), st.integers(0, 2**60))
def test_a_share_within_a_block_keeps_to_the_cap_but_never_starves_the_first(
    share: int, whole: int, most: int, done: int
) -> None:
    budget = LiquidationBudget(notional=done)
    within = budget.share_within(share, whole, most)
    assert 0 <= within <= share
    if done >= most:
        assert within == 0
    else:
        assert within >= 1
        assert within == 1 or done + whole * within // DENOMINATOR <= most
    assert LiquidationBudget(notional=done).share_within(share, whole, 0) == share


def test_the_first_deficit_of_a_block_is_always_taken() -> None:
    assert LiquidationBudget().allows_loss(10**12, 5)
    assert not LiquidationBudget(loss=1).allows_loss(5, 5)
    assert LiquidationBudget(loss=1).allows_loss(4, 5)
    assert LiquidationBudget(loss=10**12).allows_loss(10**12, 0)
