"""The store as consensus sees it: `consensus.store.BlockStore` over `Store`."""

from node.store.records import BlockRecord
from node.store.store import Commit, Store


class StoredBlocks:
    """Implements `BlockStore`: `save` is durable on return, gaps and other blocks at a saved height are refused."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def height(self) -> int:
        """The highest block's height; 0 when there is none."""
        return self._store.height()

    def load(self, height: int) -> tuple[bytes, bytes, bytes] | None:
        """Block, certificate, extended commit; None for a height that is not kept."""
        record = self._store.block(height)
        return None if record is None else (record.block, record.certificate, record.extended_commit)

    def save(self, height: int, block: bytes, certificate: bytes, extended_commit: bytes) -> None:
        """Keep the block above the highest one. Raises LocalFault STORE_GAP, STORE_CONFLICT."""
        self._store.save(Commit(BlockRecord(height, block, certificate, extended_commit)))
