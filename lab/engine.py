"""Independent jobs on one engine: this process, worker processes of this machine, or the workers of a Dask cluster.

Rule: a job is a function of a module, and what it is given determines its outcome; so the engine chooses only where it
runs. Outcomes come in the order of what was given, whichever engine ran them. Each worker runs one job at a time,
because jobs may patch modules. What a job raises is raised here; a worker that dies is a BrokenExecutor.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, ProcessPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from clearing.base.errors import LocalFault
from member.codes import NodeCode

if TYPE_CHECKING:
    from proofs.epoch.dask_workers import Cluster

G = TypeVar("G")
R = TypeVar("R")
LOCAL = "local"
PROCESSES_MAX = 256
CONNECT_SECONDS = 30
LOOK_SECONDS = 10.0
"""Between two looks at the workers of a cluster while an outcome is awaited."""
PATIENCE = 6
"""Looks that find no worker before the engine counts as broken: a worker that died is started again within a minute."""
ENGINE_HELP = (
    "where jobs run: local, processes:N, or dask://HOST:PORT, whose workers have one thread each; a scheduler or "
    "worker can run code in this process, so name a cluster of your own"
)


class Engine(Protocol):
    """Runs one function on many values."""

    def run(self, job: Callable[[G], R], given: Iterable[G]) -> Iterator[R]:
        """The outcomes, in the order of `given`, each as soon as all before it are there."""
        ...


@contextmanager
def engine_at(name: str) -> Iterator[Engine]:
    """The engine of this name: `local`, `processes:N`, or `dask://host:port`.

    Jobs that still wait when it is left are dropped. Raises LocalFault: CONFIG_VALUE for another name, BAD_CLUSTER for
    a cluster that does not answer, has no workers, or one with more threads than one.
    """
    if name == LOCAL:
        yield LocalEngine()
    elif name.startswith("dask:"):
        # Imported here: it needs an optional library.
        from proofs.epoch.dask_workers import Cluster

        cluster = Cluster(name)
        _check_threads(cluster, name)
        with closing(_client(cluster, name)) as client:
            yield DaskEngine(client)
    else:
        with _processes(name) as pool:
            yield ProcessEngine(pool)


def _processes(name: str) -> AbstractContextManager[ProcessPoolExecutor]:
    found = re.fullmatch(r"processes:([0-9]{1,3})", name)
    count = int(found[1]) if found else 0
    if not 1 <= count <= PROCESSES_MAX:
        raise LocalFault(NodeCode.CONFIG_VALUE, "engine", value=name[:80], allowed=ENGINE_HELP)
    # "spawn": a forked copy of a process with threads may hold locks for ever.
    return ProcessPoolExecutor(count, get_context("spawn"))


class LocalEngine:
    """One job after another in this process."""

    def run(self, job: Callable[[G], R], given: Iterable[G]) -> Iterator[R]:
        """See `Engine`."""
        return map(job, given)


class ProcessEngine:
    """A pool of processes on this machine."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def run(self, job: Callable[[G], R], given: Iterable[G]) -> Iterator[R]:
        """See `Engine`."""
        return self._pool.map(job, given)


def _check_threads(cluster: "Cluster", name: str) -> None:
    from proofs.errors import ProofCode

    for worker, threads in cluster.threads.items():
        if threads != 1:
            raise LocalFault(ProofCode.BAD_CLUSTER, name, why=f"{worker} has {threads} threads, jobs need one")


def _client(cluster: "Cluster", name: str) -> Any:
    """Dask's own, which unpickles outcomes: a worker that is taken over takes over this process."""
    from distributed import Client, Security

    from proofs.errors import ProofCode

    url = cluster.scheduler.url
    security = Security(require_encryption=True) if cluster.scheduler.tls is not None else None
    try:
        return Client(url, security=security, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise LocalFault(ProofCode.BAD_CLUSTER, name, why=str(error)) from None


class DaskEngine:
    """The workers of a cluster."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, job: Callable[[G], R], given: Iterable[G]) -> Iterator[R]:
        """See `Engine`. A job whose worker died is run again elsewhere, three times at most; without any worker for
        a while (`PATIENCE` looks) the engine is broken."""
        futures = self._client.map(job, list(given), pure=False)
        try:
            for future in futures:
                yield self._outcome(future)
        finally:
            self._client.cancel(futures)

    def _outcome(self, future: Any) -> Any:
        from distributed import KilledWorker
        from distributed.comm import CommClosedError

        deserted = 0
        try:
            while deserted < PATIENCE:
                try:
                    return future.result(LOOK_SECONDS)
                except TimeoutError:
                    if future.status == "error":  # the job's own, perhaps a TimeoutError too
                        return future.result(LOOK_SECONDS)
                    deserted = 0 if self._client.nthreads() else deserted + 1
        except (CancelledError, KilledWorker, CommClosedError) as error:
            raise BrokenExecutor(f"the cluster lost a job: {error}") from error
        raise BrokenExecutor("the cluster has no workers left")
