"""Porting at maintenance margin: a client between maintenance and initial margin is ported and called in that block."""

import msgspec
import pytest

from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import ClientClosedOut, ClientRescued
from clearing.schema.receipts.margin_calls import CallDeadlineSet, MarginCalled, MarginRestored
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from tests.kit.clearing.defaults import CLIENT_SECRET, NO_FUND, TERMS, default_genesis, default_world, in_default
from tests.kit.clearing.funds import KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE_CLIENT, BOB, BTC_PERP, DOLLAR
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, of_all, of_kind

DEADLINE = 20
CALLED = 416_000
"""Ticks at which a client with 1 BTC bought at 7,900.00 on 4,500 dollars has 760 for 832."""


def with_client(*, at_maintenance: bool = True, account: int = KEYED_CLIENT, sale_blocks: int = 0) -> World:
    """Alice in default; her client has 4,500 dollars and bought 1 BTC from Bob. Calls have a deadline."""
    terms = msgspec.structs.replace(TERMS, porting_at_maintenance=at_maintenance)
    genesis = default_genesis(terms, NO_FUND)
    sale = LiquidationTerms(insolvent_to_default=True, auction_blocks=sale_blocks)
    crisis = msgspec.structs.replace(
        genesis.crisis, calls=CallTerms(deadline_blocks=0 if sale_blocks else DEADLINE), liquidation=sale
    )
    world = default_world(genesis=msgspec.structs.replace(genesis, crisis=crisis))
    world.bring(**{"keyed" if account == KEYED_CLIENT else "client": 4_500})
    world.block(world.perp_trade(account, BOB, 1_000))
    return in_default(world)


def at(world: World, ticks: int, account: int = KEYED_CLIENT) -> list[int]:
    """Refusals of a takeover by Carol's member in a block with this price."""
    key = CLIENT_SECRET if account == KEYED_CLIENT else None
    return world.refused(world.rescue(account, 1, 3, key), prices=((1, ticks), (2, 20_000)))


def test_a_client_at_maintenance_margin_is_ported_and_called_for_the_rest_in_the_same_block() -> None:
    world = with_client()
    assert at(world, CALLED) == []
    assert [(each.account, each.to_member) for each in world.last(ClientRescued)] == [(KEYED_CLIENT, 3)]
    (call,) = world.last(MarginCalled)
    assert (call.account, call.equity, call.initial) == (KEYED_CLIENT, 760 * DOLLAR, 832 * DOLLAR)
    assert world.lots(KEYED_CLIENT, BTC_PERP) == 1_000, "nothing of it is closed"
    world.pay_in(KEYED_CLIENT, 72)
    assert [each.account for each in world.last(MarginRestored)] == [KEYED_CLIENT]
    assert not of_all(world.until_ended(), ClientClosedOut)


def test_a_client_that_was_called_before_is_called_anew_for_the_new_member() -> None:
    world = with_client()
    world.prices(CALLED)
    assert [each.account for each in world.last(MarginCalled)] == [KEYED_CLIENT]
    result = world.block(world.rescue(KEYED_CLIENT, 1, 3, CLIENT_SECRET))
    assert [each.account for each in of_kind(result, MarginCalled)] == [KEYED_CLIENT]
    assert world.state.accounts[KEYED_CLIENT].called_height == world.state.now.height


def test_porting_grants_a_client_no_more_time_than_its_call_had() -> None:
    world = with_client()
    world.prices(404_000)
    (deadline,) = (each.deadline_height for each in world.last(CallDeadlineSet))
    assert at(world, CALLED) == []
    assert world.state.margin_calls[KEYED_CLIENT].deadline_height == deadline
    assert not world.last(CallDeadlineSet)


def test_a_client_without_a_key_is_ported_at_maintenance_with_the_houses_signature() -> None:
    world = with_client(account=ALICE_CLIENT)
    assert world.refused(world.rescue(ALICE_CLIENT, 1, 3, secret(1))) == [ClearingCode.WRONG_SIGNER]
    assert at(world, CALLED, ALICE_CLIENT) == []
    assert [each.account for each in world.last(MarginCalled)] == [ALICE_CLIENT]


@pytest.mark.parametrize(
    ("at_maintenance", "ticks", "refused"),
    [
        pytest.param(False, CALLED, [ClearingCode.NOT_RESCUABLE], id="off: initial margin has to be covered"),
        pytest.param(True, 405_000, [], id="650 dollars are left for 648"),
        pytest.param(True, 404_000, [ClearingCode.NOT_RESCUABLE], id="640 dollars are left for 646.40"),
        pytest.param(True, 500_000, [], id="covered"),
    ],
)
def test_a_client_below_the_margin_that_genesis_asks_for_is_not_ported(
    at_maintenance: bool, ticks: int, refused: list[int]
) -> None:
    assert at(with_client(at_maintenance=at_maintenance), ticks) == refused


def test_a_client_whose_positions_are_for_sale_is_ported_at_initial_margin_only() -> None:
    world = with_client(sale_blocks=20)
    world.prices(404_000)
    assert KEYED_CLIENT in world.state.liquidations
    assert at(world, CALLED) == [ClearingCode.NOT_RESCUABLE]
    assert at(world, 500_000) == []
