"""`Fates`: what became of each transaction that this node took in or saw in a block, for a stated time.

Rule: noting costs the consensus path an append; records are made and written behind it, a few times a second. What is
not written yet is answered from memory. After a restart, blocks that were not noted are read again, and what the pool
cannot take back is noted before the journal forgets it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
import trio

from clearing.base.errors import Rejected
from clearing.schema.blocks.receipt import Receipt, Refused
from clearing.schema.codes import ClearingCode
from node.store.fate_table import FateRecord, FateState, FateTable, supersedes

SAVE_SECONDS = 0.5
READ_AT_ONCE = 100
"""Blocks of the store between two writes."""
READ_BLOCKS_MAX = 200_000
"""So many of the newest blocks are read again where none were noted."""
UNSAVED_BLOCKS_MAX = 4_096
"""While the disk fails, so many blocks wait in memory; their transactions are most of what it takes."""
DAY_MS = 86_400_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NotedBlock:
    """A block's transactions by hash, in order, and all its receipts."""

    height: int
    time_ms: int
    hashes: Sequence[bytes]
    receipts: Sequence[Receipt]


class NotedBlocks(Protocol):
    """The blocks of the store."""

    def noted(self, first: int, last: int) -> Iterator[NotedBlock]:
        """Those from `first` to `last` whose receipts are stored. Blocks: for a worker thread."""
        ...


def block_fates(block: NotedBlock) -> list[FateRecord]:
    """The fate of each transaction of a block, in order.

    A receipt belongs to the transaction whose index it states; what became of the block's other subjects has none.
    """
    count = len(block.hashes)
    firsts, lasts = [0] * count, [-1] * count
    refusals: dict[int, Refused] = {}
    for position, receipt in enumerate(block.receipts):
        index = getattr(receipt, "index", count)
        if index >= count:
            continue
        if lasts[index] < 0:
            firsts[index] = position
        lasts[index] = position
        if isinstance(receipt, Refused):
            refusals[index] = receipt
    return [
        FateRecord(
            hash_,
            FateState.REFUSED if index in refusals else FateState.APPLIED,
            block.time_ms,
            block.height,
            index,
            firsts[index],
            lasts[index],
            refusals[index].code if index in refusals else 0,
            refusals[index].at if index in refusals else "",
        )
        for index, hash_ in enumerate(block.hashes)
    ]


class Fates:
    """Belongs to the event loop. `run` writes."""

    def __init__(self, table: FateTable, clock_ms: Callable[[], int], days: int, count_max: int) -> None:
        """`days`, `count_max`: for how long fates are kept, and how many at most."""
        self._table = table
        self._clock_ms = clock_ms
        self._kept_ms = days * DAY_MS
        self._count_max = count_max
        self._blocks: list[NotedBlock] = []
        self._ended: dict[bytes, FateRecord] = {}
        self.complete = False
        """Whether every block that is kept was noted: only then is an unknown transaction one that this node never
        had, or has forgotten."""

    def decided(self, block: NotedBlock) -> None:
        """A block was decided."""
        self._blocks.append(block)
        if len(self._blocks) > UNSAVED_BLOCKS_MAX and self.complete:
            lost = self._blocks.pop(0)
            log.error("the fates of a block's transactions are lost: they cannot be written", height=lost.height)

    def expired(self, hash_: bytes) -> None:
        """A transaction's not-after passed while it waited."""
        self._end(FateRecord(hash_, FateState.EXPIRED, self._clock_ms(), code=int(ClearingCode.REQUEST_EXPIRED)))

    def dropped(self, hash_: bytes, refusal: Rejected) -> None:
        """The pool did not take a transaction back that an earlier run of this node had accepted."""
        if refusal.code is ClearingCode.REQUEST_EXPIRED:
            self.expired(hash_)
            return
        record = FateRecord(hash_, FateState.DROPPED, self._clock_ms(), code=int(refusal.code), place=refusal.at)
        self._end(record)

    def find(self, hash_: bytes) -> FateRecord | None:
        """The fate of the transaction of this hash, if it has one."""
        found = self._table.find(hash_)
        for newer in self._unsaved_of(hash_):
            if supersedes(newer, found):
                found = newer
        return found

    def is_unsaved(self, hash_: bytes) -> bool:
        """Whether this transaction was dropped or expired and a crash would lose that."""
        return hash_ in self._ended

    def save_ended(self) -> None:
        """Make durable what was dropped or expired. Blocks: for the start of a node."""
        self._table.save(list(self._ended.values()), None, self._oldest_ms, self._count_max)
        self._ended.clear()

    async def run(self, blocks: NotedBlocks, executed: int) -> None:
        """Note what was not noted of the store's blocks, then write what comes, for ever.

        `executed`: up to which height an earlier run of this node executed them; `decided` brings those above.
        """
        if not self.complete:
            await trio.to_thread.run_sync(self._read_blocks, blocks, executed)
            self.complete = True
        while True:
            await self.save()
            await trio.sleep(SAVE_SECONDS)

    async def save(self) -> None:
        """Write what waits; returns when it is durable."""
        blocks, ended = self._blocks[:], dict(self._ended)
        if not blocks and not ended:
            return
        records = await trio.to_thread.run_sync(_records, blocks, ended)
        height = blocks[-1].height if blocks else None
        await self._table.save_async(records, height, self._oldest_ms, self._count_max)
        # More may have come meanwhile, behind these; the oldest may be gone.
        saved = blocks[-1].height if blocks else 0
        self._blocks = [block for block in self._blocks if block.height > saved]
        self._ended = {key: record for key, record in self._ended.items() if ended.get(key) is not record}

    @property
    def _oldest_ms(self) -> int:
        return self._clock_ms() - self._kept_ms

    def _end(self, record: FateRecord) -> None:
        self._ended[record.hash] = record

    def _unsaved_of(self, hash_: bytes) -> Iterator[FateRecord]:
        """Its fates in memory, in order."""
        for block in self._blocks:
            if hash_ in block.hashes:
                yield from (record for record in block_fates(block) if record.hash == hash_)
        if hash_ in self._ended:
            yield self._ended[hash_]

    def _read_blocks(self, blocks: NotedBlocks, last: int) -> None:
        """Note the store's blocks up to `last`. For a worker thread."""
        self._table.cut(last)
        first = max(self._table.height() + 1, last - READ_BLOCKS_MAX + 1)
        if first <= last:
            log.info("noting the transactions of stored blocks", first=first, last=last)
        for start in range(first, last + 1, READ_AT_ONCE):
            end = min(start + READ_AT_ONCE - 1, last)
            records = _records(blocks.noted(start, end), {})
            self._table.save(records, end, self._oldest_ms, self._count_max)


def _records(blocks: Iterable[NotedBlock], ended: dict[bytes, FateRecord]) -> list[FateRecord]:
    return [*(record for block in blocks for record in block_fates(block)), *ended.values()]
