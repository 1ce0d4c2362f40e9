"""Affiliations: whose accounts are one owner's, who may say so, and from when on it counts."""

import msgspec
import pytest

from clearing.accounts import affiliates
from clearing.base.errors import LocalFault
from clearing.base.secp256k1 import address
from clearing.context.affiliation import OwnerFamilies, are_affiliated
from clearing.genesis.checks import check_terms
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.accounts import AffiliationDeclared
from clearing.schema.terms.genesis import AccountKind, Genesis
from clearing.state.indexes import MEMBER_ACCOUNTS, holders
from tests.kit.clearing.attackers import attack_genesis, with_account, with_member
from tests.kit.clearing.defaults import CLIENT_SECRET, default_world
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, CAROL, HOUSE
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World

BOTH, NO_CLIENT = CLIENT_SECRET, None
NOTICE = 6
"""Blocks, as porting has."""


@pytest.fixture
def world() -> World:
    return default_world(genesis=attack_genesis(pool=True))


def affiliated(world: World, one: int, other: int) -> bool:
    return are_affiliated(world.state, one, other)


def test_accounts_of_one_member_and_of_one_client_are_one_owners(world: World) -> None:
    second = world.open_account(ALICE)
    sub = world.open_account(ALICE, AccountKind.CLIENT, ALICE_CLIENT)
    same_key = world.open_account(ALICE, AccountKind.CLIENT, 0, address(CLIENT_SECRET))
    with_members_key = world.open_account(ALICE, AccountKind.CLIENT, 0, address(secret(1)))
    groups = [{ALICE, second, with_members_key}, {ALICE_CLIENT, sub}, {KEYED_CLIENT, same_key}, {BOB}]
    for group in groups:
        for other in groups:
            assert all(affiliated(world, a, b) is (group is other) for a in group for b in other)


def test_one_key_under_two_members_is_one_owner_without_making_them_one(world: World) -> None:
    elsewhere = world.open_account(BOB, AccountKind.CLIENT, 0, address(CLIENT_SECRET))
    as_member = world.open_account(BOB, AccountKind.CLIENT, 0, address(secret(3)))
    assert affiliated(world, elsewhere, KEYED_CLIENT)
    assert affiliated(world, as_member, CAROL)
    families = OwnerFamilies(world.state)
    assert families.group_of(elsewhere) != families.group_of(KEYED_CLIENT)
    assert families.group_of(as_member) != families.group_of(CAROL)


def test_both_owners_declare_from_the_next_block_on(world: World) -> None:
    assert not affiliated(world, ALICE, KEYED_CLIENT)
    assert not world.refusals(world.affiliation(ALICE, KEYED_CLIENT, affiliate_key=CLIENT_SECRET))
    (declared,) = world.last(AffiliationDeclared)
    assert declared.effective_height == world.state.now.height + 1
    assert not affiliated(world, ALICE, KEYED_CLIENT)
    world.block()
    assert affiliated(world, ALICE, KEYED_CLIENT)
    assert OwnerFamilies(world.state).is_on_members_side(KEYED_CLIENT)
    world.read_back()


def test_affiliation_is_of_owners_and_passes_on(world: World) -> None:
    """Alice and Carol, Carol and a client of Bob's: all of one group, with all their other accounts."""
    client = world.open_account(BOB, AccountKind.CLIENT, 0, address(CLIENT_SECRET))
    assert not world.refusals(
        world.affiliation(ALICE, CAROL, affiliate_key=secret(3)),
        world.affiliation(CAROL, client, affiliate_key=CLIENT_SECRET),
    )
    another = world.open_account(BOB, AccountKind.CLIENT, 0, address(CLIENT_SECRET))
    assert all(affiliated(world, a, b) for a in (ALICE, CAROL, client) for b in (another, client, ALICE))
    assert not any(affiliated(world, BOB, each) for each in (ALICE, CAROL, client))


def test_the_house_declares_and_ends_with_notice(world: World) -> None:
    assert not world.refusals(world.affiliation(ALICE, KEYED_CLIENT, key=secret(0)))
    for _ in range(NOTICE):
        assert not affiliated(world, ALICE, KEYED_CLIENT)
        world.block()
    world.block()
    assert affiliated(world, ALICE, KEYED_CLIENT)
    assert not world.refusals(world.affiliation(ALICE, KEYED_CLIENT, key=secret(0), ends=True))
    world.wait(NOTICE)
    assert affiliated(world, ALICE, KEYED_CLIENT)
    world.block()
    assert not affiliated(world, ALICE, KEYED_CLIENT)
    assert not world.refusals(world.affiliation(ALICE, KEYED_CLIENT, affiliate_key=CLIENT_SECRET))


