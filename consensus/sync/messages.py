"""The messages between a joining node and its peers: offers of snapshots, chunks of them, light blocks.

Rule: none of it reaches the replica, and no answer is longer than a chunk with its proof, so that votes never wait
behind one. Decoding is typed and bounded; the requesting side checks the content.
"""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import msgspec

from clearing.base.codec import U32, U63, Bytes32, Wire, decode, encode
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32
from consensus.blocks.store import Stored
from consensus.light_client import LightBlock
from consensus.messages import Envelope, MessageKind
from consensus.signing import EnvelopeSigner, seal_body

MANIFEST_TAG = "crossclear/snapshot-manifest/v1"
FORMAT = 1
"""Of the snapshot's bytes; another format is another number, and is not taken."""
CHUNK_BYTES = 60_000
CHUNK_PROOF_MAX = 32
OFFERS_MAX = 8
SNAPSHOT_BYTES_MAX = 1 << 30
LIGHT_BYTES_MAX = 128 << 10
"""A light block with two sets of the most validators is about 52 kB."""
LATEST = 0
"""The height to ask a light block of, for the newest one."""


class Manifest(Wire, frozen=True):
    """A snapshot: the application after `height`, cut into chunks of `CHUNK_BYTES`, the last one shorter."""

    format: U32
    height: U63
    size: Annotated[int, msgspec.Meta(ge=1, le=SNAPSHOT_BYTES_MAX)]
    root: Bytes32
    """Merkle root over the chunks."""

    @property
    def chunks(self) -> int:
        """How many there are."""
        return -(-self.size // CHUNK_BYTES)

    @property
    def hash(self) -> Hash32:
        """What identifies it."""
        return tagged_hash(MANIFEST_TAG, encode(self))

    def chunk_size(self, index: int) -> int:
        """Bytes of one chunk."""
        return min(CHUNK_BYTES, self.size - index * CHUNK_BYTES)


class SnapshotsRequest(Wire, frozen=True):
    """Which snapshots do you have?"""


class SnapshotOffers(Wire, frozen=True):
    """Snapshots that the sender can serve, the newest first; signed by the envelope, so a validator attests to each."""

    manifests: Annotated[tuple[Manifest, ...], msgspec.Meta(max_length=OFFERS_MAX)]


class ChunkRequest(Wire, frozen=True):
    """Please send one chunk."""

    manifest: Bytes32
    index: U32


class ChunkResponse(Wire, frozen=True):
    """A chunk with the siblings from its leaf up; empty when the snapshot is not kept any more."""

    manifest: Bytes32
    index: U32
    data: Annotated[bytes, msgspec.Meta(max_length=CHUNK_BYTES)]
    path: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=CHUNK_PROOF_MAX)]


class LightRequest(Wire, frozen=True):
    """Please send the light block of a height, or of the newest one (`LATEST`)."""

    height: U63


class LightResponse(Wire, frozen=True):
    """A light block; None when that height is not kept."""

    height: U63
    """As it was asked for."""
    block: LightBlock | None


SyncMessage: TypeAlias = SnapshotsRequest | SnapshotOffers | ChunkRequest | ChunkResponse | LightRequest | LightResponse

_BODIES: dict[MessageKind, tuple[type[SyncMessage], int]] = {
    MessageKind.SNAPSHOTS_REQUEST: (SnapshotsRequest, 8),
    MessageKind.SNAPSHOT_OFFERS: (SnapshotOffers, OFFERS_MAX * 80),
    MessageKind.CHUNK_REQUEST: (ChunkRequest, 64),
    MessageKind.CHUNK_RESPONSE: (ChunkResponse, CHUNK_BYTES + 34 * CHUNK_PROOF_MAX + 64),
    MessageKind.LIGHT_REQUEST: (LightRequest, 16),
    MessageKind.LIGHT_RESPONSE: (LightResponse, LIGHT_BYTES_MAX),
}
_KINDS: dict[type[SyncMessage], MessageKind] = {body: kind for kind, (body, _) in _BODIES.items()}


def read_sync_message(envelope: Envelope) -> SyncMessage:
    """Decode an envelope's body within the limit of its kind. Raises RemoteFault."""
    if envelope.kind not in _BODIES:
        raise RemoteFault(BaseCode.WRONG_KIND, "sync message", kind=int(envelope.kind))
    body, limit = _BODIES[envelope.kind]
    message: SyncMessage = decode(envelope.body, body, limit)
    return message


def seal_sync(signer: EnvelopeSigner, message: SyncMessage) -> bytes:
    """A message in an own envelope, encoded."""
    return seal_body(signer, _KINDS[type(message)], encode(message))


def is_sync_envelope(data: bytes) -> bool:
    """Whether these bytes, if they are an envelope, hold one of the messages above. Reads one byte."""
    return data[:3] == _ENVELOPE_HEAD and data[_KIND_AT : _KIND_AT + 1] in _KIND_BYTES


def pack_block_response(blocks: Sequence[Stored]) -> bytes:
    """The bytes of a `BlockResponse` out of stored ones, none of which is decoded."""
    return _array(1) + _array(len(blocks)) + b"".join(_array(3) + b"".join(stored) for stored in blocks)


def _array(count: int) -> bytes:
    """MessagePack's head of an array."""
    return bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2, "big")


_EXAMPLE = encode(Envelope(sender=bytes(32), kind=MessageKind.VOTE, body=b"", signature=bytes(64)))
_ENVELOPE_HEAD = _EXAMPLE[:3]
_KIND_AT = len(_ENVELOPE_HEAD) + 32
_KIND_BYTES = frozenset(bytes([kind]) for kind in _BODIES)
