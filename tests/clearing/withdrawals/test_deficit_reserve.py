"""Unresolved deficits hold back their own size and no more, of everybody in proportion, and only for a time."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.units import MONEY_MAX
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import UnresolvedLosses
from clearing.schema.blocks.receipt import Refused
from clearing.schema.codes import ClearingCode
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from clearing.state.ledger import token_currency
from clearing.withdrawals.deficit_reserve import check_deficit_reserve, deficit_share
from clearing.withdrawals.permission import check_can_leave
from tests.kit.clearing.gated import may_withdraw
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, CAROL, DOLLAR, HOUSE, USD, USDC_1, WETH_1
from tests.kit.clearing.world import World

DEFICIT = 40_000 * DOLLAR
REFUSED = [ClearingCode.DEFICIT_RESERVE]
WAITING = AssetWithdrawalLimits(USDC_1, delay_above_units=1, delay_blocks=100)
WithDeficit = Callable[..., World]


@pytest.mark.parametrize(
    ("deficit", "account", "most"),
    [
        pytest.param(DEFICIT, ALICE, 90_000 * DOLLAR, id="a_quarter_of_all_that_is_owed_is_alices"),
        pytest.param(DEFICIT, HOUSE, 60_000 * DOLLAR, id="the_house_leaves_the_whole_deficit"),
        pytest.param(3, ALICE, 100_000 * DOLLAR - 1, id="a_deficit_of_dust_holds_back_dust"),
    ],
)
def test_who_withdraws_leaves_its_part_of_the_deficit_behind(
    with_deficit: WithDeficit, deficit: int, account: int, most: int
) -> None:
    world = with_deficit(deficit)
    may_withdraw(world, account, most, REFUSED)
    if account == ALICE:
        may_withdraw(world, BOB, most, REFUSED)


def test_a_refusal_states_the_part_and_the_deficit(with_deficit: WithDeficit) -> None:
    world = with_deficit(DEFICIT)
    assert world.refused(world.withdrawal(ALICE, USDC_1, 90_000 * DOLLAR + 1)) == REFUSED
    values = dict(world.last(Refused)[0].values)
    assert (values["reserve"], values["deficit"]) == (str(10_000 * DOLLAR), str(DEFICIT))


def test_many_small_withdrawals_leave_what_one_large_one_leaves(with_deficit: WithDeficit) -> None:
    world = with_deficit(DEFICIT)
    for _ in range(9):
        assert world.refused(world.withdrawal(ALICE, USDC_1, 10_000 * DOLLAR)) == []
    assert world.refused(world.withdrawal(ALICE, USDC_1, 1)) == REFUSED


def test_a_way_through_another_own_account_leaves_as_much(with_deficit: WithDeficit) -> None:
    world, other = with_deficit(DEFICIT), with_deficit(DEFICIT)
    may_withdraw(world, ALICE, 90_000 * DOLLAR, REFUSED)
    assert world.refused(world.transfer(ALICE, ALICE_CLIENT, 1)) == REFUSED
    assert other.refused(other.transfer(ALICE, ALICE_CLIENT, 90_000 * DOLLAR)) == []
    may_withdraw(other, ALICE_CLIENT, 81_000 * DOLLAR, REFUSED)


def test_collateral_counts_like_cash(with_deficit: WithDeficit) -> None:
    world = with_deficit(DEFICIT)
    world.deposit(ALICE, WETH_1, 100 * DOLLAR)
    world.block(world.withdrawal(ALICE, USDC_1, 90_000 * DOLLAR))
    assert world.refused(world.withdrawal(ALICE, WETH_1, 100 * DOLLAR)) == REFUSED
    assert world.refused(world.withdrawal(ALICE, WETH_1, 90 * DOLLAR)) == [], "10,000 and 10 x 180 are left"
    assert world.refused(world.withdrawal(ALICE, USDC_1, 10_000 * DOLLAR)) == REFUSED


def test_after_the_deadline_the_gate_is_open_whatever_became_of_the_deficit(with_deficit: WithDeficit) -> None:
    world = with_deficit(DEFICIT, blocks=2)
    assert world.refused(world.withdrawal(ALICE, USDC_1, 100_000 * DOLLAR)) == REFUSED
    world.block()
    assert world.refused(world.withdrawal(ALICE, USDC_1, 100_000 * DOLLAR)) == []
    assert not list(world.state.values_withdrawn.ordered())


def test_without_the_term_deficits_hold_nothing_back(with_deficit: WithDeficit) -> None:
    world = with_deficit(DEFICIT, deficit_reserve=False)
    assert world.refused(world.withdrawal(ALICE, USDC_1, 100_000 * DOLLAR)) == []
    assert not list(world.state.values_withdrawn.ordered())


@given(st.integers(0, MONEY_MAX), st.lists(st.integers(0, 2**60), min_size=1, max_size=12))
def test_parts_cover_the_deficit_and_nobodys_exceeds_it(deficit: int, worths: list[int]) -> None:
    whole = sum(worths)
    parts = [deficit_share(deficit, worth, whole) for worth in worths]
    assert all(0 <= part <= deficit for part in parts)
    if whole:
        assert deficit <= sum(parts) < deficit + len(worths)
    assert deficit_share(deficit, whole + 1, whole) <= deficit
    assert deficit_share(deficit, -1, whole) == 0


def test_a_swap_gives_away_nothing_of_the_part(with_deficit: WithDeficit) -> None:
    world = with_deficit(DEFICIT)
    world.deposit(BOB, WETH_1, 1)
    for micros, refused in ((90_000 * DOLLAR + 1_000, REFUSED), (89_000 * DOLLAR, [])):
        assert world.refused(world.swap(ALICE, BOB, (USD, micros), (token_currency(WETH_1), 1))) == refused


def test_what_is_paid_within_the_house_is_not_held_back(with_deficit: WithDeficit) -> None:
    """A contribution to the fund, or the price of a slice: they go where deficits are paid from."""
    world = with_deficit(400_000 * DOLLAR)
    context = BlockContext(world.state.fork(), world.make_block())
    assert check_can_leave(context, "fund_contribution", ALICE, USD, 100_000 * DOLLAR) is None
    assert check_deficit_reserve(context, "withdrawal", ALICE, (USD, 1)) is not None


def test_nobodys_comings_and_goings_make_anothers_part_smaller(with_deficit: WithDeficit) -> None:
    """Bob withdraws and pays in again, over and over: Alice's part stays what it is, and only his own grows."""
    world = with_deficit(DEFICIT, blocks=60)
    for _ in range(8):
        assert world.refused(world.withdrawal(BOB, USDC_1, 50_000 * DOLLAR)) == []
        world.deposit(BOB, USDC_1, 50_000 * DOLLAR)
    may_withdraw(world, ALICE, 90_000 * DOLLAR, REFUSED)
    assert world.refused(world.withdrawal(BOB, USDC_1, 60_001 * DOLLAR)) == REFUSED, "at most the whole deficit"


