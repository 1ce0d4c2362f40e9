"""Large inflow waits before it may leave, and keeps its time wherever it goes."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from clearing.genesis.checks import check_terms
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.collateral import DepositCredited, DepositsRefunded
from clearing.schema.receipts.withdrawals import InflowWaits, WithdrawalReleased
from clearing.schema.terms.genesis import Genesis, network_id
from clearing.schema.terms.withdrawals import InflowDelayTerms, InflowStep
from clearing.state.ledger import token_currency
from clearing.withdrawals.inflow_delay import waiting_inflow
from tests.kit.clearing.chamber import governed_genesis, parliament_world
from tests.kit.clearing.gated import gated_genesis, may_withdraw
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, USD, USDC_1, USDC_2, WETH_1, make_genesis
from tests.kit.clearing.world import World, funded

DELAY, WINDOW = 16, 10
WAITS = [C.INFLOW_WAITS]
TERMS = InflowDelayTerms(
    window_blocks=WINDOW,
    owner_steps=(InflowStep(1_000 * DOLLAR, 8), InflowStep(4_000 * DOLLAR, DELAY)),
    chain_steps=(InflowStep(10_000 * DOLLAR, DELAY),),
)


def slow_genesis(terms: InflowDelayTerms = TERMS, base: Genesis | None = None) -> Genesis:
    return msgspec.structs.replace(base or gated_genesis(), inflow=terms)


def slow(**changes: Any) -> World:
    """Everybody has 100,000 dollars that have waited long enough."""
    world = funded(genesis=slow_genesis(msgspec.structs.replace(TERMS, **changes)))
    world.wait(DELAY + WINDOW)
    assert not list(world.state.waiting_inflows.ordered())
    while world.state.now.height % WINDOW != WINDOW - 1:
        world.prices(790_000)
    return world


def waiting(world: World, account: int) -> int:
    return sum(part.micros for part in waiting_inflow(world.state, account))


def test_a_forged_deposit_is_paid_on_no_chain_before_its_delay_is_over() -> None:
    """Two of three providers forged a header: 5,000 were credited, and 4,000 of real money paid elsewhere in 16 s."""
    world = slow()
    world.block(world.withdrawal(ALICE, USDC_1, 100_000 * DOLLAR))
    world.deposit(BOB, USDC_2, 4_000 * DOLLAR)
    world.wait(DELAY + WINDOW)
    world.deposit(ALICE, USDC_1, 5_000 * DOLLAR)
    (waits,) = world.last(InflowWaits)
    assert (waits.account, waits.micros) == (ALICE, 5_000 * DOLLAR)
    assert 0 <= waits.until_height - world.state.now.height - DELAY < DELAY // 8
    while world.state.now.height + 1 < waits.until_height:
        # The chain's own vault has others' money: nothing leaves there, either.
        asked = world.withdrawal(ALICE, USDC_2, 4_000 * DOLLAR), world.withdrawal(ALICE, USDC_1, 1)
        assert world.refused(*asked) == WAITS * 2
    assert world.refused(world.withdrawal(ALICE, USDC_2, 4_000 * DOLLAR)) == []
    assert not list(world.state.waiting_inflows.ordered())


def test_what_was_there_before_may_leave_meanwhile() -> None:
    world = slow()
    world.deposit(ALICE, USDC_1, 5_000 * DOLLAR)
    may_withdraw(world, ALICE, 100_000 * DOLLAR, WAITS)


def test_inflow_is_margin_at_once_and_then_holds_back_as_much_of_what_was_there() -> None:
    world = slow()
    world.deposit(ALICE, USDC_1, 5_000 * DOLLAR)
    assert world.refused(world.perp_trade(ALICE, BOB, 2)) == []
    margin = world.margin(ALICE)
    may_withdraw(world, ALICE, margin.equity - margin.initial - 5_000 * DOLLAR, WAITS)


@pytest.mark.parametrize(("dollars", "blocks"), [(1_000, 0), (1_001, 8), (4_000, 8), (4_001, 16)])
def test_the_delay_rises_by_steps_of_value(dollars: int, blocks: int) -> None:
    world = slow()
    world.deposit(ALICE, USDC_1, dollars * DOLLAR)
    parts = waiting_inflow(world.state, ALICE)
    assert len(parts) == bool(blocks)
    assert all(0 <= part.until_height - world.state.now.height - blocks < 2 for part in parts)


def test_small_deposits_of_one_owner_add_up_within_a_window() -> None:
    world = slow()
    for _ in range(3):
        world.deposit(ALICE, USDC_1, 400 * DOLLAR)
    assert waiting(world, ALICE) == 400 * DOLLAR, "the one that exceeds the step"
    world.wait(WINDOW)
    world.deposit(ALICE, USDC_1, 400 * DOLLAR)
    assert waiting(world, ALICE) == 0, "its delay is over, and the sum begins anew"


def test_small_deposits_of_many_owners_add_up_over_a_chain() -> None:
    world = slow(owner_steps=())
    world.block(facts=[world.deposit_fact(account, USDC_1, 4_000 * DOLLAR) for account in (ALICE, BOB, CAROL)])
    assert [waiting(world, account) for account in (ALICE, BOB, CAROL)] == [0, 0, 4_000 * DOLLAR]
    world.deposit(BOB, USDC_2, 4_000 * DOLLAR)
    assert waiting(world, BOB) == 0, "another chain"


def test_a_token_waits_at_its_value_after_haircut() -> None:
    world = slow()
    before = world.margin(ALICE).equity
    world.deposit(ALICE, WETH_1, 10**8)
    value = world.margin(ALICE).equity - before
    assert waiting(world, ALICE) == value > 4_000 * DOLLAR
    assert world.refused(world.withdrawal(ALICE, USDC_1, 100_000 * DOLLAR)) == []
    assert world.refused(world.withdrawal(ALICE, WETH_1, 1)) == WAITS


def test_inflow_that_moves_keeps_its_time() -> None:
    world = slow()
    first, second = ALICE, world.open_account(ALICE)
    world.deposit(first, USDC_1, 5_000 * DOLLAR)
    (part,) = waiting_inflow(world.state, first)
    world.block(world.transfer(first, second, 100_000 * DOLLAR))
    assert (waiting(world, first), waiting(world, second)) == (5_000 * DOLLAR, 0), "what was there before moves freely"
    world.block(world.transfer(first, second, 3_000 * DOLLAR))
    assert (waiting(world, first), waiting(world, second)) == (2_000 * DOLLAR, 3_000 * DOLLAR)
    heights = {each.until_height for account in (first, second) for each in waiting_inflow(world.state, account)}
    assert heights == {part.until_height}
    may_withdraw(world, second, 100_000 * DOLLAR, WAITS)


def test_inflow_cannot_be_swapped() -> None:
    world = slow()
    world.deposit(BOB, WETH_1, 1_000)
    world.wait(DELAY + WINDOW)
    world.block(world.withdrawal(ALICE, USDC_1, 100_000 * DOLLAR))
    world.deposit(ALICE, USDC_1, 5_000 * DOLLAR)
    assert world.refused(world.swap(ALICE, BOB, (USD, 100 * DOLLAR), (token_currency(WETH_1), 1_000))) == WAITS


def test_a_trade_away_from_the_mark_carries_what_it_gives_away() -> None:
    """Bob is an accomplice: he is given 1 % of the price of a perpetual that Alice can only pay with forged money."""
    world = slow()
    world.block(world.withdrawal(ALICE, USDC_1, 100_000 * DOLLAR))
    world.deposit(ALICE, USDC_1, 50_000 * DOLLAR)
    before = world.cash(BOB)
    world.prices(790_000)
    assert world.refused(world.perp_trade(ALICE, BOB, 2, ticks=795_000)) == []
    gained = world.cash(BOB) - before
    assert waiting(world, BOB) == gained > 0
    assert waiting(world, ALICE) + waiting(world, BOB) == 50_000 * DOLLAR


def test_a_trade_at_the_mark_carries_nothing() -> None:
    world = slow()
    world.deposit(ALICE, USDC_1, 50_000 * DOLLAR)
    assert world.refused(world.perp_trade(ALICE, BOB, 1)) == []
    assert waiting(world, BOB) == 0


def test_a_refund_of_what_was_not_credited_waits_as_long() -> None:
    """A forged deposit to an account that does not exist would else be paid back by the real vault."""
    world = slow()
    world.block(facts=[world.deposit_fact(999, USDC_1, 5_000 * DOLLAR)])
    assert not world.every(DepositsRefunded)
    world.wait(DELAY - 1)
    assert not world.every(DepositsRefunded)
    world.wait(3)
    assert len(world.every(DepositsRefunded)) == 1
    assert not list(world.state.held_refunds.ordered())


def test_a_small_refund_does_not_wait() -> None:
    world = slow()
    world.block(facts=[world.deposit_fact(999, USDC_1, 5 * DOLLAR)])
    assert len(world.last(DepositsRefunded)) == 1


def test_parts_that_wait_are_bounded_for_each_account() -> None:
    world = slow()
    for _ in range(3 * DELAY):
        world.deposit(ALICE, USDC_1, 5_000 * DOLLAR)
        assert len(waiting_inflow(world.state, ALICE)) <= 9


def test_terms_that_are_off_leave_the_network_id_as_it_was() -> None:
    genesis = make_genesis()
    assert network_id(slow_genesis(InflowDelayTerms(), genesis)) == network_id(genesis)
    assert network_id(slow_genesis(TERMS, genesis)) != network_id(genesis)


@pytest.mark.parametrize(
    "changes",
    [
        {"window_blocks": 0},
        {"owner_steps": TERMS.owner_steps[::-1]},
        {"owner_steps": (InflowStep(5, 0),)},
        {"chain_steps": (InflowStep(5, 2**31 + 1),)},
        {"chain_steps": tuple(InflowStep(n, n) for n in range(1, 10))},
    ],
)
def test_steps_that_do_not_rise_or_are_without_a_window_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(LocalFault):
        check_terms(slow_genesis(msgspec.structs.replace(TERMS, **changes)))


def test_a_vote_changes_the_steps() -> None:
    house = parliament_world(slow_genesis(TERMS, governed_genesis()))
    house.amend(("inflow.owner_steps", (InflowStep(10**6 * DOLLAR, 4),)), ("inflow.chain_steps", ()))
    house.wait(DELAY + WINDOW)
    house.deposit(ALICE, USDC_1, 5_000 * DOLLAR)
    assert waiting(house, ALICE) == 0
    assert len(house.last(DepositCredited)) == 1


def test_a_state_read_back_has_what_waits() -> None:
    world = slow()
    world.deposit(ALICE, USDC_1, 5_000 * DOLLAR)
    copy = world.read_back()
    assert waiting_inflow(copy, ALICE) == waiting_inflow(world.state, ALICE)
    assert list(copy.inflow_volumes.ordered()) == list(world.state.inflow_volumes.ordered())


MOVES = st.one_of(
    st.tuples(st.just("deposit"), st.integers(0, 2), st.integers(4_001, 30_000)),
    st.tuples(st.just("transfer"), st.integers(0, 5), st.integers(1, 120_000)),
    st.tuples(st.just("withdraw"), st.integers(0, 2), st.integers(1, 120_000)),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MOVES, max_size=12))
def test_however_it_is_moved_no_more_leaves_than_was_there_before(moves: list[tuple[str, int, int]]) -> None:
    """Within one delay the accounts of one owner can withdraw what they had, and nothing of what came in."""
    world = slow(owner_steps=(InflowStep(0, DELAY),))
    accounts = (ALICE, world.open_account(ALICE), world.open_account(ALICE))
    brought = 0
    for name, which, dollars in moves:
        if name == "deposit":
            brought += dollars * DOLLAR
            world.deposit(accounts[which], USDC_1, dollars * DOLLAR)
        elif name == "transfer":
            giver, taker = accounts[which % 3], accounts[(which + 1 + which // 3) % 3]
            world.block(world.transfer(giver, taker, dollars * DOLLAR))
        else:
            world.block(world.withdrawal(accounts[which], USDC_1, dollars * DOLLAR))
    assert sum(each.units for each in world.every(WithdrawalReleased) if each.account in accounts) <= 100_000 * DOLLAR
    assert sum(waiting(world, account) for account in accounts) == brought
