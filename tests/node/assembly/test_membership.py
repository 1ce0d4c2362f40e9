"""A node's place in the sets is that of the decided state, in the very height that changes it."""

from pathlib import Path
from types import SimpleNamespace

import msgspec

from clearing.base import bls
from clearing.base.certificate import VoteKind, vote_digest
from clearing.base.errors import LocalFault
from consensus.blocks.store import save_committed
from member.codes import NodeCode
from node.agreement.validator_membership import Membership, newest_set
from node.signer.local import LocalSigner
from node.signer.sign_state import SignStateFile
from tests.kit.clearing.chamber import FOUR, chamber_world
from tests.kit.clearing.signer import envelope_secret, key_of, set_with, validator
from tests.kit.clearing.world import World
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.node.station import new_station
from tests.kit.refusals import refused

VALUE = b"\x01" * 32


def follow(membership: Membership, chamber: World) -> None:
    membership.decided(SimpleNamespace(state=chamber.state))


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

    def signer_with(bls_name: int) -> LocalSigner:
        secret = bls.secret_from_seed(bytes([bls_name]) * 32)
        state = SignStateFile(tmp_path / f"sign-state-{bls_name}")
        signer = LocalSigner(chamber.network, envelope_secret(2), secret, state)
        signer.listed_key = membership.listed_key
        return signer

    signer, other = signer_with(2), signer_with(9)
    old = membership.now.hash
    chamber.change(entered=[validator(2, 10, 9)])  # the same node under another BLS key
    chamber.hear({})
    follow(membership, chamber)
    new = membership.now.hash
    share = signer.sign_vote(old, VoteKind.PREVOTE, 3, 0, VALUE)
    digest = vote_digest(chamber.network, old, VoteKind.PREVOTE, 3, 0, VALUE)
    assert bls.verify(validator(2).bls_key, digest, share)
    with refused(NodeCode.VOTE_KEY_NOT_LISTED, LocalFault):
        signer.sign_vote(new, VoteKind.PREVOTE, 4, 0, VALUE)
    assert other.sign_vote(new, VoteKind.PREVOTE, 4, 0, VALUE)
    assert other.sign_vote(b"\x77" * 32, VoteKind.PREVOTE, 5, 0, VALUE), "of a set that is not known"


def test_the_newest_set_is_that_of_the_newest_header_or_genesis(tmp_path: Path) -> None:
    blocks, replace = MemoryBlockStore(), msgspec.structs.replace
    with new_station(tmp_path) as station:
        genesis = station.home.genesis
        assert newest_set(genesis, blocks) == genesis.validators
        committed = station.decide()
    other = set_with(FOUR)
    header = replace(committed.block.header, next_validators_hash=other.hash)
    save_committed(blocks, replace(committed, block=replace(committed.block, header=header)))
    assert newest_set(genesis, blocks) == genesis.validators, "not kept"
    blocks.save_set(other.hash, msgspec.msgpack.encode(other))
    assert newest_set(genesis, blocks) == other
