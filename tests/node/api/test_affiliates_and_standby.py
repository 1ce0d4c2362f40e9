"""What is shown of affiliates and standby members: to whom, from when on, and what they do to money and to the fund."""

from typing import Any

import msgspec
import pytest

from clearing.default.porting_margin import covers_porting_margin
from clearing.default_fund.sizing import stress_needs
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.margin_calls import CallTerms
from member.api.affiliates import AffiliatesView, OwnerView, StandbyClientsView, StandbyView
from member.printing.affiliates import affiliates_text, standby_clients_text, standby_text
from node.api.affiliates import affiliates_of, standby_clients_of, standby_of
from tests.kit.clearing.attackers import attack_genesis, with_account, with_member
from tests.kit.clearing.defaults import CLIENT_SECRET, TERMS, default_genesis, default_world
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, CAROL, DOLLAR, HOUSE
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World
from tests.kit.node import fake_view
from tests.kit.node.fake_view import FakeView, ask_view, client_of, status_and_code

NOTICE = TERMS.porting_blocks
STANDBY_TERMS = msgspec.structs.replace(TERMS, standby_porting=True, porting_at_maintenance=True)
MEMBERS_LOTS = 40_000


def unhurried(genesis: Genesis) -> Genesis:
    """Calls leave time, so that nothing is sold."""
    crisis = msgspec.structs.replace(genesis.crisis, calls=CallTerms(deadline_blocks=50))
    return msgspec.structs.replace(genesis, crisis=crisis)


def affiliated(world: World, one: int, other: int, key: bytes) -> World:
    """By declaration of both."""
    assert world.refusals(world.affiliation(one, other, affiliate_key=key)) == []
    return world


def shown(world: World, account: int = ALICE) -> AffiliatesView:
    return affiliates_of(world.state, account, "member")


@pytest.fixture
def world() -> World:
    return default_world(genesis=unhurried(attack_genesis(pool=True, net=True)))


@pytest.mark.parametrize("route", ["affiliates", "standby"])
async def test_an_accounts_member_and_the_house_are_answered_and_nobody_else(route: str) -> None:
    view = FakeView(default_world().state)

    async def asked(account: int, key: bytes) -> Any:
        return await ask_view(view, f"/v1/accounts/{account}/{route}", key)

    for key, asks in ((secret(1), "member"), (secret(0), "house")):
        assert (await asked(KEYED_CLIENT, key)).json()["asked_by"] == asks
    for account in (KEYED_CLIENT, 99):
        assert status_and_code(await asked(account, fake_view.BOB)) == (403, "R0848")
        async with client_of(view) as client:
            assert (await client.get(f"/v1/accounts/{account}/{route}")).status_code == 401
    assert status_and_code(await asked(99, secret(0))) == (403, "R0848")


async def test_a_member_is_answered_for_itself() -> None:
    answer = await ask_view(FakeView(default_world().state), "/v1/standby-clients", secret(3))
    assert msgspec.json.decode(answer.content, type=StandbyClientsView).member == 3


def test_a_declared_affiliate_is_shown_to_both_owners_with_its_height(world: World) -> None:
    affiliated(world, ALICE, BOB, secret(2))
    height = world.state.now.height
    for account, other in ((ALICE, 2), (BOB, 1)):
        (one,) = shown(world, account).affiliates
        assert (one.owner, one.listed, one.from_height) == (OwnerView(member=other), False, height + 1)
    assert not shown(world, CAROL).affiliates
    assert not shown(world).affiliates[0].in_force
    world.block()
    assert shown(world).affiliates[0].in_force


def test_affiliates_of_affiliates_are_in_the_group_and_are_not_shown(world: World) -> None:
    affiliated(affiliated(world, ALICE, BOB, secret(2)), BOB, CAROL, secret(3)).block()
    assert [each.owner.member for each in shown(world).affiliates] == [2]
    assert shown(world).stays_for_members == (1, 2, 3), "whose money stands in is the account's to know"


def test_clients_are_shown_by_their_key_or_account(world: World) -> None:
    affiliated(affiliated(world, ALICE, KEYED_CLIENT, CLIENT_SECRET), ALICE, ALICE_CLIENT, secret(0)).block()
    keyless, keyed = (each.owner for each in shown(world).affiliates)
    assert (keyless.member, keyless.client_account, keyless.client_key) == (1, ALICE_CLIENT, "")
    assert (keyed.member, keyed.client_account) == (1, 0)
    assert keyed == shown(world, KEYED_CLIENT).owner


def test_an_end_by_the_house_is_shown_with_the_height_of_its_notice(world: World) -> None:
    affiliated(world, ALICE, KEYED_CLIENT, CLIENT_SECRET).block()
    assert shown(world, KEYED_CLIENT).on_members_side
    assert world.refusals(world.affiliation(ALICE, KEYED_CLIENT, key=secret(0), ends=True)) == []
    (one,) = shown(world).affiliates
    assert (one.in_force, one.until_height) == (True, world.state.now.height + NOTICE + 1)
    world.wait(NOTICE + 1)
    assert not shown(world).affiliates[0].in_force
    assert not shown(world, KEYED_CLIENT).on_members_side


