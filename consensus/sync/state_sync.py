"""State sync without I/O: which peers agree on which snapshot, chunks with proofs, and the first trusted header.

Rule: a snapshot is worth fetching only when validators of more than a third of the power at its height offer it, so
that an honest one is among them, and it is believed only when its state has the roots of that height's certified
header. A chunk is believed for its proof, from any sender. Knows no network, no clock and no application.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.base.merkle import MerkleTree, verify_merkle_proof
from clearing.base.validators import ValidatorSet
from consensus.codes import ConsensusCode
from consensus.light_client import LightBlock, LightVerifier, check_block
from consensus.sync.messages import CHUNK_BYTES, FORMAT, OFFERS_MAX, ChunkResponse, Manifest


def cut(data: bytes) -> Iterable[memoryview]:
    """The chunks of a snapshot, in order."""
    view = memoryview(data)
    return (view[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES))


def manifest_of(height: int, data: bytes, tree: MerkleTree) -> Manifest:
    """The offer of a snapshot."""
    return Manifest(format=FORMAT, height=height, size=len(data), root=tree.root)


class Offers:
    """The offers of all peers. Bounded: `OFFERS_MAX` manifests a peer."""

    def __init__(self) -> None:
        self._by_peer: dict[bytes, tuple[Manifest, ...]] = {}
        self._refused: set[bytes] = set()

    def note(self, peer: bytes, manifests: Sequence[Manifest]) -> None:
        """What a peer offers now; it replaces what it offered before."""
        self._by_peer[peer] = tuple(manifest for manifest in manifests[:OFFERS_MAX] if manifest.format == FORMAT)

    def refuse(self, manifest: Manifest) -> None:
        """Never try this one again."""
        self._refused.add(manifest.hash)

    def candidates(self) -> list[Manifest]:
        """Snapshots to try, by how many peers offer them, then the newest first."""
        count: dict[Manifest, int] = {}
        for manifests in self._by_peer.values():
            for manifest in set(manifests):
                count[manifest] = count.get(manifest, 0) + 1
        open_ = [manifest for manifest in count if manifest.hash not in self._refused]
        return sorted(open_, key=lambda manifest: (-count[manifest], -manifest.height, manifest.root))

    def holders(self, manifest: Manifest) -> list[bytes]:
        """Peers that offer it."""
        return sorted(peer for peer, manifests in self._by_peer.items() if manifest in manifests)

    def is_agreed(self, manifest: Manifest, validators: ValidatorSet) -> bool:
        """Whether validators of more than a third of the power at its height offer it."""
        indices = [validators.index_of[peer] for peer in self.holders(manifest) if peer in validators.index_of]
        return validators.is_skip(sum(validators.validators[index].power for index in indices))


@dataclass(frozen=True, slots=True)
class FirstSet:
    """What genesis says of height 1."""

    network: bytes
    validators: ValidatorSet

    def check(self, block: LightBlock, verifier: LightVerifier) -> LightBlock:
        """The light block of height 1, checked, with the set of genesis itself: trust goes on from it.

        Raises RemoteFault.
        """
        header = block.header
        stated = (
            ("height", u256(header.height), u256(1)),
            ("network", header.network, self.network),
            ("parent", header.parent, self.network),
            ("validators_hash", header.validators_hash, bytes(self.validators.hash)),
            # A change is decided in a block, and takes effect two heights above it.
            ("next_validators_hash", header.next_validators_hash, bytes(self.validators.hash)),
        )
        for name, there, here in stated:
            if there != here:
                raise RemoteFault(ConsensusCode.BROKEN_LINK, name, stated=there, computed=here)
        check_block(block)
        verifier.verify_certificate(block.certificate, self.validators, self.network)
        return msgspec.structs.replace(block, validators=self.validators, next_validators=self.validators)


class Assembly:
    """A snapshot that is being assembled. Each chunk is checked on arrival."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self._data = bytearray(manifest.size)
        self._missing = set(range(manifest.chunks))
        self._open = deque(range(manifest.chunks))

    def next_open(self) -> int | None:
        """A chunk that was not requested yet; from now on it counts as requested."""
        while self._open:
            index = self._open.popleft()
            if index in self._missing:
                return index
        return None

    def give_back(self, index: int) -> None:
        """The peer that was asked for this chunk did not send it."""
        if index in self._missing:
            self._open.append(index)

    def take(self, response: ChunkResponse) -> None:
        """Keep a chunk. Raises RemoteFault BAD_CHUNK, BAD_MERKLE_PROOF."""
        manifest, index = self.manifest, response.index
        if index >= manifest.chunks or len(response.data) != manifest.chunk_size(index):
            raise RemoteFault(ConsensusCode.BAD_CHUNK, "chunk", index=index, bytes=len(response.data))
        verify_merkle_proof(manifest.root, manifest.chunks, index, response.data, response.path)
        self._data[index * CHUNK_BYTES : index * CHUNK_BYTES + len(response.data)] = response.data
        self._missing.discard(index)

    @property
    def missing(self) -> int:
        """How many chunks are missing."""
        return len(self._missing)

    def data(self) -> bytes:
        """The whole. Raises RemoteFault BAD_CHUNK while something is missing."""
        if self._missing:
            raise RemoteFault(ConsensusCode.BAD_CHUNK, "snapshot", missing=len(self._missing))
        return bytes(self._data)
