"""`PackageService`: proves the epochs assigned to this validator, and keeps their packages.

Rule: a package is proven in a worker, checked by the public verifier, and only then kept. An epoch waits on disk until
then, so that no restart loses it; one that is given up is reported in log, metrics and readiness. A failed proof is an
alarm (the margin engine and the proven rows differ); it does not stop the node from deciding heights.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from clearing.base.errors import Bug, CrossclearError
from clearing.base.evm.evidence import BlockEvidence
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from clearing.margin.statement.snapshot import RiskSnapshot, RiskStatement
from consensus.blocks.store import BlockStore, load_committed
from consensus.messages import CommittedBlock
from consensus.outputs import Decided
from member.api.state import ProvingView
from node.epochs.service import EpochService, write_package
from node.epochs.unproven import UnprovenEpoch, UnprovenEpochs
from node.store.store import Store
from proofs.epoch.package import attach_custody
from proofs.epoch.remote_shard import ProofProgress
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import Verdict

ATTEMPTS_MAX = 3
"""Proofs of one epoch that may fail; a restart tries again."""
RETRY_SECONDS = 30.0
RECENT_MS = 600_000
"""A fetched height of a block so new is proven as one that was decided here: all validators may have restarted."""
CustodyOf = Callable[[RiskStatement], Awaitable[tuple[BlockEvidence, ...]]]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Waiting:
    """An epoch without a package. `unsaved`: until it is on disk."""

    unsaved: UnprovenEpoch | None = None
    height: int = 0
    """Of its block; 0: not looked up yet."""
    since_ms: int = 0
    """When this process learned of it, by the own clock."""
    failures: int = 0
    retry_at: float = 0.0


class PackageService:
    """`decided` is called with each decided height; `run` proves, the newest epoch first."""

    def __init__(
        self,
        epochs: EpochService,
        store: Store,
        home: Path,
        folder: Path,
        set_of: Callable[[bytes], ValidatorSet | None],
        network: bytes,
        blocks: BlockStore,
        clock_ms: Callable[[], int],
        custody: CustodyOf | None = None,
    ) -> None:
        """`set_of`: the validator set of a hash that a stored header names; `custody`: evidence for a statement."""
        self._epochs = epochs
        self._store = store
        self._home = home
        self._folder = folder
        self._set_of = set_of
        self._network = network
        self._blocks = blocks
        self._clock_ms = clock_ms
        self._custody = custody
        self._unproven = UnprovenEpochs(home / "unproven")
        self._waiting: dict[int, _Waiting] = {}
        self._more = trio.Event()
        self._lost: dict[int, str] = {}
        self._failed: dict[int, int] = {}
        """Heights of lost epochs that a restart tries again: their blocks are needed."""
        self.newest_epoch = 0
        self.newest_bytes = 0
        self.seconds: deque[float] = deque(maxlen=1024)
        """Of proofs made here; the metrics take them out."""

    @property
    def waiting(self) -> tuple[int, ...]:
        """Epochs that this validator has to prove, ascending."""
        return tuple(sorted(self._waiting))

    @property
    def waited_seconds(self) -> float:
        """How long the epoch that waits longest has waited for its package; 0 when none waits."""
        since = min((waiting.since_ms for waiting in self._waiting.values()), default=None)
        return 0.0 if since is None else max(0, self._clock_ms() - since) / 1000

    @property
    def needed_from(self) -> int:
        """The lowest height whose block a proof needs; above all heights when none waits."""
        heights = [*(waiting.height for waiting in self._waiting.values()), *self._failed.values()]
        return min(heights, default=2**63 - 1)

    @property
    def lost(self) -> Mapping[int, str]:
        """Epochs that this validator had to prove and does not: why, since it was started."""
        return self._lost

    def decided(self, decided: Decided) -> None:
        """Note a height that is the first to carry an epoch's commitments, if it is ours to prove."""
        header = decided.committed.block.header
        if decided.fetched and self._clock_ms() - header.time_ms > RECENT_MS:
            self._epochs.provable(header.height)  # the others have proven it meanwhile
        else:
            self._note(decided.committed)

    def resume(self) -> None:
        """After a restart: what waited on disk, and the newest epoch that the replayed heights carry."""
        for epoch in self._unproven.epochs:
            self._waiting[epoch] = _Waiting(since_ms=self._clock_ms())
        for height in self._epochs.provable_heights:
            committed = load_committed(self._blocks, height)
            if committed is not None:
                self._note(committed)
        for epoch in [each for each in self._waiting if self._store.package(each) is not None]:
            del self._waiting[epoch]
            self._unproven.remove(epoch)
        if self._waiting:
            log.info("epochs wait for their proofs", epochs=self.waiting)

    def _note(self, committed: CommittedBlock) -> None:
        header = committed.block.header
        snapshot, validators = self._epochs.provable(header.height), self._set_of(header.validators_hash)
        if snapshot is None or validators is None or not self._epochs.is_ours(snapshot.statement.epoch, validators):
            return
        epoch = snapshot.statement.epoch
        # A second proof of an epoch has other bytes: it would take the place of the file that the store describes.
        if self._store.package(epoch) is None and epoch not in self._waiting:
            self._waiting[epoch] = _Waiting(UnprovenEpoch(header.height, snapshot), header.height, self._clock_ms())
            self._wake()

    async def run(self, clock: Callable[[], float] = trio.current_time) -> None:
        """Prove for ever. What waits is saved to disk at once, also while another epoch is being proven."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._save_all)
            while True:
                more, due = self._more, self._due()
                if due is not None:
                    await self._prove(*due, clock)
                    continue
                with trio.move_on_after(RETRY_SECONDS if self._waiting else math.inf):
                    await more.wait()

    def _wake(self) -> None:
        news, self._more = self._more, trio.Event()
        news.set()

    async def _save_all(self) -> None:
        while True:
            more = self._more
            for epoch, waiting in list(self._waiting.items()):
                if waiting.unsaved is not None:
                    await self._save(epoch, waiting, waiting.unsaved)
            await more.wait()

    async def _save(self, epoch: int, waiting: _Waiting, unsaved: UnprovenEpoch) -> None:
        try:
            given_up = await trio.to_thread.run_sync(self._unproven.save, unsaved)
        except OSError as error:  # tried again with the next epoch
            log.warning("an epoch that waits for its proof is in memory only", epoch=epoch, error=str(error))
            return
        waiting.unsaved = None
        if epoch not in self._waiting and epoch not in self._lost:
            self._unproven.remove(epoch)  # proven meanwhile
        for old in given_up:
            self._lose(old, "too many epochs wait")

    def _due(self) -> tuple[int, _Waiting] | None:
        """The newest epoch first: members look at that."""
        now = trio.current_time()
        due = [epoch for epoch, waiting in self._waiting.items() if waiting.retry_at <= now]
        return (max(due), self._waiting[max(due)]) if due else None

    async def _prove(self, epoch: int, waiting: _Waiting, clock: Callable[[], float]) -> None:
        started, kept = clock(), False
        try:
            found = await self._found(epoch, waiting)
            if found is None:
                self._lose(epoch, "its snapshot or its block is gone")
                return
            snapshot, committed, validators = found
            header = committed.block.header
            data = await self._epochs.prove(snapshot, header, committed.certificate, validators)
            seconds = clock() - started
            data = await self._with_custody(data, snapshot.statement)
            kept = await self._keep(data, epoch, header, seconds)
        except (CrossclearError, OSError) as error:  # a full disk, too, leaves the epoch to its other prover
            log.error("epoch not proven", epoch=epoch, error=str(error))
        except Bug:
            raise
        except Exception as error:  # out of memory, or anything that a library under a worker raised
            # Only its kind: its text may contain holdings, and logs leave the machine.
            log.error("epoch not proven", epoch=epoch, error=type(error).__name__)
        if kept:
            self._forget(epoch)
            return
        waiting.failures += 1
        waiting.retry_at = trio.current_time() + RETRY_SECONDS
        if waiting.failures >= ATTEMPTS_MAX:
            # Its file stays: a restart tries again.
            self._lost[epoch] = f"{ATTEMPTS_MAX} proofs failed"
            self._failed[epoch] = waiting.height
            del self._waiting[epoch]

    async def _found(self, epoch: int, waiting: _Waiting) -> tuple[RiskSnapshot, CommittedBlock, ValidatorSet] | None:
        """What the proof is made of; None where it is damaged, or the block was rolled back. Raises OSError."""
        saved = waiting.unsaved or await trio.to_thread.run_sync(self._unproven.load, epoch)
        waiting.height = saved.height if saved is not None else waiting.height
        committed = load_committed(self._blocks, saved.height) if saved is not None else None
        if saved is None or committed is None:
            return None
        header = committed.block.header
        validators = self._set_of(header.validators_hash)
        if validators is None or header.commitments_height != saved.snapshot.statement.height:
            return None
        return saved.snapshot, committed, validators

    def _forget(self, epoch: int) -> None:
        self._waiting.pop(epoch, None)
        self._unproven.remove(epoch)

    def _lose(self, epoch: int, why: str) -> None:
        log.error("epoch not proven, and given up", epoch=epoch, why=why)
        self._lost[epoch] = why
        self._forget(epoch)

    @property
    def progress(self) -> ProofProgress:
        """How far the proof under way is, in rounds of accounts."""
        return self._epochs.progress

    @property
    def seconds_left(self) -> int | None:
        """About how long the proof under way still takes; None when none is, or before it has a pace."""
        return self._epochs.seconds_left

    def proving(self) -> ProvingView | None:
        """The proof under way, for the API; None when none is."""
        progress = self.progress
        if not progress.total:
            return None
        return ProvingView(done=progress.done, total=progress.total, seconds_left=self.seconds_left)

    async def _with_custody(self, data: bytes, statement: RiskStatement) -> bytes:
        """The package with the storage proofs that the bridge has; as it is where there are none."""
        evidence = await self._custody(statement) if self._custody is not None else ()
        return await trio.to_thread.run_sync(attach_custody, data, evidence) if evidence else data

    async def _keep(self, data: bytes, epoch: int, header: Header, seconds: float) -> bool:
        """Check and keep a package; whether it is good."""
        height = header.commitments_height
        verdict = await trio.to_thread.run_sync(self._verify, data, header.validators_hash)
        if not verdict.ok:
            log.error("own package refused", epoch=epoch, height=height, check=verdict.failed)
            return False
        record = await trio.to_thread.run_sync(write_package, self._folder, self._home, epoch, height, data)
        await self._store.save_package_async(record)
        self.newest_epoch, self.newest_bytes = epoch, len(data)
        self.seconds.append(seconds)
        log.info("epoch proven", epoch=epoch, height=height, bytes=len(data), seconds=round(seconds, 3))
        return True

    def _verify(self, data: bytes, validators_hash: bytes) -> Verdict:
        return verify_package(data, network=self._network, validators_hash=validators_hash)
