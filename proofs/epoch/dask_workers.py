"""Shards of a proof on a Dask cluster: one a worker of the cluster.

Rule: the cluster's workers see the holdings, as those of this machine do, so the way to them is encrypted (TLS, whose
certificates Dask takes from its own configuration) unless scheduler and workers run on this machine. A worker that is
gone, silent or broken counts as lost (BrokenExecutor), and its shard moves to another. Nothing that scheduler or
workers send is unpickled (`dask_calls`, `shard_answers`). Needs the extra `dask`.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import suppress
from secrets import token_bytes
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from clearing.base.errors import LocalFault
from proofs.epoch.dask_calls import BadReply, DaskPeer
from proofs.epoch.dask_shards import END, serve
from proofs.epoch.remote_shard import SHARDS_MAX, ProgressBoard, RemoteShard
from proofs.epoch.shard_answers import HOLD, answer_bytes_max, decode_answer
from proofs.errors import ProofCode
from proofs.linear.blinding import ShardKeys
from proofs.linear.layout import ProofLayout
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
END_SECONDS = 5.0
"""How long a worker may take to free a shard."""
RETURN_SECONDS = 30.0
"""How long a proof waits for a worker when the last one is lost: Dask restarts those that died."""
LOSSES_MAX = 16
"""Of workers during one proof; what ends more of them is no accident."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Cluster:
    """The workers of a scheduler. Implements `Places`.

    Raises LocalFault BAD_CLUSTER for a malformed address, or one that does not answer.
    """

    def __init__(self, address: str) -> None:
        self.scheduler = Scheduler(address)
        self._address, self._anywhere = address, self.scheduler.tls is not None
        self._gone: set[str] = set()
        self._shards: Counter[str] = Counter()
        self._losses = 0
        self._moving = Lock()
        try:
            self.threads = self.scheduler.workers()
            """Of each worker."""
        except (OSError, ValueError, BadReply) as error:
            raise LocalFault(ProofCode.BAD_CLUSTER, address, why=str(error) or type(error).__name__) from None
        if not self.threads:
            raise LocalFault(ProofCode.BAD_CLUSTER, address, why="no workers")
        self.workers = list(self.threads)[: SHARDS_MAX - 1]
        remote = [worker for worker in self.threads if not self._anywhere and not _is_here(worker)]
        if remote:  # a scheduler on this machine takes workers from anywhere, and hands holdings on to them
            raise LocalFault(ProofCode.BAD_CLUSTER, address, why=f"a worker elsewhere without TLS: {remote[0]}")

        self._board = ProgressBoard(SHARDS_MAX)

    def shard(self, number: int, board: ProgressBoard) -> "DaskShard":
        """A shard for one of the workers left; it counts as shard `number + 1` of the board."""
        self._board = board
        worker = self.left()[number]
        self._shards[worker] += 1
        return DaskShard(self.scheduler, worker, board, number + 1)

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
        lost.end()  # it may live, and have said nothing that is an answer
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
        return DaskShard(self.scheduler, worker, self._board, slot)

    def _alive(self) -> list[str]:
        """Those of the scheduler's workers that may have a shard."""
        found = sorted(_workers_of(self.scheduler) or ())
        return [worker for worker in found if worker not in self._gone and (self._anywhere or _is_here(worker))]


class Scheduler:
    """Of a cluster: where it is, and how connections to it and its workers are encrypted.

    Raises LocalFault BAD_CLUSTER for a malformed address, without the extra `dask`, or without certificates.
    """

    def __init__(self, address: str) -> None:
        self.url = scheduler_url(address)
        try:
            # Imported here: an optional extra, and two seconds of import time.
            from distributed import Security
        except ImportError as error:
            raise LocalFault(ProofCode.BAD_CLUSTER, address, why=f"the extra `dask` is missing: {error}") from None
        self.tls: Any = None
        """The context of connections; None without TLS."""
        if self.url.startswith("tls:"):
            try:
                self.tls = Security(require_encryption=True).get_connection_args("client").get("ssl_context")
            except (OSError, ValueError, TypeError) as error:
                raise LocalFault(ProofCode.BAD_CLUSTER, address, why=str(error)) from None
            if self.tls is None:
                raise LocalFault(ProofCode.BAD_CLUSTER, address, why="no certificates")

    def workers(self) -> dict[str, int]:
        """The workers that it knows now, with the threads of each. Raises OSError, ValueError and BadReply."""
        peer = DaskPeer(self.url, self.tls, CONNECT_SECONDS)
        try:
            return peer.workers(CONNECT_SECONDS)
        finally:
            peer.close()


