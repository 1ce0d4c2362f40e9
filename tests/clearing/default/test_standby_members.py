"""Bulk porting: clients that named a standby member are with it in the block in which their member defaults."""

from typing import Any

import msgspec
import pytest

from clearing.accounts.signatories import signatories, signing_addresses
from clearing.base.secp256k1 import address
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.accounts import StandbyDeclared
from clearing.schema.receipts.default import ClientClosedOut, DefaultDeclared, PortedToStandby, StandbyNotTaken
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.records.accounts import MemberAccounts
from clearing.schema.terms.margin_calls import CallTerms
from tests.kit.clearing.attackers import attack_genesis, attack_world
from tests.kit.clearing.defaults import CLIENT_SECRET, NO_FUND, TERMS, default_genesis, default_world
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC_PERP, CAROL, DOLLAR, USDC_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, of_all, of_kind

BOTH = (ALICE_CLIENT, KEYED_CLIENT)
CAROLS, DAVES = 3, 4


def with_clients(*, keyed: int = 50_000, **terms: Any) -> World:
    """Alice long 40 BTC against Bob on 100,000 dollars; two clients of hers, one with a key, are long 2 BTC each."""
    switched = msgspec.structs.replace(TERMS, **{"standby_porting": True, "porting_at_maintenance": True} | terms)
    genesis = default_genesis(switched, NO_FUND)
    crisis = msgspec.structs.replace(genesis.crisis, calls=CallTerms(deadline_blocks=50))
    world = default_world(genesis=msgspec.structs.replace(genesis, crisis=crisis))
    world.bring(client=50_000, keyed=keyed)
    world.block(world.perp_trade(ALICE, BOB, 40_000), *(world.perp_trade(each, BOB, 2_000) for each in BOTH))
    return world


def named(world: World) -> World:
    """Both clients have Carol's member as a standby."""
    asked = world.standby(ALICE_CLIENT, CAROLS, secret(1)), world.standby(KEYED_CLIENT, CAROLS, CLIENT_SECRET)
    assert world.refusals(*asked) == []
    return world


def defaulted(world: World) -> World:
    world.prices(500_000)
    assert [each.member for each in world.last(DefaultDeclared)] == [1]
    return world


def test_all_clients_with_a_standby_are_ported_in_the_block_of_the_declaration() -> None:
    world = named(with_clients())
    cash = {each: world.cash(each) for each in BOTH}
    defaulted(world)
    assert [(each.account, each.to_member) for each in world.last(PortedToStandby)] == [(each, CAROLS) for each in BOTH]
    assert {each: world.state.accounts[each].member for each in BOTH} == dict.fromkeys(BOTH, CAROLS)
    assert {each: world.lots(each, BTC_PERP) for each in BOTH} == dict.fromkeys(BOTH, 2_000)
    assert {each: world.cash(each) for each in BOTH} == {each: cash[each] - 5_800 * DOLLAR for each in BOTH}
    assert world.default().client_accounts == ()
    assert not list(world.state.standbys.ordered()), "a declaration is for one member"
    assert not of_all(world.until_ended(), ClientClosedOut)
    assert {each: world.lots(each, BTC_PERP) for each in BOTH} == dict.fromkeys(BOTH, 2_000)


def test_a_client_without_a_standby_stays_and_may_still_be_taken_over() -> None:
    world = with_clients()
    assert world.refusals(world.standby(KEYED_CLIENT, CAROLS, CLIENT_SECRET)) == []
    defaulted(world)
    assert [each.account for each in world.last(PortedToStandby)] == [KEYED_CLIENT]
    assert world.default().client_accounts == (ALICE_CLIENT,)
    assert world.refusals(world.rescue(ALICE_CLIENT, 1, DAVES)) == []


def test_a_client_at_maintenance_margin_is_ported_and_called_in_the_block_of_the_declaration() -> None:
    """2 BTC at 5,000.00 need 2,000 dollars, and 1,600 as maintenance margin; it has 7,500 less 5,800."""
    world = defaulted(named(with_clients(keyed=7_500)))
    assert [each.account for each in world.last(PortedToStandby)] == [*BOTH]
    assert KEYED_CLIENT in {each.account for each in world.last(MarginCalled)}


@pytest.mark.parametrize(
    ("keyed", "terms", "code"),
    [
        pytest.param(7_300, {}, ClearingCode.NOT_RESCUABLE, id="below maintenance margin: 1,500 for 1,600"),
        pytest.param(
            7_500, {"porting_at_maintenance": False}, ClearingCode.NOT_RESCUABLE, id="below initial margin, needed"
        ),
    ],
)
def test_a_client_that_does_not_cover_the_margin_stays(keyed: int, terms: dict[str, Any], code: int) -> None:
    world = defaulted(named(with_clients(keyed=keyed, **terms)))
    assert [each.account for each in world.last(PortedToStandby)] == [ALICE_CLIENT]
    assert [(each.account, each.standby, each.code) for each in world.last(StandbyNotTaken)] == [
        (KEYED_CLIENT, CAROLS, code)
    ]
    assert world.state.accounts[KEYED_CLIENT].member == 1


