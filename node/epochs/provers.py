"""`NodeProver`: the worker processes of a node, commitments apart from proofs, and the recovery when one dies.

Rule: a commitment never waits for a proof, because a header waits for the commitment. A worker that dies (killed, out
of memory) is replaced and its job restarted; a job that keeps losing its worker fails with a code. Stopping waits for
no job.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Future
from multiprocessing import active_children
from threading import Lock, Thread
from typing import TypeVar

import structlog

from clearing.base.certificate import Certificate
from clearing.base.errors import LocalFault
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from clearing.margin.statement.snapshot import RiskSnapshot
from member.codes import NodeCode
from proofs.epoch.pool import EpochProver, LocalProverPool
from proofs.epoch.remote_shard import ProofProgress

ATTEMPTS_MAX = 3
T = TypeVar("T")
Job = Callable[[EpochProver], Future[T]]

log = structlog.get_logger(__name__)


class RestartingPool:
    """A pool of workers that is made anew whenever it breaks."""

    def __init__(self, make: Callable[[], EpochProver]) -> None:
        self._make = make
        self._pool = make()
        self._changing = Lock()
        self._closed = False

    def run(self, job: Job[T]) -> "Future[T]":
        """The outcome of a job, begun up to `ATTEMPTS_MAX` times. It fails with LocalFault PROVER_LOST after those."""
        outcome: Future[T] = Future()
        self._attempt(job, outcome, ATTEMPTS_MAX)
        return outcome

    @property
    def progress(self) -> ProofProgress:
        """Of the pool that there is now."""
        return self._pool.progress

    def close(self) -> None:
        """Drop waiting and running jobs: their futures are cancelled."""
        self.give_up()
        self._pool.close()

    def give_up(self) -> None:
        """Begin nothing again from here on."""
        with self._changing:
            self._closed = True

    def _attempt(self, job: Job[T], outcome: "Future[T]", left: int) -> None:
        pool = self._pool
        try:
            running = job(pool)
        except BrokenExecutor:
            self._lost(pool, job, outcome, left)
        except Exception as error:
            outcome.set_exception(error)
        else:
            running.add_done_callback(lambda done: self._settle(pool, job, outcome, left, done))

    def _settle(self, pool: EpochProver, job: Job[T], outcome: "Future[T]", left: int, done: "Future[T]") -> None:
        """In the thread of the pool that ran it."""
        if done.cancelled():
            if self._closed:
                outcome.cancel()
            else:  # its pool was replaced while it waited
                self._attempt(job, outcome, left)
            return
        error = done.exception()
        if isinstance(error, BrokenExecutor):
            self._lost(pool, job, outcome, left)
        elif error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(done.result())

    def _lost(self, pool: EpochProver, job: Job[T], outcome: "Future[T]", left: int) -> None:
        with self._changing:
            if self._closed:
                outcome.cancel()
                return
            if self._pool is pool:  # the first of its jobs that notices replaces it
                try:
                    self._pool = self._make()
                except Exception as error:  # no memory, no room for what its processes share: the next job tries again
                    outcome.set_exception(error)
                    return
                # It may be whole, and only a process that it had started is gone. Here we are in a thread of its own.
                Thread(target=pool.close, daemon=True).start()
        log.error("prover worker died", attempts_left=left - 1)
        if left > 1:
            self._attempt(job, outcome, left - 1)
        else:
            outcome.set_exception(LocalFault(NodeCode.PROVER_LOST, "prover", attempts=ATTEMPTS_MAX))


class NodeProver:
    """Implements `EpochProver`: a worker for commitments, and one that spreads a proof over `workers` processes."""

    def __init__(self, workers: int = 1, make: Callable[[int], EpochProver] = LocalProverPool) -> None:
        self._commits = RestartingPool(lambda: make(1))
        self._proofs = RestartingPool(lambda: make(workers))

    def commit(self, snapshot: RiskSnapshot, seeds: Mapping[int, bytes]) -> "Future[tuple[tuple[int, bytes], ...]]":
        """See `EpochProver`."""
        return self._commits.run(lambda pool: pool.commit(snapshot, seeds))

    def prove(
        self,
        snapshot: RiskSnapshot,
        seeds: Mapping[int, bytes],
        header: Header,
        certificate: Certificate,
        validators: ValidatorSet,
    ) -> "Future[bytes]":
        """See `EpochProver`."""
        return self._proofs.run(lambda pool: pool.prove(snapshot, seeds, header, certificate, validators))

    @property
    def progress(self) -> ProofProgress:
        """See `EpochProver`."""
        return self._proofs.progress

    def close(self) -> None:
        """Stop now, a proof under way included: it can be made again, and a stopping node may not wait minutes."""
        for steady in (self._commits, self._proofs):
            steady.give_up()
        for child in active_children():  # a node has no other child processes
            child.kill()
        for steady in (self._commits, self._proofs):
            steady.close()