def test_affiliates_that_the_terms_list_are_shown_as_listed() -> None:
    genesis = with_member(attack_genesis(pool=True), 1, affiliates=(3,))
    world = default_world(genesis=with_account(genesis, KEYED_CLIENT, affiliated=True))
    assert [(each.owner.member, each.listed) for each in shown(world).affiliates] == [(1, True), (3, True)]
    assert [each.owner.member for each in shown(world, CAROL).affiliates] == [1]


def test_the_fund_counts_an_affiliated_clients_position_against_its_members(world: World) -> None:
    """Alice is long what her client with a key is short: apart each falls in one scenario, together neither does."""
    world.bring(keyed=80_000)
    assert world.refusals(world.perp_trade(ALICE, KEYED_CLIENT, MEMBERS_LOTS)) == []
    before = shown(world)
    assert before.stress_micros == before.stress_apart_micros != "0"
    needs = stress_needs(world.state, (), world.state.terms.crisis.fund.cash_group)
    assert int(before.stress_micros) == max(lacking.get(1, 0) for _, lacking in needs.shortfalls)
    affiliated(world, ALICE, KEYED_CLIENT, CLIENT_SECRET).block()
    after = shown(world)
    assert int(after.stress_micros) < int(after.stress_apart_micros) == int(before.stress_apart_micros)


def test_what_other_accounts_on_the_members_side_lack_is_shown(world: World) -> None:
    """The client covers its margin, until the price falls; its lack counts for its member only as an affiliate."""
    world.bring(keyed=10_000)
    world.block(world.perp_trade(KEYED_CLIENT, BOB, 5_000))
    affiliated(world, ALICE, KEYED_CLIENT, CLIENT_SECRET)
    assert shown(world).member_short_micros == "0"
    world.prices(650_000)
    margin = world.margin(KEYED_CLIENT)
    assert not margin.maintenance_ok
    assert int(shown(world).member_short_micros) == margin.initial - margin.equity


def test_where_affiliates_are_not_pooled_an_account_stands_for_itself() -> None:
    world = affiliated(default_world(), ALICE, KEYED_CLIENT, CLIENT_SECRET)
    world.block()
    client = shown(world, KEYED_CLIENT)
    assert (client.pooled, client.on_members_side, client.stays_for_members) == (False, False, ())
    assert shown(world).stays_for_members == (1,)


@pytest.mark.parametrize("keyed", [7_500, 7_300])
def test_a_standby_is_shown_with_whether_the_client_would_be_ported(keyed: int) -> None:
    """2 BTC at 5,000.00 need 1,600 dollars as maintenance margin; the client has `keyed` less 5,800."""
    world = default_world(genesis=unhurried(default_genesis(STANDBY_TERMS)))
    world.bring(keyed=keyed)
    world.block(world.perp_trade(KEYED_CLIENT, BOB, 2_000), world.standby(KEYED_CLIENT, 3, CLIENT_SECRET))
    world.prices(500_000)
    view = standby_of(world.state, KEYED_CLIENT, "member")
    assert (view.enabled, view.standby, view.standby_active) == (True, 3, True)
    assert int(view.equity_micros) == (keyed - 5_800) * DOLLAR
    assert view.needed_micros == str(1_600 * DOLLAR)
    assert view.covered == covers_porting_margin(world.state, KEYED_CLIENT) == (keyed == 7_500)


def test_a_standby_member_sees_who_named_it_and_the_next_nonce() -> None:
    world = default_world(genesis=default_genesis(STANDBY_TERMS))
    named = world.standby(KEYED_CLIENT, 3, CLIENT_SECRET), world.standby(ALICE_CLIENT, 4, secret(1))
    assert world.refusals(*named) == []
    (one,) = standby_clients_of(world.state, 3).clients
    assert (one.account, one.member) == (KEYED_CLIENT, 1)
    assert one.next_nonce == standby_of(world.state, KEYED_CLIENT, "member").next_nonce == named[0].nonce + 1
    assert standby_clients_of(world.state, 2).count == 0


def test_answers_as_text_say_what_follows(world: World) -> None:
    affiliated(world, ALICE, BOB, secret(2)).block()
    text = affiliates_text(shown(world))
    for part in ("member 2: declared, from height", "in the estate of member 1", "affiliates count together"):
        assert part in text
    assert "can be ported" in affiliates_text(shown(world, KEYED_CLIENT))
    unnamed = standby_of(default_world(genesis=default_genesis(STANDBY_TERMS)).state, ALICE_CLIENT, "member")
    assert "no standby member" in standby_text(unnamed)
    assert "port no client" in standby_text(standby_of(world.state, ALICE_CLIENT, "member"))
    assert "standby of 0" in standby_clients_text(standby_clients_of(world.state, 2))


def test_every_account_has_an_answer(world: World) -> None:
    for account in (HOUSE, ALICE, BOB, CAROL, ALICE_CLIENT, DAVE, KEYED_CLIENT):
        assert isinstance(shown(world, account), AffiliatesView)
        assert isinstance(standby_of(world.state, account, "house"), StandbyView)
