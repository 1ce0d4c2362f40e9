"""Shards of a proof on a Dask cluster: one actor a worker of the cluster.

Rule: the cluster's workers see the holdings, as those of this machine do, so the way to them is encrypted (TLS, whose
certificates Dask takes from its own configuration) unless scheduler and workers run on this machine. A worker that is
gone, silent or broken counts as lost (BrokenExecutor), and its shard moves to another. Answers are pickles, which may
run code in this process: what checks shares finds faults, and does not hold off a worker that was taken over. Needs the
extra `dask`.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from clearing.base.errors import CrossclearError, LocalFault
from proofs.algebra.srs import basis
from proofs.epoch.remote_shard import SHARDS_MAX, ProgressBoard, RemoteShard
from proofs.errors import ProofCode
from proofs.linear.blinding import ShardKeys
from proofs.linear.layout import ProofLayout
from proofs.linear.prover import random_scalar
from proofs.linear.shard import Shard
from proofs.linear.statement import Witness

SCHEME = "dask"
CONNECT_SECONDS = 30
ANSWER_SECONDS = 600
ANSWER_SECONDS_AN_ACCOUNT = 0.25
"""A worker that needs longer for one round of its accounts counts as lost, even if it still speaks to the scheduler."""
POLL_SECONDS = 5.0
"""How often a silent worker is looked for at the scheduler."""
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.001, 0.1
"""Between two looks at an answer."""
RETURN_SECONDS = 30.0
"""How long a proof waits for a worker when the last one is lost: Dask restarts those that died."""
LOSSES_MAX = 16
"""Of workers during one proof; what ends more of them is no accident."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ClusterShard(Shard):
    """What lives on a worker of the cluster."""

    def __init__(self, layout: ProofLayout, witnesses: Sequence[Witness], keys: ShardKeys) -> None:
        super().__init__(layout, basis(layout.size), witnesses, random_scalar, keys=keys)


class Cluster:
    """A connection to a scheduler. Implements `Places`.

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
        self._address, self._anywhere = address, security is not None
        self._gone: set[str] = set()
        self._shards: Counter[str] = Counter()
        self._losses = 0
        self._moving = Lock()
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
        remote = [] if security else [worker for worker in self.threads if not _is_here(worker)]
        if remote:  # a scheduler on this machine takes workers from anywhere, and hands holdings on to them
            self.close()
            raise LocalFault(ProofCode.BAD_CLUSTER, address, why=f"a worker elsewhere without TLS: {remote[0]}")

        self._board = ProgressBoard(SHARDS_MAX)

    def shard(self, number: int, board: ProgressBoard) -> "DaskShard":
        """A shard for one of the workers left; it counts as shard `number + 1` of the board."""
        self._board = board
        worker = self.left()[number]
        self._shards[worker] += 1
        return DaskShard(self.client, worker, board, number + 1)

    def left(self) -> list[str]:
        """The workers that were neither lost nor excluded, at most one less than the board has counters."""
        return [worker for worker in self.workers if worker not in self._gone]

    def exclude(self, worker: str) -> None:
        """Give it no shard again."""
        self._gone.add(worker)

    def instead(self, lost: RemoteShard, slot: int) -> RemoteShard:
        """See `Places`: on the worker with the fewest shards, which may be one that came after the beginning.

        Raises LocalFault WORKERS_LOST when none came for `RETURN_SECONDS`, or too many were lost.
        """
        with self._moving:
            self.exclude(lost.where)
            self._losses += 1
            until = time.monotonic() + RETURN_SECONDS
            while not (alive := self._alive()) or self._losses > LOSSES_MAX:
                if time.monotonic() >= until or self._losses > LOSSES_MAX:
                    raise LocalFault(ProofCode.WORKERS_LOST, self._address, lost=self._losses)
                time.sleep(min(1.0, RETURN_SECONDS))
            self.workers = [*self.workers, *(worker for worker in alive if worker not in self.workers)]
            worker = min(alive, key=lambda each: (self._shards[each], each))
            self._shards[worker] += 1
        return DaskShard(self.client, worker, self._board, slot)

    def _alive(self) -> list[str]:
        """Those of the scheduler's workers that may have a shard."""
        found = sorted(_workers_of(self.client) or ())
        return [worker for worker in found if worker not in self._gone and (self._anywhere or _is_here(worker))]

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

    @property
    def where(self) -> str:
        """See `RemoteShard`."""
        return self._worker

    def hold(self, layout: ProofLayout, witnesses: Sequence[Witness], keys: ShardKeys) -> None:
        """See `RemoteShard`."""
        self._accounts = len(witnesses)
        where = {"workers": [self._worker], "allow_other_workers": False, "pure": False, "actor": True}

        def begun() -> Any:
            # The actor lives as long as this future does.
            self._future = self._client.submit(ClusterShard, layout, list(witnesses), keys, **where)
            return self._future

        self._actor = self._answer(begun)

    def end(self) -> None:
        """Release it, so that the worker frees it."""
        self._future = self._actor = None

    def ask(self, call: str, *arguments: object) -> Any:
        """See `RemoteShard`."""
        answer = self._answer(lambda: getattr(self._actor, call)(*arguments))
        if call != "carry_table":
            self._board.advance(self._slot, self._accounts)
        return answer

    def _answer(self, begin: Callable[[], Any]) -> Any:
        """What the worker answers to what is begun. Raises its errors, and BrokenExecutor without an answer."""
        try:
            with self._client.as_current():  # an actor finds its way by the client of the thread
                future = begin()
                self._wait(future)
                return future.result(ANSWER_SECONDS)
        except CrossclearError:
            raise
        except Exception as error:
            raise BrokenExecutor(f"{self._worker} gave no answer") from error

    def _wait(self, future: Any) -> None:
        """Until it is done. Raises TimeoutError when the scheduler no longer knows the worker, or after too long."""
        now = time.monotonic()
        until, look_at = now + ANSWER_SECONDS + ANSWER_SECONDS_AN_ACCOUNT * self._accounts, now + POLL_SECONDS
        pause = PAUSE_SECONDS_MIN
        while not future.done():
            now = time.monotonic()
            if now >= until:
                raise TimeoutError
            if now >= look_at:
                known, look_at = _workers_of(self._client), now + POLL_SECONDS
                # A scheduler that does not answer either is busy, and says nothing about the worker.
                if known is not None and self._worker not in known:
                    raise TimeoutError
            time.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)


def _workers_of(client: Any) -> dict[str, Any] | None:
    """The workers that the scheduler knows now; None where it does not answer."""
    try:
        found: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    except (OSError, TimeoutError, ValueError, TypeError, KeyError):
        return None
    return found


def _is_here(worker: str) -> bool:
    return urlsplit(worker).hostname in _LOOPBACK


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
