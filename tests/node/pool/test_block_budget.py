"""How much own proposals carry follows what this machine executes in time."""

from hypothesis import given
from hypothesis import strategies as st

from clearing.schema.requests.trades import BUNDLE_TRADES_MAX
from node.pool.block_budget import BYTES_MIN, BYTES_START, EXECUTION_SHARE, BlockBudget, further_bytes

MAX = 1 << 20


def test_a_budget_starts_low_and_grows_with_full_blocks_that_pass() -> None:
    budget = BlockBudget(MAX, 400)
    assert budget.size == BYTES_START
    for _ in range(40):
        budget.decided(budget.size, 1)
    assert budget.size == MAX


def test_a_budget_does_not_grow_with_blocks_that_are_nearly_empty() -> None:
    budget = BlockBudget(MAX, 400)
    for _ in range(40):
        budget.decided(100, 1)
    assert budget.size == BYTES_START


def test_a_failed_round_halves_the_budget_down_to_its_least() -> None:
    budget = BlockBudget(MAX, 400)
    budget.decided(1000, 2)
    assert budget.size == BYTES_START // 2
    for _ in range(20):
        budget.failed()
    assert budget.size == BYTES_MIN


def test_a_budget_executes_within_its_share_of_the_propose_timeout() -> None:
    budget = BlockBudget(MAX, 400)
    for _ in range(60):
        budget.decided(budget.size, 1)
        budget.executed(budget.size, budget.size / 500_000)
    assert abs(budget.size / 500_000 - EXECUTION_SHARE * 0.4) < 0.001


def test_small_payloads_say_nothing_about_the_speed() -> None:
    budget = BlockBudget(MAX, 400)
    budget.executed(2, 0.01)
    assert budget.size == BYTES_START


def test_what_heights_cost_without_a_payload_does_not_shrink_the_budget() -> None:
    budget = BlockBudget(MAX, 400)
    for _ in range(20):
        budget.executed(0, 0.05)
        budget.executed(BYTES_MIN, 0.05 + BYTES_MIN / 500_000)
    assert budget.size >= 3 * BYTES_MIN


def test_the_least_budget_takes_the_largest_bundle() -> None:
    assert 1024 + further_bytes(BUNDLE_TRADES_MAX) <= BYTES_MIN


@given(st.lists(st.tuples(st.integers(0, MAX), st.floats(0, 10), st.integers(1, 5))))
def test_a_budget_stays_within_its_bounds(heights: list[tuple[int, float, int]]) -> None:
    budget = BlockBudget(MAX, 400)
    for size, seconds, rounds in heights:
        budget.executed(size, seconds)
        budget.decided(size, rounds)
        assert BYTES_MIN <= budget.size <= MAX