def test_what_was_cancelled_was_not_taken_out(with_deficit: WithDeficit) -> None:
    world = with_deficit(DEFICIT, blocks=60, gates=(WAITING,))
    for number in range(5):
        assert world.refused(world.withdrawal(BOB, USDC_1, 90_000 * DOLLAR)) == []
        assert world.refused(world.withdrawal_cancellation(BOB, number)) == []
    assert world.refused(world.withdrawal(BOB, USDC_1, 90_000 * DOLLAR + 1)) == REFUSED
    may_withdraw(world, ALICE, 90_000 * DOLLAR, REFUSED)


def test_what_waited_before_the_deficit_does_not_count_against_what_was_taken_since(
    with_deficit: WithDeficit, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = with_deficit(0, blocks=60, gates=(WAITING,))
    world.block(world.withdrawal(BOB, USDC_1, 50_000 * DOLLAR))
    monkeypatch.setattr(UnresolvedLosses, "micros", lambda *_: DEFICIT)
    assert world.refused(world.withdrawal(BOB, USDC_1, 40_000 * DOLLAR)) == []
    assert world.refused(world.withdrawal_cancellation(BOB, 0)) == []
    assert world.state.values_withdrawn[BOB].micros == 40_000 * DOLLAR


@given(
    st.lists(st.tuples(st.sampled_from((ALICE, BOB, CAROL)), st.integers(1, 120_000), st.booleans()), max_size=10),
    st.integers(1, 400_000),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_whatever_is_asked_everybodys_part_stays(
    with_deficit: WithDeficit, asked: list[tuple[int, int, bool]], deficit: int
) -> None:
    world = with_deficit(deficit * DOLLAR, blocks=60)
    for account, dollars, brings in asked:
        if brings:
            world.deposit(account, USDC_1, dollars * DOLLAR)
        else:
            world.block(world.withdrawal(account, USDC_1, dollars * DOLLAR))
    part = deficit_share(deficit, 100_000, 400_000) * DOLLAR
    assert all(world.cash(account) >= part - DOLLAR for account in (ALICE, BOB, CAROL))
