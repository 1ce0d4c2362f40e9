"""What is in the blocks on a node's disk, read from outside while it runs or after.

Rule: incremental: each block is decoded once. Only what is durable counts.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from clearing.base.codec import decode
from clearing.schema.blocks.transaction import transaction_hash
from consensus.messages import BLOCK_BYTES_MAX, Block
from node.agreement.application import PAYLOAD_BYTES_MAX, Payload

PAGE = 200


@dataclass(slots=True)
class Included:
    """Transactions by hash, each with the heights that hold it."""

    path: Path
    """Of the node's database."""
    heights: dict[bytes, list[int]] = field(default_factory=dict)
    top: int = 0

    def __contains__(self, key: bytes) -> bool:
        return key in self.heights

    def read_on(self) -> None:
        """Everything since the last time; blocks for as long."""
        for block in self._blocks():
            self.top = block.header.height
            for transaction in decode(block.payload, Payload, PAYLOAD_BYTES_MAX).transactions:
                self.heights.setdefault(transaction_hash(transaction), []).append(self.top)

    def _blocks(self) -> Iterator[Block]:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            while rows := connection.execute(
                "SELECT block FROM blocks WHERE height > ? ORDER BY height LIMIT ?", (self.top, PAGE)
            ).fetchall():
                for (data,) in rows:
                    yield decode(data, Block, 2 * BLOCK_BYTES_MAX)
