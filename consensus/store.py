"""`BlockStore`: where decided blocks are kept, as an interface, and one in memory.

Rule: `save` returns only when the block is durable; heights have no gaps. Bytes in, bytes out: the store knows no
consensus types.
"""

from typing import Protocol

from clearing.base.certificate import Certificate
from clearing.base.codec import decode, encode
from clearing.base.errors import LocalFault
from consensus.codes import ConsensusCode
from consensus.messages import BLOCK_BYTES_MAX, Block, CommittedBlock, SignedExtension

Stored = tuple[bytes, bytes, bytes]
"""Block, certificate, extended commit."""


class BlockStore(Protocol):
    """Decided blocks from height 1 (or from a later first one, after pruning) to `height()`."""

    def height(self) -> int:
        """The highest block's height; 0 when there is none."""
        ...

    def load(self, height: int) -> Stored | None:
        """The bytes given to `save`, or None."""
        ...

    def save(self, height: int, block: bytes, certificate: bytes, extended_commit: bytes) -> None:
        """Keep the block above the highest one; durable on return."""
        ...


class MemoryBlockStore:
    """For tests and simulations: durable as long as the object lives."""

    def __init__(self) -> None:
        self._blocks: list[Stored] = []

    def height(self) -> int:
        """See `BlockStore`."""
        return len(self._blocks)

    def load(self, height: int) -> Stored | None:
        """See `BlockStore`."""
        return self._blocks[height - 1] if 1 <= height <= len(self._blocks) else None

    def save(self, height: int, block: bytes, certificate: bytes, extended_commit: bytes) -> None:
        """See `BlockStore`."""
        if height != len(self._blocks) + 1:
            raise LocalFault(ConsensusCode.STORE_INCOMPLETE, "save", height=height, highest=len(self._blocks))
        self._blocks.append((block, certificate, extended_commit))


def save_committed(store: BlockStore, committed: CommittedBlock) -> None:
    """Keep a decided block."""
    store.save(
        committed.block.header.height,
        encode(committed.block),
        encode(committed.certificate),
        encode(committed.extensions),
    )


def load_committed(store: BlockStore, height: int) -> CommittedBlock | None:
    """Read a decided block back, typed."""
    stored = store.load(height)
    if stored is None:
        return None
    block, certificate, extensions = stored
    extended: tuple[SignedExtension, ...] = decode(extensions, tuple[SignedExtension, ...], BLOCK_BYTES_MAX)
    return CommittedBlock(
        block=decode(block, Block, 2 * BLOCK_BYTES_MAX),
        certificate=decode(certificate, Certificate),
        extensions=extended,
    )
