"""One proof spread over processes: each further process holds a shard of the accounts through all rounds.

Rule: a shard's blinders never leave its process; what comes back are commitments and sums, the same as from a shard of
this process: integers and bytes. A process serves one proof and ends with it, or with whoever started it, however that one ends. When one
dies the proof fails as a whole (BrokenExecutor): a retry draws everything anew.
"""

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from multiprocessing.sharedctypes import RawArray
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from proofs.layout import Layout
from proofs.linear.prover import ProverShard, prove_shards, random_scalar
from proofs.linear.shard import ROUNDS, OpeningWeights, Shard
from proofs.linear.statement import LinearStatement
from proofs.linear.sums import ShardSums
from proofs.linear.witness import Witness
from proofs.polynomial import Masked
from proofs.srs import basis
from proofs.transcript import Transcript

if TYPE_CHECKING:
    from ctypes import Array, c_uint64

SHARD_ACCOUNTS_MIN = 32
"""Fewer accounts are proven sooner than a process starts (half a second)."""
T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far the proof under way is: rounds of accounts done, and all of them. Both 0 when none is under way."""

    done: int = 0
    total: int = 0


class ProgressBoard:
    """Counters in memory that the processes of a proof share; each writes its own, so none needs a lock.

    Rule: what is read is for people and meters only.
    """

    def __init__(self, shards: int) -> None:
        self._counters: Array[c_uint64] = RawArray("Q", 1 + shards)

    def begin(self, accounts: int) -> None:
        """A proof of so many accounts starts; 0 when it has ended."""
        for shard in range(1, len(self._counters)):
            self._counters[shard] = 0
        self._counters[0] = accounts * ROUNDS

    def advance(self, shard: int, accounts: int) -> None:
        """A shard has done one round of so many accounts."""
        self._counters[1 + shard] += accounts

    def read(self) -> Progress:
        """Where it stands."""
        total, *done = self._counters
        return Progress(min(sum(done), total), total)


@dataclass
class ShardWorkers:
    """Proves with the accounts over up to `count` processes, this one included. A context manager: one proof each."""

    count: int
    board: ProgressBoard
    _others: list[ProcessPoolExecutor] = field(default_factory=list)

    def __enter__(self) -> "ShardWorkers":
        return self

    def start(self, accounts: int) -> None:
        """Start as many processes as so many accounts are worth, ahead of `prove`, while it is being prepared."""
        self.board.begin(accounts)
        context = get_context("spawn")
        for slot in range(1, min(self.count, max(accounts // SHARD_ACCOUNTS_MIN, 1))):
            niceness = os.getpriority(os.PRIO_PROCESS, 0)
            other = ProcessPoolExecutor(1, context, initializer=_begin_worker, initargs=(self.board, slot, niceness))
            other.submit(_warm)
            self._others.append(other)

    def prove(
        self, statement: LinearStatement, witnesses: Sequence[Witness], *, check_witness: bool = True
    ) -> tuple[bytes, Transcript]:
        """As `proofs.linear.prover.prove`."""
        parts = _split(witnesses, 1 + len(self._others))
        own = Shard(
            statement.layout,
            basis(statement.layout.size),
            parts[0],
            random_scalar,
            lambda accounts: self.board.advance(0, accounts),
        )
        shards: list[tuple[ProverShard, int]] = [(own, len(parts[0]))]
        for other, part in zip(self._others, parts[1:], strict=True):
            shards.append((RemoteShard(other, statement.layout, part), len(part)))
        return prove_shards(statement, shards, check_witness=check_witness)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for other in self._others:
            other.shutdown(wait=kind is None, cancel_futures=True)
        self.board.begin(0)


class RemoteShard:
    """A shard in another process, with the calls of `Shard`; each waits for the answer."""

    def __init__(self, process: ProcessPoolExecutor, layout: Layout, witnesses: Sequence[Witness]) -> None:
        self._process = process
        self._opened = process.submit(_open, layout, list(witnesses))

    def commit_digits(self) -> tuple[list[tuple[bytes, ...]], list[int]]:
        """See `Shard`."""
        self._opened.result()
        return self._process.submit(_commit_digits).result()

    def carry_table(self, counts: Sequence[int]) -> bytes:
        """See `Shard`."""
        return self._process.submit(_carry_table, list(counts)).result()

    def commit_lookups(self, alpha: int) -> list[tuple[bytes, ...]]:
        """See `Shard`."""
        return self._process.submit(_commit_lookups, alpha).result()

    def sums(self, deltas: Sequence[int]) -> ShardSums:
        """See `Shard`."""
        return self._process.submit(_sums, list(deltas)).result()

    def evaluate(self, lagrange: Sequence[int], vanishing: int, zeta: int) -> list[tuple[int, ...]]:
        """See `Shard`."""
        return self._process.submit(_evaluate, list(lagrange), vanishing, zeta).result()

    def opening(self, weights: OpeningWeights) -> Masked:
        """See `Shard`."""
        return self._process.submit(_opening, weights).result()


def _split(witnesses: Sequence[Witness], parts: int) -> list[Sequence[Witness]]:
    """In order, as even as can be, none empty as long as there are enough."""
    ends = [len(witnesses) * (i + 1) // parts for i in range(parts)]
    return [witnesses[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def follow_parent() -> None:
    """In a worker: end with the process that started it, however that one ends, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:

        def wait() -> None:
            parent.join()
            os._exit(0)

        Thread(target=wait, daemon=True).start()


class _Serving:
    """What this process holds when it is a worker."""

    advance: Callable[[int], None]
    shard: Shard


def _begin_worker(board: ProgressBoard, slot: int, niceness: int) -> None:
    follow_parent()
    if os.getpriority(os.PRIO_PROCESS, 0) < niceness:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
    _Serving.advance = lambda accounts: board.advance(slot, accounts)


def _warm() -> None:
    """Having started is all."""


def _open(layout: Layout, witnesses: list[Witness]) -> None:
    _Serving.shard = Shard(layout, basis(layout.size), witnesses, random_scalar, _Serving.advance)


def _commit_digits() -> tuple[list[tuple[bytes, ...]], list[int]]:
    return _Serving.shard.commit_digits()


def _carry_table(counts: list[int]) -> bytes:
    return _Serving.shard.carry_table(counts)


def _commit_lookups(alpha: int) -> list[tuple[bytes, ...]]:
    return _Serving.shard.commit_lookups(alpha)


def _sums(deltas: list[int]) -> ShardSums:
    return _Serving.shard.sums(deltas)


def _evaluate(lagrange: list[int], vanishing: int, zeta: int) -> list[tuple[int, ...]]:
    return _Serving.shard.evaluate(lagrange, vanishing, zeta)


def _opening(weights: OpeningWeights) -> Masked:
    return _Serving.shard.opening(weights)
