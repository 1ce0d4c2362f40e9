"""`DecidedTransactions`: the transactions of stored blocks, each with its receipts.

Rule: it reads blocks that were executed, whose receipts are stored. All of it blocks: for worker threads.
"""

from collections.abc import Iterator

from clearing.base.codec import decode
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.blocks.transaction import Transaction, transaction_hash
from consensus.blocks.store import load_committed
from consensus.messages import Block
from node.agreement.application import PAYLOAD_BYTES_MAX, Payload
from node.pool.fates import NotedBlock
from node.store.blocks import StoredBlocks
from node.store.fate_table import FateRecord
from node.store.records import ReceiptRecord, receipt_at
from node.store.store import Store


class DecidedTransactions:
    """Implements `node.pool.fates.NotedBlocks`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._blocks = StoredBlocks(store)

    def noted(self, first: int, last: int) -> Iterator[NotedBlock]:
        """Those from `first` to `last`, in order, as far as they were executed here."""
        # A node that began with a peer's state has the block of that height, and not its receipts.
        lowest = self._store.first_height()
        for height in range(max(first, lowest if lowest <= 1 else lowest + 1), last + 1):
            block = self._block(height)
            if block is not None:
                hashes = [transaction_hash(each) for each in _transactions(block)]
                receipts = self._receipts(height) if hashes else []
                yield NotedBlock(height, block.header.time_ms, hashes, receipts)

    def outcome(self, fate: FateRecord) -> tuple[Transaction, list[Receipt]] | None:
        """A decided transaction and its receipts, in order; None where its block is not stored here."""
        block = self._block(fate.height)
        if block is None:
            return None
        found = self._store.receipts_between(fate.height, fate.first_receipt, fate.last_receipt)
        receipts = [receipt_at(record).receipt for record in found]
        own = [receipt for receipt in receipts if getattr(receipt, "index", None) == fate.index]
        return _transactions(block)[fate.index], own

    def _block(self, height: int) -> Block | None:
        committed = load_committed(self._blocks, height)
        return committed.block if committed is not None else None

    def _receipts(self, height: int) -> list[Receipt]:
        stored = enumerate(self._store.receipts_at(height))
        return [receipt_at(ReceiptRecord(height, index, (), data)).receipt for index, data in stored]


def _transactions(block: Block) -> tuple[Transaction, ...]:
    return decode(block.payload, Payload, PAYLOAD_BYTES_MAX).transactions
