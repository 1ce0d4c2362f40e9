"""`PoolJournal`: on disk, the transactions that were submitted to this node and that no block has decided.

Rule: a submission is answered "accepted" only when it is durable here, so that a killed node offers it again. Decisions
are noted without a sync: a mark lost with power costs a second proposal, which the state machine refuses by the
transaction's id. The torn tail of a crash is cut (see `clearing.base.frames`).
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import trio

from clearing.base.codec import Bytes32, Wire, decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.frames import Frames
from clearing.schema.blocks.transaction import TRANSACTION_BYTES_MAX, Transaction, transaction_hash
from member.codes import NodeCode
from member.durable_files import sync_folder, write_at

T = TypeVar("T")
REWRITE_BYTES = 4 << 20
ENTRY_TRANSACTIONS_MAX = 1024
ENTRY_BYTES_MAX = ENTRY_TRANSACTIONS_MAX * TRANSACTION_BYTES_MAX + 64


class JournalEntry(Wire, frozen=True):
    """Transactions taken in, and the hashes of those that are over: decided, or dropped by the pool."""

    taken: Annotated[tuple[Transaction, ...], msgspec.Meta(max_length=ENTRY_TRANSACTIONS_MAX)] = ()
    over: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=ENTRY_TRANSACTIONS_MAX)] = ()


FRAMES = Frames(b"XCP1", lambda payload: decode(payload, JournalEntry, ENTRY_BYTES_MAX))


class PoolJournal:
    """One file, owned by the process that holds the sign state's lock. Blocks for a sync: 0.1 ms on a local disk."""

    def __init__(self, path: Path, rewrite_bytes: int = REWRITE_BYTES) -> None:
        """Open or create. Raises LocalFault POOL_JOURNAL_CORRUPT for damage before the tail."""
        self._path = path
        self._rewrite_bytes = rewrite_bytes
        self._waiting: dict[bytes, Transaction] = {}
        self._taken: list[Transaction] = []
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._size = self._read(path.read_bytes())
            os.ftruncate(self._descriptor, self._size)
            os.fsync(self._descriptor)
            sync_folder(path.parent)
        except BaseException:
            os.close(self._descriptor)
            raise

    @property
    def waiting(self) -> tuple[Transaction, ...]:
        """What was taken in and is not over, in order."""
        return tuple(self._waiting.values())

    def take(self, transaction: Transaction) -> None:
        """Note one that is not durable here already; it is when `synced` returns."""
        if transaction_hash(transaction) not in self._waiting:
            self._taken.append(transaction)

    async def synced(self) -> None:
        """Return when all that was taken in so far is durable. Callers of one turn of the loop share one sync."""
        await trio.lowlevel.checkpoint()
        self._flush()

    def over(self, hashes: Iterable[bytes]) -> None:
        """These were decided; what was not taken in here is ignored."""
        self._flush()
        gone = [key for key in hashes if self._waiting.pop(key, None) is not None]
        for some in _slices(gone):
            self._append(JournalEntry(over=some))

    def tidy(self, holds: Callable[[bytes], bool]) -> None:
        """When the file has grown: forget what the pool no longer has, and rewrite the rest."""
        if self._size > self._rewrite_bytes:
            self._flush()
            self._waiting = {key: transaction for key, transaction in self._waiting.items() if holds(key)}
            self._rewrite()

    def close(self) -> None:
        """Write what was taken in, and close the file."""
        try:
            self._flush()
        finally:
            os.close(self._descriptor)

    def _flush(self) -> None:
        if not self._taken:
            return
        size = self._size
        try:
            for some in _slices(self._taken):
                self._append(JournalEntry(taken=some))
            os.fdatasync(self._descriptor)
        except OSError:
            self._size = size  # All of it is still to be written: no submission is answered yet.
            raise
        self._waiting.update((transaction_hash(transaction), transaction) for transaction in self._taken)
        self._taken = []

    def _append(self, entry: JournalEntry) -> None:
        self._size += write_at(self._descriptor, FRAMES.encode(encode(entry)), self._size)

    def _read(self, data: bytes) -> int:
        """Learn what waits; how many bytes are good."""
        try:
            entries, good = FRAMES.split(data)
        except RemoteFault as fault:
            raise LocalFault(NodeCode.POOL_JOURNAL_CORRUPT, str(self._path), **fault.values) from None
        for entry in entries:
            self._waiting.update((transaction_hash(transaction), transaction) for transaction in entry.taken)
            for key in entry.over:
                self._waiting.pop(key, None)
        return good

    def _rewrite(self) -> None:
        """Beside the old file, then in its place: a crash leaves one of the two whole."""
        part = self._path.with_name(self._path.name + ".part")
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        size = 0
        for some in _slices(self.waiting):
            size += write_at(descriptor, FRAMES.encode(encode(JournalEntry(taken=some))), size)
        os.fsync(descriptor)
        part.rename(self._path)
        sync_folder(self._path.parent)
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, size


def _slices(items: Sequence[T]) -> Iterable[tuple[T, ...]]:
    for first in range(0, len(items), ENTRY_TRANSACTIONS_MAX):
        yield tuple(items[first : first + ENTRY_TRANSACTIONS_MAX])
