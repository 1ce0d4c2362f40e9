"""`MemoryBlockStore`: decided blocks in memory, for tests and simulations."""

from collections.abc import Sequence

from clearing.base.errors import LocalFault
from consensus.blocks.store import Stored
from consensus.codes import ConsensusCode


class MemoryBlockStore:
    """Durable as long as the object lives."""

    def __init__(self) -> None:
        self._blocks: list[Stored] = []
        self._first = 1
        self._sets: dict[bytes, bytes] = {}

    def height(self) -> int:
        """See `BlockStore`."""
        return self._first + len(self._blocks) - 1 if self._blocks else 0

    def load(self, height: int) -> Stored | None:
        """See `BlockStore`."""
        at = height - self._first
        return self._blocks[at] if 0 <= at < len(self._blocks) else None

    def save(self, height: int, block: bytes, certificate: bytes, extended_commit: bytes) -> None:
        """See `BlockStore`."""
        if not self._blocks:
            self._first = height
        elif self._first <= height <= self.height() and self._blocks[height - self._first][0] == block:
            return
        elif height != self.height() + 1:
            raise LocalFault(ConsensusCode.STORE_INCOMPLETE, "save", height=height, highest=self.height())
        self._blocks.append((block, certificate, extended_commit))

    def save_run(self, first: int, blocks: Sequence[Stored]) -> None:
        """See `BlockStore`."""
        for height, stored in enumerate(blocks, first):
            self.save(height, *stored)

    def has_set(self, hash_: bytes) -> bool:
        """See `BlockStore`."""
        return hash_ in self._sets

    def load_set(self, hash_: bytes) -> bytes | None:
        """See `BlockStore`."""
        return self._sets.get(hash_)

    def save_set(self, hash_: bytes, data: bytes) -> None:
        """See `BlockStore`."""
        self._sets[hash_] = data