class DaskShard(RemoteShard):
    """A shard on a worker of a cluster."""

    def __init__(self, scheduler: Scheduler, worker: str, board: ProgressBoard, slot: int) -> None:
        self._scheduler = scheduler
        self._worker = worker
        self._board = board
        self._slot = slot
        self._accounts = 0
        self._layout: ProofLayout | None = None
        self._name = token_bytes(32)
        self._peer: DaskPeer | None = None
        self._ended = False
        self._calling = ThreadPoolExecutor(1)

    @property
    def where(self) -> str:
        """See `RemoteShard`."""
        return self._worker

    def hold(self, layout: ProofLayout, witnesses: Sequence[Witness], keys: ShardKeys) -> None:
        """See `RemoteShard`."""
        self._layout, self._accounts = layout, len(witnesses)
        self._asked(HOLD, layout, list(witnesses), keys)

    def end(self) -> None:
        """Release it, so that the worker frees it; again, nothing."""
        if self._peer is None:
            return
        with suppress(Exception):  # it is gone, or forgets the shard when it was silent for long
            self._calling.submit(self._run, END, (), 0).result(END_SECONDS)
        self._disconnect()

    def ask(self, call: str, *arguments: object) -> Any:
        """See `RemoteShard`."""
        answer = self._asked(call, *arguments)
        if call != "carry_table":
            self._board.advance(self._slot, self._accounts)
        return answer

    def _asked(self, call: str, *arguments: object) -> Any:
        layout, accounts = self._layout, self._accounts
        if layout is None:
            raise BrokenExecutor(f"{self._worker} has no shard")
        limit = answer_bytes_max(call, layout, accounts)
        data = self._answer(lambda: self._calling.submit(self._run, call, arguments, limit))
        try:
            return decode_answer(call, data, layout, accounts)
        except ValueError as error:
            raise BrokenExecutor(f"{self._worker} answered something else") from error

    def _run(self, call: str, arguments: tuple[object, ...], limit: int) -> bytes:
        """In the thread of calls."""
        if self._peer is None:
            if call != HOLD:
                raise ConnectionError("no shard")
            peer = DaskPeer(self._worker, self._scheduler.tls, CONNECT_SECONDS)
            if self._ended:  # meanwhile
                peer.close()
                raise ConnectionError("ended")
            self._peer = peer
        return self._peer.run(serve, (self._name, call, *arguments), limit, self._patience)

    @property
    def _patience(self) -> float:
        return ANSWER_SECONDS + ANSWER_SECONDS_AN_ACCOUNT * self._accounts

    def _answer(self, begin: "Callable[[], Future[bytes]]") -> bytes:
        """What the worker answers to what is begun. Raises BrokenExecutor without an answer."""
        try:
            future = begin()
            self._wait(future)
            return future.result()
        except Exception as error:
            self._disconnect()
            raise BrokenExecutor(f"{self._worker} gave no answer") from error

    def _disconnect(self) -> None:
        """A call under way fails, and so do further ones."""
        self._ended = True
        peer, self._peer = self._peer, None
        if peer is not None:
            peer.close()
        self._calling.shutdown(wait=False, cancel_futures=True)

    def _wait(self, future: "Future[bytes]") -> None:
        """Until it is done. Raises TimeoutError when the scheduler no longer knows the worker, or after too long."""
        now = time.monotonic()
        until, look_at = now + self._patience, now + POLL_SECONDS
        pause = PAUSE_SECONDS_MIN
        while not future.done():
            now = time.monotonic()
            if now >= until:
                raise TimeoutError
            if now >= look_at:
                known, look_at = _workers_of(self._scheduler), now + POLL_SECONDS
                # A scheduler that does not answer either is busy, and says nothing about the worker.
                if known is not None and self._worker not in known:
                    raise TimeoutError
            time.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)


def _workers_of(scheduler: Scheduler) -> dict[str, int] | None:
    """The workers that the scheduler knows now; None where it does not answer."""
    try:
        return scheduler.workers()
    except (OSError, ValueError, BadReply):
        return None


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
