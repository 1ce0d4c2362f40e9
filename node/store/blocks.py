"""`StoredBlocks`: the node's database as consensus' block store.

Rule: bytes in, bytes out; `save` returns when the block is durable. Everything that can be computed again from the
blocks is saved elsewhere, later.
"""

from node.store.records import BlockRecord
from node.store.store import Commit, Store


class StoredBlocks:
    """Implements `consensus.store.BlockStore`."""

    def __init__(self, store: Store) -> None:
        self._store = store

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
