"""Worker processes for committing and proving, behind an interface of two calls.

Rule: proving never runs on the request path or on the node's event loop. Jobs and results cross the process border as
canonical bytes. Workers are trusted like validators: they see the holdings.
"""

import os
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from typing import Protocol

from clearing.base.certificate import Certificate
from clearing.base.codec import U32, U63, Bytes32, Wire, decode, encode
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from clearing.margin.statement.snapshot import RiskSnapshot
from proofs.algebra.commitment import Committer
from proofs.algebra.srs import basis
from proofs.epoch.package import PACKAGE_BYTES_MAX
from proofs.epoch.prover import commit_epoch, prove_epoch
from proofs.epoch.remote_shard import SHARDS_MAX, ProgressBoard, ProofProgress
from proofs.epoch.workers import ShardWorkers, follow_parent
from proofs.statement.arithmetization import DOMAIN

PROVE_NICENESS = 15
"""A proving worker yields to the node's own process, which answers votes: a proof may take its time. A committing
worker does not yield: a header waits for it."""


class EpochProver(Protocol):
    """The interface that a node needs; a local pool or a cluster implements it."""

    def commit(self, snapshot: RiskSnapshot, seeds: Mapping[int, bytes]) -> "Future[tuple[tuple[int, bytes], ...]]":
        """(account, C_W) of every account, for `proofs.epoch.package.commitments_root`."""
        ...

    def prove(
        self,
        snapshot: RiskSnapshot,
        seeds: Mapping[int, bytes],
        header: Header,
        certificate: Certificate,
        validators: ValidatorSet,
    ) -> "Future[bytes]":
        """The bytes of the epoch package."""
        ...

    @property
    def progress(self) -> ProofProgress:
        """How far the proof under way is."""
        ...

    def close(self) -> None:
        """Stop the workers: waiting jobs are dropped, a running one is waited for."""
        ...


class CommitJob(Wire, frozen=True):
    """A snapshot with its accounts' seeds, in order of account."""

    snapshot: RiskSnapshot
    seeds: tuple[tuple[U63, Bytes32], ...]
    domain: U32


class ProveJob(Wire, frozen=True):
    """A commit job and what certifies its root."""

    commit: CommitJob
    header: Header
    certificate: Certificate
    validators: ValidatorSet


class LocalProverPool:
    """A worker process on this machine; jobs wait in order. It spreads a proof's accounts over `workers` processes."""

    def __init__(self, workers: int = 1, domain: int = DOMAIN, cluster: str = "") -> None:
        """`cluster` (`dask://host:port`) takes the accounts in the place of further processes of this machine."""
        self._domain = domain
        self._board = ProgressBoard(SHARDS_MAX if cluster else workers)
        # "spawn": a forked copy of a process with threads and an event loop may hold locks for ever.
        self._pool = ProcessPoolExecutor(
            1, get_context("spawn"), initializer=_begin_prover, initargs=(workers, self._board, cluster)
        )

    @property
    def progress(self) -> ProofProgress:
        """See `EpochProver`."""
        return self._board.read()

    def commit(self, snapshot: RiskSnapshot, seeds: Mapping[int, bytes]) -> "Future[tuple[tuple[int, bytes], ...]]":
        """See `EpochProver`."""
        return self._pool.submit(run_commit, encode(self._job(snapshot, seeds)))

    def prove(
        self,
        snapshot: RiskSnapshot,
        seeds: Mapping[int, bytes],
        header: Header,
        certificate: Certificate,
        validators: ValidatorSet,
    ) -> "Future[bytes]":
        """See `EpochProver`. Errors of `prove_epoch` are raised by the future."""
        job = ProveJob(self._job(snapshot, seeds), header, certificate, validators)
        return self._pool.submit(_run_prove, encode(job))

    def close(self) -> None:
        """See `EpochProver`."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _job(self, snapshot: RiskSnapshot, seeds: Mapping[int, bytes]) -> CommitJob:
        return CommitJob(snapshot, tuple(sorted(seeds.items())), self._domain)


class _Serving:
    """The settings of this worker process."""

    workers = 1
    board: ProgressBoard | None = None
    cluster = ""
    committer: Committer | None = None
    """Made with the second epoch that this process commits to."""
    domain = 0
    """Of the epoch before."""


def _begin_prover(workers: int, board: ProgressBoard, cluster: str) -> None:
    follow_parent()
    _Serving.workers, _Serving.board, _Serving.cluster = workers, board, cluster


def _step_back(niceness: int) -> None:
    """In a worker: lower its priority from now on."""
    if parent_process() is not None and os.getpriority(os.PRIO_PROCESS, 0) < niceness:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)


def run_commit(data: bytes) -> tuple[tuple[int, bytes], ...]:
    """In a worker: commit an encoded `CommitJob`."""
    job = decode(data, CommitJob, PACKAGE_BYTES_MAX)
    if _Serving.domain == job.domain and _Serving.committer is None:
        _Serving.committer = Committer(basis(job.domain))
    elif _Serving.domain != job.domain:
        _Serving.committer, _Serving.domain = None, job.domain
    return commit_epoch(job.snapshot, dict(job.seeds), job.domain, _Serving.committer)


def _run_prove(data: bytes) -> bytes:
    """In a worker: prove an encoded `ProveJob`."""
    _step_back(PROVE_NICENESS)
    job = decode(data, ProveJob, PACKAGE_BYTES_MAX)
    commit = job.commit
    seeds, head = dict(commit.seeds), (job.header, job.certificate, job.validators)
    board = _Serving.board or ProgressBoard(_Serving.workers)
    with ShardWorkers(_Serving.workers, board, _Serving.cluster) as workers:
        return prove_epoch(commit.snapshot, seeds, *head, domain=commit.domain, workers=workers)
