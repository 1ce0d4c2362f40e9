"""Which snapshot is agreed on, how chunks prove themselves, and what of joining reaches the replica: nothing."""

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.certificate import VoteKind
from clearing.base.codec import encode
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.merkle import MerkleTree, merkle_proof, merkle_root, verify_merkle_proof
from consensus.messages import BlockRequest, Envelope, MessageKind, Status, Vote, read_envelope, read_message
from consensus.signing import seal
from consensus.sync.messages import (
    CHUNK_BYTES,
    FORMAT,
    OFFERS_MAX,
    ChunkRequest,
    ChunkResponse,
    LightRequest,
    LightResponse,
    Manifest,
    SnapshotOffers,
    SnapshotsRequest,
    SyncMessage,
    is_sync_envelope,
    read_sync_message,
    seal_sync,
)
from consensus.sync.state_sync import Assembly, Offers, cut, manifest_of
from tests.kit.consensus.crypto import FakeSigner, validator_set
from tests.kit.consensus.replicas import NETWORK
from tests.kit.refusals import refused

FOUR = validator_set(4)
KEYS = [validator.envelope_key for validator in FOUR.validators]


def manifest(height: int, root: int = 1) -> Manifest:
    return Manifest(format=FORMAT, height=height, size=100_000, root=bytes([root]) * 32)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=40))
def test_the_tree_over_chunks_is_the_common_one(chunks: list[bytes]) -> None:
    tree = MerkleTree(chunks)
    assert tree.root == merkle_root(chunks)
    for index in range(len(chunks)):
        assert tree.proof(index) == merkle_proof(chunks, index)
        verify_merkle_proof(tree.root, len(chunks), index, chunks[index], tree.proof(index))
    with pytest.raises(IndexError):
        tree.proof(len(chunks))


@pytest.mark.parametrize("size", [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES])
def test_chunks_make_the_whole_in_any_order(size: int) -> None:
    data = Random(size).randbytes(size)
    chunks = [bytes(chunk) for chunk in cut(data)]
    tree = MerkleTree(chunks)
    made = manifest_of(7, data, tree)
    assert made.chunks == len(chunks)
    assembly = Assembly(made)
    order = [assembly.next_open() for _ in chunks]
    assert assembly.next_open() is None
    for index in reversed(order):
        assert index is not None
        with pytest.raises(RemoteFault):
            assembly.data()
        assembly.take(ChunkResponse(manifest=made.hash, index=index, data=chunks[index], path=tree.proof(index)))
    assert assembly.data() == data


def test_a_chunk_that_was_not_sent_is_asked_of_another() -> None:
    assembly = Assembly(manifest(7))
    assert [assembly.next_open(), assembly.next_open(), assembly.next_open()] == [0, 1, None]
    assembly.give_back(1)
    assert assembly.next_open() == 1


def test_a_wrong_chunk_is_refused_and_changes_nothing() -> None:
    data = Random(1).randbytes(3 * CHUNK_BYTES)
    chunks = [bytes(chunk) for chunk in cut(data)]
    tree = MerkleTree(chunks)
    assembly = Assembly(manifest_of(7, data, tree))
    good = ChunkResponse(manifest=assembly.manifest.hash, index=1, data=chunks[1], path=tree.proof(1))
    for bad in (
        msgspec.structs.replace(good, data=chunks[2]),
        msgspec.structs.replace(good, data=chunks[1][:-1]),
        msgspec.structs.replace(good, index=0),
        msgspec.structs.replace(good, index=3),
        msgspec.structs.replace(good, index=2**32 - 1),
        msgspec.structs.replace(good, path=good.path[:-1]),
        msgspec.structs.replace(good, path=(*good.path, bytes(32))),
    ):
        with pytest.raises(RemoteFault):
            assembly.take(bad)
    assert assembly.missing == 3
    assembly.take(good)
    assembly.take(good)
    assert assembly.missing == 2


def test_a_snapshot_is_agreed_on_by_more_than_a_third_of_the_power() -> None:
    heavy = validator_set(4, (10, 10, 10, 60))
    offers, wanted = Offers(), manifest(10)
    offers.note(KEYS[0], (wanted,))
    assert not offers.is_agreed(wanted, FOUR)
    for _ in range(3):
        offers.note(b"s" * 32, (wanted,))
    assert not offers.is_agreed(wanted, FOUR), "who is no validator has no power"
    offers.note(KEYS[1], (wanted, manifest(5)))
    assert offers.is_agreed(wanted, FOUR)
    assert not offers.is_agreed(wanted, heavy)
    offers.note(KEYS[3], (wanted,))
    assert offers.is_agreed(wanted, heavy)
    assert not offers.is_agreed(manifest(10, root=2), FOUR)


def test_offers_are_replaced_bounded_and_tried_by_how_many_make_them() -> None:
    offers = Offers()
    offers.note(KEYS[0], [manifest(height) for height in range(100)])
    assert len(offers.candidates()) == OFFERS_MAX
    offers.note(KEYS[0], (manifest(10), manifest(20, root=9)))
    offers.note(KEYS[1], (manifest(10),))
    offers.note(KEYS[2], (msgspec.structs.replace(manifest(30), format=FORMAT + 1),))
    assert [each.height for each in offers.candidates()] == [10, 20]
    offers.refuse(manifest(10))
    assert [each.height for each in offers.candidates()] == [20]
    assert offers.holders(manifest(20, root=9)) == [KEYS[0]]
    offers.note(KEYS[3], (manifest(20, root=9),) * OFFERS_MAX)
    assert offers.candidates() == [manifest(20, root=9)]


MESSAGES: list[SyncMessage] = [
    SnapshotsRequest(),
    SnapshotOffers(manifests=(manifest(1), manifest(2))),
    ChunkRequest(manifest=bytes(32), index=3),
    ChunkResponse(manifest=bytes(32), index=3, data=b"x", path=(bytes(32),)),
    LightRequest(height=4),
    LightResponse(height=4, block=None),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_joining_nodes_say_is_told_apart_by_one_byte_and_never_reaches_the_replica(message: SyncMessage) -> None:
    data = seal_sync(FakeSigner(NETWORK, FOUR.validators[0], None), message)
    assert is_sync_envelope(data)
    envelope = read_envelope(data)
    assert read_sync_message(envelope) == message
    with refused(BaseCode.WRONG_KIND):
        read_message(envelope)


def test_what_the_replica_hears_is_no_message_of_joining() -> None:
    signer = FakeSigner(NETWORK, FOUR.validators[0], None)
    vote = Vote(kind=VoteKind.PREVOTE, height=1, round=0, value=bytes(32), validator=0, share=bytes(96), extension=None)
    for message in (Status(height=3), BlockRequest(first=1, count=2), vote):
        data = seal(signer, message)
        assert not is_sync_envelope(data)
        with pytest.raises(RemoteFault):
            read_sync_message(read_envelope(data))
    for short in (b"", b"\x94", b"\x94\xc4\x20", b"\x00" * 200):
        assert not is_sync_envelope(short)


@pytest.mark.parametrize("size", [0, (1 << 30) + 1])
def test_a_manifest_without_bytes_or_without_end_is_not_decoded(size: int) -> None:
    data = encode(SnapshotOffers(manifests=(msgspec.structs.replace(manifest(1), size=size),)))
    envelope = Envelope(sender=KEYS[0], kind=MessageKind.SNAPSHOT_OFFERS, body=data, signature=bytes(64))
    with pytest.raises(RemoteFault):
        read_sync_message(envelope)
