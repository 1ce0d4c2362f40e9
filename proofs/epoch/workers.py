"""One proof spread over processes: each further process holds a shard of the accounts through all rounds.

Rule: a shard returns commitments and sums, the same as a shard of this process: integers and bytes. A process serves
one proof and ends with it, or with the process that started it, however that one ends. When a process or worker is
lost, its shard is computed again elsewhere with the same bytes. Shares of a cluster's workers are believed once the
joined proof verifies; one that differs from its recomputation excludes its worker, and the proof begins again with a
new key.
"""

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context, parent_process
from threading import Lock, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any

from clearing.base.errors import LocalFault
from proofs.algebra.srs import basis
from proofs.algebra.transcript import Transcript
from proofs.epoch.lasting_shard import LastingShard, ShareDiffers
from proofs.epoch.remote_shard import ProgressBoard, RemoteShard
from proofs.errors import ProofCode
from proofs.linear.blinding import ProofKeys, ShardKeys, new_key
from proofs.linear.layout import ProofLayout
from proofs.linear.prover import ProverShard, prove_shards, random_scalar
from proofs.linear.shard import Shard
from proofs.linear.statement import LinearStatement, Witness
from proofs.linear.verifier import verify

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from proofs.epoch.dask_workers import Cluster

SHARD_ACCOUNTS_MIN = 32
"""Fewer accounts are proven sooner than a process starts (half a second)."""
LOSSES_MAX = 3
"""Of processes during one proof; what ends more of them is no accident, so the proof fails."""
_HOLD = "hold"


@dataclass
class ShardWorkers:
    """Proves with the accounts over up to `count` processes, this one included. A context manager: one proof each."""

    count: int
    board: ProgressBoard
    cluster: str = ""
    """`dask://host:port`: the further shards live on that cluster's workers instead, one each."""
    key: Callable[[], bytes] = new_key
    """Gives a proof's key; replaced only to compare proofs."""
    _others: list[LastingShard] = field(default_factory=list)
    _found: "Cluster | None" = None

    def __enter__(self) -> "ShardWorkers":
        return self

    def start(self, accounts: int) -> None:
        """Start as many processes as so many accounts are worth, ahead of `prove`, while it is being prepared."""
        self.board.begin(accounts)
        worthwhile = max(accounts // SHARD_ACCOUNTS_MIN, 1)
        if self.cluster and worthwhile > 1:
            # Imported here: it needs an optional library.
            from proofs.epoch.dask_workers import Cluster

            self._found = Cluster(self.cluster)
            self._place(self._found, worthwhile - 1)
        elif not self.cluster:
            places = ProcessPlaces(self.board)
            for slot in range(1, min(self.count, worthwhile)):
                self._others.append(LastingShard(places, ShardProcess(self.board, slot), self.board, slot))

    def prove(
        self, statement: LinearStatement, witnesses: Sequence[Witness], *, check_witness: bool = True
    ) -> tuple[bytes, Transcript]:
        """As `proofs.linear.prover.prove`.

        Raises BrokenExecutor when too many processes die, LocalFault WORKERS_LOST when no worker is left, SHARE_REFUSED
        when the last one's share is wrong.
        """
        if self._found is None:
            try:
                return self._once(statement, witnesses, check_witness)
            except ShareDiffers as error:
                raise BrokenExecutor("two processes computed different shares") from error
        while True:
            try:
                proof, transcript = self._once(statement, witnesses, check_witness)
                if check_witness:
                    verify(statement, proof)
            except BrokenExecutor:
                raise
            except Exception as error:  # whatever a wrong share led to
                self._begin_anew(self._found, error)
            else:
                return proof, transcript

    def _once(
        self, statement: LinearStatement, witnesses: Sequence[Witness], check_witness: bool
    ) -> tuple[bytes, Transcript]:
        """One attempt under one key."""
        parts = _split(witnesses, 1 + len(self._others))
        keys, first = ProofKeys(self.key(), statement), len(parts[0])
        own = Shard(
            statement.layout,
            basis(statement.layout.size),
            parts[0],
            random_scalar,
            lambda accounts: self.board.advance(0, accounts),
            keys.of_accounts(0, first),
        )
        shards: list[tuple[ProverShard, int]] = [(own, first)]
        for other, part in zip(self._others, parts[1:], strict=True):
            other.hold(statement.layout, part, keys.of_accounts(first, len(part)))
            shards.append((other, len(part)))
            first += len(part)
        return prove_shards(statement, shards, check_witness=check_witness, scalars=keys.of_joined())

    def _begin_anew(self, cluster: "Cluster", error: Exception) -> None:
        """Find the workers whose shares are wrong and place shards on the others. Raises the error if none is."""
        lost = isinstance(error, LocalFault) and error.code is ProofCode.WORKERS_LOST
        if lost and not any(other.refused for other in self._others):  # a worker may say so, too
            raise error
        wrong = [other for other in self._others if other.is_wrong()]
        if not wrong and not isinstance(error, ShareDiffers):
            raise error
        for other in wrong:
            self.board.count_refused()
            cluster.exclude(other.where)
        count = len(self._others)
        for other in self._others:
            other.end()
        self.board.restart()
        self._others = []
        if not cluster.left():
            raise LocalFault(ProofCode.SHARE_REFUSED, self.cluster, worker=wrong[0].where if wrong else "") from error
        self._place(cluster, count)

    def _place(self, cluster: "Cluster", most: int) -> None:
        """A shard on each worker."""
        for number in range(min(len(cluster.left()), most)):
            self._others.append(LastingShard(cluster, cluster.shard(number, self.board), self.board, number + 1))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for other in self._others:
            other.end()
        self.board.begin(0)


class ProcessPlaces:
    """Implements `Places` by further processes of this machine."""

    def __init__(self, board: ProgressBoard) -> None:
        self._board = board
        self._losses = 0
        self._counting = Lock()

    def instead(self, lost: RemoteShard, slot: int) -> RemoteShard:
        """See `Places`. Raises BrokenExecutor after `LOSSES_MAX`."""
        lost.end()
        with self._counting:
            self._losses += 1
            if self._losses > LOSSES_MAX:
                raise BrokenExecutor(f"{self._losses} processes with a shard died")
        return ShardProcess(self._board, slot)


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

    def hold(self, layout: ProofLayout, witnesses: Sequence[Witness], keys: ShardKeys) -> None:
        """See `RemoteShard`."""
        self.ask(_HOLD, layout, list(witnesses), keys)

    def end(self) -> None:
        """End the process, which has nothing to lose, and wait for it; again, nothing."""
        if self._pipe.closed:
            return
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
                layout, witnesses, keys = arguments
                shard = Shard(layout, basis(layout.size), witnesses, random_scalar, partial(board.advance, slot), keys)
                pipe.send(None)
            else:
                pipe.send(getattr(shard, call)(*arguments))
        except Exception as error:  # the caller decides what it means
            pipe.send(error)