def test_a_standby_that_is_called_itself_takes_nobody() -> None:
    """Carol is long 30 BTC on 100,000 dollars: at 5,000.00 she has 13,000 for 30,000."""
    world = named(with_clients())
    assert world.refusals(world.perp_trade(CAROL, DAVE, 30_000)) == []
    defaulted(world)
    assert [(each.account, each.code) for each in world.last(StandbyNotTaken)] == [
        (each, ClearingCode.STANDBY_CALLED) for each in BOTH
    ]
    assert world.default().client_accounts == BOTH


def test_a_standby_takes_as_many_accounts_as_a_member_may_have() -> None:
    world = named(with_clients())
    limit = world.state.terms.market.member_accounts_max
    world.state.member_accounts.put(CAROLS, MemberAccounts(1, limit - 1))
    defaulted(world)
    assert [each.account for each in world.last(PortedToStandby)] == [ALICE_CLIENT]
    assert [each.code for each in world.last(StandbyNotTaken)] == [ClearingCode.ACCOUNTS_FULL]


def test_a_standby_lacks_no_more_in_a_stress_scenario_than_the_fund_was_sized_for() -> None:
    """At 3,100.00 two contracts lose 3,720 dollars in the crash of 60 %: one client has 4,400, the other 2,400. The
    1,320 that the latter lacks are more than the 1,000 that Carol has left."""
    terms = msgspec.structs.replace(TERMS, standby_porting=True)
    world = attack_world(attack_genesis(growth=True, default=terms))
    world.bring(alice=10_000, client=12_000, keyed=14_000)
    lots = {ALICE: 2_100, ALICE_CLIENT: 2_000, KEYED_CLIENT: 2_000}
    assert world.refusals(*(world.perp_trade(each, BOB, size) for each, size in lots.items())) == []
    named(world)
    world.block(world.withdrawal(CAROL, USDC_1, world.cash(CAROL) - 1_000 * DOLLAR))
    for ticks in (500_000, 310_000):
        world.prices(ticks)
    assert [each.member for each in world.last(DefaultDeclared)] == [1]
    assert [each.account for each in world.last(PortedToStandby)] == [KEYED_CLIENT]
    assert [(each.account, each.code) for each in world.last(StandbyNotTaken)] == [
        (ALICE_CLIENT, ClearingCode.STRESS_NOT_COVERED)
    ]


@pytest.mark.parametrize(
    ("account", "standby", "key", "accepts", "code"),
    [
        pytest.param(ALICE_CLIENT, CAROLS, secret(2), None, ClearingCode.WRONG_SIGNER, id="another member's client"),
        pytest.param(KEYED_CLIENT, CAROLS, secret(1), None, ClearingCode.WRONG_SIGNER, id="a key of its own signs"),
        pytest.param(ALICE_CLIENT, CAROLS, secret(1), secret(4), ClearingCode.WRONG_SIGNER, id="not accepted"),
        pytest.param(ALICE_CLIENT, 0, secret(1), None, ClearingCode.BAD_STANDBY, id="nothing to end"),
        pytest.param(ALICE_CLIENT, 1, secret(1), None, ClearingCode.BAD_STANDBY, id="its own member"),
        pytest.param(ALICE_CLIENT, 9, secret(1), None, ClearingCode.BAD_STANDBY, id="no member"),
        pytest.param(ALICE, CAROLS, secret(1), None, ClearingCode.BAD_STANDBY, id="a member's own account"),
    ],
)
def test_a_standby_that_may_not_be_is_refused(
    account: int, standby: int, key: bytes, accepts: bytes | None, code: int
) -> None:
    world = with_clients()
    assert world.refusals(world.standby(account, standby, key, accepts)) == [code]
    assert not list(world.state.standbys.ordered())


def test_a_network_without_standby_members_refuses_them() -> None:
    world = with_clients(standby_porting=False)
    assert world.refusals(world.standby(ALICE_CLIENT, CAROLS, secret(1))) == [ClearingCode.BAD_STANDBY]


@pytest.mark.parametrize("key", [secret(1), secret(CAROLS)], ids=["the client's side", "the standby"])
def test_either_side_ends_it_alone(key: bytes) -> None:
    world = named(with_clients())
    assert world.refusals(world.standby(ALICE_CLIENT, 0, secret(DAVES))) == [ClearingCode.WRONG_SIGNER]
    assert world.refusals(world.standby(ALICE_CLIENT, 0, key)) == []
    assert [(each.account, each.standby) for each in world.last(StandbyDeclared)] == [(ALICE_CLIENT, 0)]
    result = defaulted(world).block()
    assert not of_kind(result, PortedToStandby)
    assert world.state.accounts[ALICE_CLIENT].member == 1


def test_a_pool_takes_the_end_of_a_standby_from_either_side() -> None:
    """A pool checks a signature before a block does: it must know every party that the rules let end it."""
    world = named(with_clients())
    for account, owner in ((ALICE_CLIENT, secret(1)), (KEYED_CLIENT, CLIENT_SECRET)):
        for key in (owner, secret(CAROLS)):
            (who,) = signatories(world.standby(account, 0, key))
            assert address(key) in signing_addresses(world.state, who)
        assert address(secret(DAVES)) not in signing_addresses(world.state, who)
    (who,) = signatories(world.standby(BOB, 0, secret(2)))
    assert signing_addresses(world.state, who) == (address(secret(2)),), "there is nothing to end"
