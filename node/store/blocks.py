"""`StoredBlocks`: the node's database as consensus' block store.

Rule: bytes in, bytes out; `save` returns when the block is durable. Everything that can be computed again from the
blocks is saved elsewhere, later.
"""

from collections.abc import Sequence

from consensus.blocks.store import Stored
from node.store.records import BlockRecord
from node.store.store import Commit, Store


class StoredBlocks:
    """Implements `consensus.blocks.store.BlockStore`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sets: set[bytes] = set()

    def height(self) -> int:
        """The highest block's height."""
        return self._store.height()

    def load(self, height: int) -> tuple[bytes, bytes, bytes] | None:
        """Block, certificate and extended commit of a height."""
        record = self._store.block(height)
        return (record.block, record.certificate, record.extended_commit) if record else None

    def save(self, height: int, block: bytes, certificate: bytes, extended_commit: bytes) -> None:
        """Keep the next block."""
        record = BlockRecord(height=height, block=block, certificate=certificate, extended_commit=extended_commit)
        self._store.save(Commit(record))

    def save_run(self, first: int, blocks: Sequence[Stored]) -> None:
        """Keep the next blocks, in one transaction."""
        self._store.save_blocks([BlockRecord(height, *stored) for height, stored in enumerate(blocks, first)])

    def has_set(self, hash_: bytes) -> bool:
        """Whether a validator set is kept; asked of the disk once."""
        if hash_ not in self._sets and self._store.validator_set(hash_) is not None:
            self._sets.add(hash_)
        return hash_ in self._sets

    def load_set(self, hash_: bytes) -> bytes | None:
        """A validator set that was kept."""
        return self._store.validator_set(hash_)

    def save_set(self, hash_: bytes, data: bytes) -> None:
        """Keep a validator set."""
        self._store.save_validator_set(hash_, data)
        self._sets.add(hash_)
