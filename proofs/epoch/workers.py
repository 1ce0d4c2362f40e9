"""One proof spread over processes: each further process holds a shard of the accounts through all rounds.

Rule: a shard's blinders never leave its process; it returns commitments and sums, the same as a shard of
this process: integers and bytes. A process serves one proof and ends with it, or with the process that started it,
however that one ends. When a process dies, the whole proof fails (BrokenExecutor): a retry draws all blinders anew.
"""

import os
import signal
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context, parent_process
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any

from proofs.algebra.srs import basis
from proofs.algebra.transcript import Transcript
from proofs.epoch.remote_shard import ProgressBoard, RemoteShard
from proofs.linear.layout import ProofLayout
from proofs.linear.prover import ProverShard, prove_shards, random_scalar
from proofs.linear.shard import Shard
from proofs.linear.statement import LinearStatement, Witness

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SHARD_ACCOUNTS_MIN = 32
"""Fewer accounts are proven sooner than a process starts (half a second)."""
_HOLD = "hold"


@dataclass
class ShardWorkers:
    """Proves with the accounts over up to `count` processes, this one included. A context manager: one proof each."""

    count: int
    board: ProgressBoard
    cluster: str = ""
    """`dask://host:port`: the further shards live on that cluster's workers instead, one each."""
    _others: list["RemoteShard"] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "ShardWorkers":
        return self

    def start(self, accounts: int) -> None:
        """Start as many processes as so many accounts are worth, ahead of `prove`, while it is being prepared."""
        self.board.begin(accounts)
        worthwhile = max(accounts // SHARD_ACCOUNTS_MIN, 1)
        if self.cluster and worthwhile > 1:
            # Imported here: it needs an optional library.
            from proofs.epoch.dask_workers import Cluster

            cluster = Cluster(self.cluster)
            self._stack.callback(cluster.close)
            for number in range(min(len(cluster.workers), worthwhile - 1)):
                self._others.append(cluster.shard(number, self.board))
        elif not self.cluster:
            for slot in range(1, min(self.count, worthwhile)):
                self._others.append(ShardProcess(self.board, slot))

    def prove(
        self, statement: LinearStatement, witnesses: Sequence[Witness], *, check_witness: bool = True
    ) -> tuple[bytes, Transcript]:
        """As `proofs.linear.prover.prove`. Raises BrokenExecutor when a process of a shard dies."""
        parts = _split(witnesses, 1 + len(self._others))
        own = Shard(
            statement.layout,
            basis(statement.layout.size),
            parts[0],
            random_scalar,
            lambda accounts: self.board.advance(0, accounts),
        )
        shards: list[tuple[ProverShard, int]] = [(own, len(parts[0]))]
        shards += [(other, len(part)) for other, part in zip(self._others, parts[1:], strict=True)]
        for other, part in zip(self._others, parts[1:], strict=True):
            other.hold(statement.layout, part)
        return prove_shards(statement, shards, check_witness=check_witness)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            for other in self._others:
                other.end()
        self.board.begin(0)


class ShardProcess(RemoteShard):
    """A shard in a process of its own."""

    def __init__(self, board: ProgressBoard, slot: int) -> None:
        # "spawn": a forked copy of a process with threads may hold locks for ever.
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        niceness = os.getpriority(os.PRIO_PROCESS, 0)
        self._process = context.Process(target=_serve, args=(theirs, board, slot, niceness), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid or 0

    def hold(self, layout: ProofLayout, witnesses: Sequence[Witness]) -> None:
        """See `RemoteShard`."""
        self.ask(_HOLD, layout, list(witnesses))

    def end(self) -> None:
        """End the process, which has nothing to lose, and wait for it."""
        self._pipe.close()
        self._process.kill()
        self._process.join()
        self._process.close()

    def ask(self, call: str, *arguments: object) -> Any:
        """See `RemoteShard`."""
        try:
            self._pipe.send((call, arguments))
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise BrokenExecutor("a process with a shard died") from error
        if isinstance(answer, BaseException):
            raise answer
        return answer


def _split(witnesses: Sequence[Witness], parts: int) -> list[Sequence[Witness]]:
    """In order and as even as possible; none is empty if there are enough."""
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


def _serve(pipe: "Connection[Any, Any]", board: ProgressBoard, slot: int, niceness: int) -> None:
    """In the process of a shard: answer call after call until the other end is closed."""
    follow_parent()
    if os.getpriority(os.PRIO_PROCESS, 0) < niceness:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
    shard: Shard | None = None
    while True:
        try:
            call, arguments = pipe.recv()
        except EOFError:
            return
        try:
            if call == _HOLD:
                layout, witnesses = arguments
                shard = Shard(layout, basis(layout.size), witnesses, random_scalar, partial(board.advance, slot))
                pipe.send(None)
            else:
                pipe.send(getattr(shard, call)(*arguments))
        except Exception as error:  # the caller decides what it means
            pipe.send(error)