@pytest.mark.parametrize(
    ("account", "affiliate", "key", "affiliate_key", "ends", "code"),
    [
        pytest.param(ALICE, KEYED_CLIENT, 1, None, False, ClearingCode.WRONG_SIGNER, id="the_member_alone"),
        pytest.param(ALICE, KEYED_CLIENT, 1, 1, False, ClearingCode.WRONG_SIGNER, id="the_member_for_its_client"),
        pytest.param(ALICE, ALICE_CLIENT, 1, 1, False, ClearingCode.WRONG_SIGNER, id="for_one_without_a_key"),
        pytest.param(ALICE, CAROL, 1, 2, False, ClearingCode.WRONG_SIGNER, id="for_another_member"),
        pytest.param(BOB, CAROL, 1, 3, False, ClearingCode.WRONG_SIGNER, id="of_another_members_account"),
        pytest.param(ALICE_CLIENT, CAROL, 1, 3, False, ClearingCode.WRONG_SIGNER, id="of_a_clients_account"),
        pytest.param(ALICE, ALICE, 0, None, False, ClearingCode.BAD_AFFILIATION, id="with_itself"),
        pytest.param(ALICE, HOUSE, 0, None, False, ClearingCode.BAD_AFFILIATION, id="with_the_house"),
        pytest.param(ALICE, CAROL, 0, None, True, ClearingCode.BAD_AFFILIATION, id="the_end_of_none"),
        pytest.param(ALICE, 999, 0, None, False, ClearingCode.UNKNOWN_ACCOUNT, id="with_nobody"),
    ],
)
def test_declarations_that_are_refused(
    world: World, account: int, affiliate: int, key: int, affiliate_key: int | None, ends: bool, code: ClearingCode
) -> None:
    agrees = None if affiliate_key is None else secret(affiliate_key)
    request = world.affiliation(account, affiliate, secret(key), agrees, ends=ends)
    assert world.refusals(request) == [code]
    assert not list(world.state.affiliations.ordered())


def test_for_a_client_without_a_key_the_house_agrees(world: World) -> None:
    assert not world.refusals(world.affiliation(ALICE, ALICE_CLIENT, affiliate_key=secret(0)))
    world.block()
    assert affiliated(world, ALICE, ALICE_CLIENT)


def test_what_was_declared_is_not_declared_again_nor_ended_by_its_owners(world: World) -> None:
    assert not world.refusals(world.affiliation(ALICE, CAROL, affiliate_key=secret(3)))
    again = world.affiliation(CAROL, ALICE, affiliate_key=secret(1))
    ended = world.affiliation(ALICE, CAROL, affiliate_key=secret(3), ends=True)
    assert world.refusals(again, ended) == [ClearingCode.BAD_AFFILIATION] * 2


def test_an_owner_has_so_many_affiliates_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affiliates, "AFFILIATES_MAX", 2)
    others = [world.affiliation(ALICE, each, key=secret(0)) for each in (BOB, CAROL, DAVE)]
    assert world.refusals(*others) == [ClearingCode.AFFILIATIONS_FULL]


def test_no_affiliation_ends_while_a_default_is_under_way(world: World) -> None:
    assert not world.refusals(world.affiliation(BOB, ALICE, affiliate_key=secret(1)))
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    world.fall(480_000)
    assert world.refusals(world.affiliation(ALICE, BOB, key=secret(0), ends=True)) == [ClearingCode.BAD_AFFILIATION]


def test_a_ported_affiliate_stays_one(world: World) -> None:
    assert not world.refusals(world.affiliation(ALICE, KEYED_CLIENT, affiliate_key=CLIENT_SECRET))
    assert not world.refusals(world.porting(KEYED_CLIENT, 2, client=CLIENT_SECRET))
    assert affiliated(world, ALICE, KEYED_CLIENT)
    assert not affiliated(world, BOB, KEYED_CLIENT)
    world.owner[KEYED_CLIENT] = 2
    assert not world.refusals(world.porting(KEYED_CLIENT, 3, client=CLIENT_SECRET))
    assert affiliated(world, ALICE, KEYED_CLIENT)


def test_a_client_that_was_nobodys_affiliate_is_none_after_porting(world: World) -> None:
    assert not world.refusals(world.porting(KEYED_CLIENT, 2, client=CLIENT_SECRET))
    assert not list(world.state.affiliations.ordered())


def genesis_with(**changes: object) -> Genesis:
    return with_member(attack_genesis(pool=True), 1, **changes)


def test_genesis_lists_affiliates() -> None:
    world = default_world(genesis=with_account(genesis_with(affiliates=(3,)), KEYED_CLIENT, affiliated=True))
    assert affiliated(world, ALICE, KEYED_CLIENT)
    assert affiliated(world, KEYED_CLIENT, CAROL)
    assert not affiliated(world, ALICE, ALICE_CLIENT)


@pytest.mark.parametrize(
    "genesis",
    [
        pytest.param(genesis_with(affiliates=(1,)), id="itself"),
        pytest.param(genesis_with(affiliates=(0,)), id="the_house"),
        pytest.param(genesis_with(affiliates=(9,)), id="nobody"),
        pytest.param(genesis_with(affiliates=(3, 2)), id="out_of_order"),
        pytest.param(with_account(genesis_with(), ALICE, affiliated=True), id="an_own_account"),
    ],
)
def test_affiliates_that_genesis_cannot_list(genesis: Genesis) -> None:
    check_terms(msgspec.structs.replace(genesis, members=attack_genesis().members))
    with pytest.raises(LocalFault, match="affiliate"):
        check_terms(genesis)


def test_a_members_accounts_are_listed_as_they_open_close_and_are_ported(world: World) -> None:
    def listed(member: int) -> tuple[int, ...]:
        return holders(world.state, MEMBER_ACCOUNTS, member)

    assert (listed(1), listed(2)) == ((ALICE, ALICE_CLIENT, KEYED_CLIENT), (BOB,))
    opened = [world.open_account(ALICE, AccountKind.CLIENT) for _ in range(2)]
    assert not world.refusals(world.closing(opened[0]), world.porting(KEYED_CLIENT, 2, client=CLIENT_SECRET))
    assert (listed(1), listed(2)) == ((ALICE, ALICE_CLIENT, opened[1]), (BOB, KEYED_CLIENT))
    copy = world.read_back()
    assert all(holders(copy, MEMBER_ACCOUNTS, member) == listed(member) for member in range(5))
