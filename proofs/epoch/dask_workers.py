"""Shards of a proof on a Dask cluster: one actor a worker of the cluster.

Rule: the cluster's workers see the holdings, as those of this machine do, so the way to them is encrypted (TLS, whose
certificates Dask takes from its own configuration) unless scheduler and workers run on this machine. Anything that goes
wrong there fails the proof as a whole (BrokenExecutor): a retry draws everything anew. Needs the extra `dask`.
"""

from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from typing import Any
from urllib.parse import urlsplit

from clearing.base.errors import CrossclearError, LocalFault
from proofs.algebra.srs import basis
from proofs.epoch.remote_shard import SHARDS_MAX, ProgressBoard, RemoteShard
from proofs.errors import ProofCode
from proofs.linear.layout import ProofLayout
from proofs.linear.prover import random_scalar
from proofs.linear.shard import Shard
from proofs.linear.statement import Witness

SCHEME = "dask"
CONNECT_SECONDS = 30
ANSWER_SECONDS = 600
"""A worker that needs longer for one round counts as lost."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ClusterShard(Shard):
    """What lives on a worker of the cluster."""

    def __init__(self, layout: ProofLayout, witnesses: Sequence[Witness]) -> None:
        super().__init__(layout, basis(layout.size), witnesses, random_scalar)


class Cluster:
    """A connection to a scheduler.

    Raises LocalFault BAD_CLUSTER for a malformed address, or one that does not answer.
    """

    def __init__(self, address: str) -> None:
        url = scheduler_url(address)
        try:
            # Imported here: an optional extra, and two seconds of import time.
            from distributed import Client, Security
        except ImportError as error:
            raise LocalFault(ProofCode.BAD_CLUSTER, address, why=f"the extra `dask` is missing: {error}") from None
        security = Security(require_encryption=True) if url.startswith("tls:") else None
        try:
            self.client: Any = Client(url, security=security, timeout=CONNECT_SECONDS, set_as_default=False)
            self.threads: dict[str, int] = {
                worker: about.get("nthreads", 1)
                for worker, about in sorted(self.client.scheduler_info(n_workers=-1)["workers"].items())
            }
            """Of each worker."""
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            raise LocalFault(ProofCode.BAD_CLUSTER, address, why=str(error)) from None
        if not self.threads:
            self.close()
            raise LocalFault(ProofCode.BAD_CLUSTER, address, why="no workers")
        self.workers = list(self.threads)[: SHARDS_MAX - 1]
        remote = [] if security else [worker for worker in self.threads if urlsplit(worker).hostname not in _LOOPBACK]
        if remote:  # a scheduler on this machine takes workers from anywhere, and hands holdings on to them
            self.close()
            raise LocalFault(ProofCode.BAD_CLUSTER, address, why=f"a worker elsewhere without TLS: {remote[0]}")

    def shard(self, number: int, board: ProgressBoard) -> "DaskShard":
        """A shard for one of the workers; it counts as shard `number + 1` of the board."""
        return DaskShard(self.client, self.workers[number], board, number + 1)

    def close(self) -> None:
        """Release all shards."""
        self.client.close()


class DaskShard(RemoteShard):
    """A shard on a worker of a cluster."""

    def __init__(self, client: Any, worker: str, board: ProgressBoard, slot: int) -> None:
        self._client = client
        self._worker = worker
        self._board = board
        self._slot = slot
        self._accounts = 0
        self._future: Any = None
        self._actor: Any = None

    def hold(self, layout: ProofLayout, witnesses: Sequence[Witness]) -> None:
        """See `RemoteShard`."""
        self._accounts = len(witnesses)
        where = {"workers": [self._worker], "allow_other_workers": False, "pure": False, "actor": True}
        try:
            # The actor lives as long as this future does.
            self._future = self._client.submit(ClusterShard, layout, list(witnesses), **where)
            with self._client.as_current():
                self._actor = self._future.result(ANSWER_SECONDS)
        except CrossclearError:
            raise
        except Exception as error:
            raise BrokenExecutor(f"{self._worker} holds no shard") from error

    def end(self) -> None:
        """Release it, so that the worker frees it."""
        self._future = self._actor = None

    def ask(self, call: str, *arguments: object) -> Any:
        """See `RemoteShard`."""
        try:
            with self._client.as_current():  # an actor finds its way by the client of the thread
                answer = getattr(self._actor, call)(*arguments).result(ANSWER_SECONDS)
        except CrossclearError:
            raise
        except Exception as error:
            raise BrokenExecutor(f"{self._worker} gave no answer") from error
        if call != "carry_table":
            self._board.advance(self._slot, self._accounts)
        return answer


def scheduler_url(address: str) -> str:
    """The URL that Dask understands for `dask://host:port`. Raises LocalFault BAD_CLUSTER.

    TLS is omitted only for a scheduler on this machine, whose workers run here, too.
    """
    try:
        found = urlsplit(address)
        host, port = found.hostname, found.port
    except ValueError:
        host = port = None
    if host is None or port is None or found.scheme != SCHEME or found.path or found.query or found.username:
        raise LocalFault(ProofCode.BAD_CLUSTER, address, why="expected dask://host:port")
    bracketed = f"[{host}]" if ":" in host else host
    return f"{'tcp' if host in _LOOPBACK else 'tls'}://{bracketed}:{port}"
