"""An owner chooses the seed of its account's commitments; the state has it sealed, and the snapshot of every epoch."""

import pytest

from clearing.accounts.commitment_seeds import account_owner, sealed_seed
from clearing.base.ids import FUND_ACCOUNT, HOUSE_ACCOUNT
from clearing.base.secp256k1 import address
from clearing.epochs.snapshot import take_snapshot
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.accounts import SeedRotated
from clearing.schema.terms.genesis import AccountKind
from tests.kit.clearing.desk import venue_world
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB
from tests.kit.clearing.requests import CLIENT_KEY, CLIENT_SECRET
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World

WORDS = (b"\1" * 32, b"\2" * 32, b"\3" * 32)
OTHER = (b"\4" * 32, b"\5" * 32, b"\6" * 32)
NONE = (bytes(32),) * 3


@pytest.fixture
def desk() -> World:
    return venue_world()


def keyed(desk: World) -> int:
    return desk.open_account(ALICE, AccountKind.CLIENT, 0, CLIENT_KEY)


def test_an_owner_chooses_a_seed_and_another_and_none(desk: World) -> None:
    for words in (WORDS, OTHER):
        assert desk.refusals(desk.seed_rotation(ALICE, words)) == []
        assert sealed_seed(desk.state, ALICE) == b"".join(words)
    assert [(each.account, each.chosen) for each in desk.last(SeedRotated)] == [(ALICE, True)]
    assert desk.refusals(desk.seed_rotation(ALICE, NONE)) == []
    assert sealed_seed(desk.state, ALICE) == b""
    assert [(each.account, each.chosen) for each in desk.last(SeedRotated)] == [(ALICE, False)]
    assert not list(desk.state.sealed_seeds.ordered())


@pytest.mark.parametrize("place", range(3))
def test_a_sealed_seed_is_whole_or_none(desk: World, place: int) -> None:
    words = tuple(bytes(32) if at == place else word for at, word in enumerate(WORDS))
    assert desk.refused(desk.seed_rotation(ALICE, words)) == [C.BAD_SEALED_SEED]
    assert desk.refused(desk.seed_rotation(ALICE, NONE)) == [C.BAD_SEALED_SEED], "none was chosen"


def test_only_the_owner_chooses_and_each_request_counts_once(desk: World) -> None:
    client, good = keyed(desk), desk.seed_rotation(ALICE, WORDS)
    by_member = desk.seed_rotation(client, WORDS, key=secret(1))
    by_client = desk.seed_rotation(client, WORDS, key=CLIENT_SECRET)
    assert desk.refused(desk.sign(good, secret(2)), good, good, by_member, by_client) == [
        C.WRONG_SIGNER,
        C.NONCE_USED,
        C.WRONG_SIGNER,
    ]
    assert [account for account, _ in desk.state.sealed_seeds.ordered()] == [ALICE, client]
    assert desk.refused(desk.seed_rotation(FUND_ACCOUNT, WORDS, key=secret(0))) == [C.UNKNOWN_ACCOUNT]


def test_the_owner_is_the_clients_key_where_it_has_one_or_else_its_members(desk: World) -> None:
    client = keyed(desk)
    owners = {each: account_owner(desk.state, each) for each in (ALICE, ALICE_CLIENT, BOB, client, HOUSE_ACCOUNT)}
    assert owners[ALICE] == owners[ALICE_CLIENT] == address(secret(1))
    assert (owners[BOB], owners[client]) == (address(secret(2)), CLIENT_KEY)
    assert owners[HOUSE_ACCOUNT] == address(secret(0))
    assert account_owner(desk.state, FUND_ACCOUNT) == bytes(20)


def test_a_seed_ends_where_another_address_owns_the_account_or_the_account_is_closed(desk: World) -> None:
    client, opened = keyed(desk), desk.open_account(ALICE)
    plain = desk.open_account(ALICE, AccountKind.CLIENT)
    for account, key in ((client, CLIENT_SECRET), (opened, secret(1)), (plain, secret(1))):
        assert desk.refusals(desk.seed_rotation(account, WORDS, key=key)) == []
    assert desk.refusals(desk.porting(client, 2, client=CLIENT_SECRET), desk.porting(plain, 2)) == []
    assert desk.refusals(desk.closing(opened)) == []
    assert [account for account, _ in desk.state.sealed_seeds.ordered()] == [client]


def test_the_snapshot_has_every_accounts_owner_and_sealed_seed(desk: World) -> None:
    assert desk.refusals(desk.seed_rotation(ALICE, WORDS)) == []
    desk.block(facts=desk.custody_facts(400))
    accounts = {each.account: each for each in take_snapshot(desk.state).accounts}
    assert (accounts[ALICE].owner, accounts[ALICE].sealed_seed) == (address(secret(1)), b"".join(WORDS))
    assert (accounts[BOB].owner, accounts[BOB].sealed_seed) == (address(secret(2)), b"")
