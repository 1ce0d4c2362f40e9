"""Worker processes for committing and proving, behind an interface of two calls.

Rule: proving never runs on the request path or on the node's event loop. Jobs and results cross the process border as
canonical bytes. Workers are trusted like validators: they see the holdings.
"""

import os
import signal
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Protocol

from clearing.base.certificate import Certificate
from clearing.base.codec import U32, U63, Bytes32, Wire, decode, encode
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from clearing.margin.snapshot import RiskSnapshot
from proofs.epoch import commit_epoch, prove_epoch
from proofs.package import PACKAGE_BYTES_MAX
from proofs.solvency import DOMAIN

PROVE_NICENESS = 15
"""A worker that proves steps back for the node's own process, in which votes are answered: a proof may take its time.
One that commits doesn't: a header waits for it."""


class EpochProver(Protocol):
    """What a node needs; a local pool or a cluster may give it."""

    def commit(self, snapshot: RiskSnapshot, seeds: Mapping[int, bytes]) -> "Future[tuple[tuple[int, bytes], ...]]":
        """(account, C_W) of every account, for `proofs.package.commitments_root`."""
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
    """Worker processes on this machine. Jobs wait in order; one worker a proof."""

    def __init__(self, workers: int = 1, domain: int = DOMAIN) -> None:
        self._domain = domain
        # "spawn": a forked copy of a process with threads and an event loop may hold locks for ever.
        self._pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_follow_parent)

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
        return self._pool.submit(run_prove, encode(job))

    def close(self) -> None:
        """See `EpochProver`."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _job(self, snapshot: RiskSnapshot, seeds: Mapping[int, bytes]) -> CommitJob:
        return CommitJob(snapshot, tuple(sorted(seeds.items())), self._domain)


def _follow_parent() -> None:
    """In a worker: end with the process that started it, however that one ends, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:

        def wait() -> None:
            parent.join()
            os._exit(0)

        Thread(target=wait, daemon=True).start()


def _step_back(niceness: int) -> None:
    """In a worker: let others have the processor first, from now on."""
    if parent_process() is not None and os.getpriority(os.PRIO_PROCESS, 0) < niceness:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)


def run_commit(data: bytes) -> tuple[tuple[int, bytes], ...]:
    """In a worker: commit an encoded `CommitJob`."""
    job = decode(data, CommitJob, PACKAGE_BYTES_MAX)
    return commit_epoch(job.snapshot, dict(job.seeds), job.domain)


def run_prove(data: bytes) -> bytes:
    """In a worker: prove an encoded `ProveJob`."""
    _step_back(PROVE_NICENESS)
    job = decode(data, ProveJob, PACKAGE_BYTES_MAX)
    commit = job.commit
    seeds = dict(commit.seeds)
    return prove_epoch(commit.snapshot, seeds, job.header, job.certificate, job.validators, domain=commit.domain)
