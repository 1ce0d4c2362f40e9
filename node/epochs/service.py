"""`EpochService`: commitments of epoch snapshots for headers, and the packages that prove them.

Rule: a header carries the root of the newest snapshot at least Δ heights old, a function of the decided chain.
Committing runs in a worker process and is awaited only when a header needs it; proving never delays a block. Packages
are written whole or not at all.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from clearing.base.certificate import Certificate
from clearing.base.codec import U63, Bytes32, Wire
from clearing.base.errors import LocalFault
from clearing.base.hashing import sha256
from clearing.base.header import Header
from clearing.base.ids import ZERO_HASH, Hash32
from clearing.base.validators import ValidatorSet
from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.state.state import State
from member.codes import NodeCode
from member.durable_files import write_whole
from member.printing.pace import Pace
from node.epochs.seeds import AccountSeeds
from node.store.records import PackageRecord
from proofs.epoch.package import SUFFIX, commitments_root
from proofs.epoch.pool import EpochProver
from proofs.epoch.remote_shard import ProofProgress

COMMIT_SECONDS_MAX = 60.0
PROGRESS_SECONDS = 30.0
"""How often the progress of a proof is logged."""
PROVERS_PER_EPOCH = 2
"""How many validators, in turn by epoch, prove it: a second one, so that a dead one leaves no gap."""

log = structlog.get_logger(__name__)


class EpochRecord(Wire, frozen=True):
    """What a restart needs beside the state: the root that headers carry, and the snapshots that wait for theirs."""

    root: Bytes32
    height: U63
    waiting: tuple[RiskSnapshot, ...]
    """Ordered by height."""


@dataclass(slots=True)
class _WaitingEpoch:
    snapshot: RiskSnapshot
    commitments: "Future[tuple[tuple[int, bytes], ...]] | None" = None
    """None until a worker was asked."""


class EpochService:
    """Implements `node.agreement.application.EpochCommitments`."""

    def __init__(
        self,
        prover: EpochProver,
        seeds: AccountSeeds,
        delay: int,
        own_key: bytes,
        record: EpochRecord | None = None,
    ) -> None:
        self._prover = prover
        self._seeds = seeds
        self._delay = delay
        self._own_key = own_key
        self._carried: tuple[Hash32, int] = (ZERO_HASH, 0)
        self._waiting: list[_WaitingEpoch] = []
        self._provable: dict[int, RiskSnapshot] = {}
        self._pace: Pace | None = None
        """Of the proof under way."""
        self._follows = False
        """Whether the last root was taken from a certified header."""
        if record is not None:
            self._carried = (Hash32(record.root), record.height)
            self._waiting = [_WaitingEpoch(snapshot) for snapshot in record.waiting]
            for waiting in self._waiting:
                self._begin(waiting)

    def snapshot_decided(self, height: int, epoch: int, state: State) -> None:
        """Take the snapshot and begin to commit it."""
        snapshot = take_snapshot(state)
        log.info("epoch snapshot", height=height, epoch=epoch, accounts=len(snapshot.accounts))
        self._waiting.append(_WaitingEpoch(snapshot))
        if not self._follows:
            self._begin(self._waiting[-1])

    def root_at(self, height: int, stated: tuple[Hash32, int] | None = None) -> tuple[Hash32, int]:
        """(root, snapshot height) of the newest snapshot at least Δ below `height`; waits for its commitments.

        Not for those that a certified header states of that snapshot: a node that catches up commits to nothing, and
        begins with what is still waiting once it judges a block again.

        Raises LocalFault PROVER_LATE after `COMMIT_SECONDS_MAX`, and what committing raised: without the root no header
        can be made or judged, and a node that silently stands still is worse than one that ends and says why.
        """
        due = [waiting for waiting in self._waiting if waiting.snapshot.statement.height + self._delay <= height]
        if stated is not None and stated[1] == (due[-1].snapshot.statement.height if due else self._carried[1]):
            self._follows = True
            return stated if due else self._carried
        self._follows = False
        for waiting in self._waiting:
            self._begin(waiting)
        if not due:
            return self._carried
        statement = due[-1].snapshot.statement
        return commitments_root(statement, self._finished(due[-1])), statement.height

    def decided(self, header: Header) -> None:
        """A header is decided: what it carries is carried from now on, and its snapshot can be proven."""
        if header.commitments_height == self._carried[1]:
            return
        self._carried = (Hash32(header.commitments_root), header.commitments_height)
        for waiting in self._waiting:
            if waiting.snapshot.statement.height == header.commitments_height:
                self._provable = {header.height: waiting.snapshot}
        self._waiting = [
            waiting for waiting in self._waiting if waiting.snapshot.statement.height > header.commitments_height
        ]

    def record(self) -> EpochRecord:
        """For the state snapshot of a decided height."""
        root, height = self._carried
        return EpochRecord(root, height, tuple(waiting.snapshot for waiting in self._waiting))

    def waiting_at(self, height: int) -> RiskSnapshot | None:
        """The snapshot of this height, while no decided header carries its commitments."""
        return next(
            (waiting.snapshot for waiting in self._waiting if waiting.snapshot.statement.height == height), None
        )

    def seed_of(self, account: int, epoch: int, sealed: bytes = b"") -> bytes:
        """The 32-byte seed of an account's commitment at an epoch; for its member only."""
        return self._seeds.at(account, epoch, sealed)

    @property
    def seal_key(self) -> bytes:
        """The X25519 public key for which owners seal seeds that they choose."""
        return self._seeds.seal_key

    def is_ours(self, epoch: int, validators: ValidatorSet) -> bool:
        """Whether this node is among the validators assigned to prove."""
        own = validators.index_of.get(self._own_key)
        return own is not None and (own - epoch) % len(validators.validators) < PROVERS_PER_EPOCH

    @property
    def provable_heights(self) -> tuple[int, ...]:
        """Heights that `provable` still has an answer for."""
        return tuple(self._provable)

    def provable(self, height: int) -> RiskSnapshot | None:
        """The snapshot that the header of `height` was the first to carry; given once."""
        return self._provable.pop(height, None)

    @property
    def progress(self) -> ProofProgress:
        """How far the proof under way is."""
        return self._prover.progress

    @property
    def seconds_left(self) -> int | None:
        """About how long the proof under way still takes; None when none is, or before it has a pace."""
        progress = self.progress
        return self._pace.seconds_left(progress.done, progress.total) if self._pace and progress.total else None

    async def prove(
        self, snapshot: RiskSnapshot, header: Header, certificate: Certificate, validators: ValidatorSet
    ) -> bytes:
        """The package of a snapshot whose commitments `header` carries, and `certificate` of this set makes final.

        Raises LocalFault when a witness breaks a row, which means that the engine and the rows differ.
        """

        def log_progress() -> None:
            progress, epoch, left = self.progress, snapshot.statement.epoch, self.seconds_left
            log.info("epoch is being proven", epoch=epoch, done=progress.done, of=progress.total, seconds_left=left)

        seeds, before = self._seeds.of(snapshot), self.progress
        self._pace = Pace()
        self._pace.seconds_left(0, 1)  # it begins here, with nothing done
        try:
            return await _outcome(self._prover.prove(snapshot, seeds, header, certificate, validators), log_progress)
        finally:
            self._pace, after = None, self.progress
            if after.lost > before.lost or after.refused > before.refused:
                lost, refused = after.lost - before.lost, after.refused - before.refused
                log.warning("workers of the proof failed", lost=lost, shares_refused=refused)

    def _finished(self, waiting: _WaitingEpoch) -> tuple[tuple[int, bytes], ...]:
        height, future = waiting.snapshot.statement.height, self._begin(waiting)
        if not future.done():
            log.warning("a header waits for commitments", height=height)
        try:
            return future.result(COMMIT_SECONDS_MAX)
        except TimeoutError:
            raise LocalFault(
                NodeCode.PROVER_LATE, "commitments", height=height, seconds=int(COMMIT_SECONDS_MAX)
            ) from None

    def _begin(self, waiting: _WaitingEpoch) -> "Future[tuple[tuple[int, bytes], ...]]":
        """Ask a worker, once."""
        if waiting.commitments is None:
            waiting.commitments = self._prover.commit(waiting.snapshot, self._seeds.of(waiting.snapshot))
        return waiting.commitments


def write_package(folder: Path, home: Path, epoch: int, height: int, data: bytes) -> PackageRecord:
    """Put a package into `folder` in one step and describe it; the path is kept relative to `home`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"epoch-{epoch:06d}{SUFFIX}"
    write_whole(path, data)  # the store's record of it is durable, so the file must be before
    return PackageRecord(
        epoch=epoch, height=height, path=str(path.relative_to(home)), size=len(data), digest=sha256(data)
    )


async def _outcome(future: "Future[bytes]", log_progress: Callable[[], None]) -> bytes:
    """Await a worker's result without a thread that waits; now and then, log its progress."""
    done = trio.Event()
    token = trio.lowlevel.current_trio_token()
    future.add_done_callback(lambda _: _wake(token, done.set))
    while not done.is_set():
        with trio.move_on_after(PROGRESS_SECONDS) as scope:
            await done.wait()
        if scope.cancelled_caught:
            log_progress()
    return future.result()


def _wake(token: trio.lowlevel.TrioToken, call: Callable[[], None]) -> None:
    try:
        token.run_sync_soon(call)
    except trio.RunFinishedError:
        log.debug("a proof ended after the node")
