"""A node's place in the sets is that of the decided state, in the very height that changes it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from clearing.base import bls
from clearing.base.certificate import VoteKind, vote_digest
from clearing.base.errors import LocalFault
from consensus.blocks.store import MemoryBlockStore, save_committed
from member.codes import NodeCode
from node.agreement.validator_membership import Membership, newest_set
from node.signer.local import LocalSigner
from node.signer.sign_state import SignStateFile
from node.store.store import Store
from tests.kit.clearing.chamber import chamber_world
from tests.kit.clearing.signer import envelope_secret, key_of, set_with, validator
from tests.kit.clearing.world import World
from tests.kit.node.station import Station, make_home

FOUR = dict.fromkeys(range(1, 5), 10)


def follow(membership: Membership, chamber: World) -> None:
    told: Any = SimpleNamespace(state=chamber.state)
    membership.decided(told)


def test_who_leaves_and_who_comes_are_let_in_until_nothing_of_theirs_is_open() -> None:
    chamber = chamber_world()
    mine, theirs = Membership(key_of(1), chamber.state), Membership(key_of(5), chamber.state)
    chamber.change([1], [validator(5)])
    seen = []
    for _ in range(4):
        for each in (mine, theirs):
            follow(each, chamber)
        seen.append((key_of(1) in mine.keys, mine.is_validator, key_of(5) in mine.keys, theirs.is_validator))
        chamber.hear({})
    assert seen == [
        (True, True, True, False),  # made: who comes may connect at once
        (True, False, True, True),  # of the next height
        (True, False, True, True),
        (False, False, True, True),
    ]
    assert theirs.now == set_with(dict.fromkeys(range(2, 6), 10))


def test_a_share_that_would_be_proof_of_misbehaviour_is_never_made(tmp_path: Path) -> None:
    chamber = chamber_world({1: 20, 2: 10, 3: 10})
    membership = Membership(key_of(2), chamber.state)
    secret = bls.secret_from_seed(bytes([2]) * 32)
    signer = LocalSigner(chamber.network, envelope_secret(2), secret, SignStateFile(tmp_path / "sign-state"))
    signer.listed_key = membership.listed_key
    old = membership.now
    chamber.change(entered=[validator(2, 10, 9)])  # the same node under another BLS key
    chamber.hear({})
    follow(membership, chamber)
    new = membership.now
    share = signer.sign_vote(old.hash, VoteKind.PREVOTE, 3, 0, b"\x01" * 32)
    digest = vote_digest(chamber.network, old.hash, VoteKind.PREVOTE, 3, 0, b"\x01" * 32)
    assert bls.verify(validator(2).bls_key, digest, share)
    with pytest.raises(LocalFault) as caught:
        signer.sign_vote(new.hash, VoteKind.PREVOTE, 4, 0, b"\x01" * 32)
    assert caught.value.code is NodeCode.VOTE_KEY_NOT_LISTED
    other = LocalSigner(
        chamber.network,
        envelope_secret(2),
        bls.secret_from_seed(bytes([9]) * 32),
        SignStateFile(tmp_path / "other-state"),
    )
    other.listed_key = membership.listed_key
    assert other.sign_vote(new.hash, VoteKind.PREVOTE, 4, 0, b"\x01" * 32)
    assert other.sign_vote(b"\x77" * 32, VoteKind.PREVOTE, 5, 0, b"\x01" * 32), "of a set that is not known"


def test_the_newest_set_is_that_of_the_newest_header_or_genesis(tmp_path: Path) -> None:
    home = make_home(tmp_path / "net")
    blocks = MemoryBlockStore()
    assert newest_set(home.genesis, blocks) == home.genesis.validators
    with Store(home.path / "s.sqlite", home.network) as store:
        committed = Station(home, store).decide()
    other = set_with(FOUR)
    header = msgspec.structs.replace(committed.block.header, next_validators_hash=other.hash)
    save_committed(
        blocks, msgspec.structs.replace(committed, block=msgspec.structs.replace(committed.block, header=header))
    )
    assert newest_set(home.genesis, blocks) == home.genesis.validators, "not kept"
    blocks.save_set(other.hash, msgspec.msgpack.encode(other))
    assert newest_set(home.genesis, blocks) == other
