"""`PackageService`: proves the epochs assigned to this validator, and keeps their packages.

Rule: a package is proven in a worker, checked by the public verifier, and only then kept. A failed proof is an alarm
(the margin engine and the proven rows differ); it does not stop the node from deciding heights.
"""

from collections import deque
from collections.abc import Awaitable, Callable
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
from node.epochs.service import EpochService, write_package
from node.store.store import Store
from proofs.epoch.package import attach_custody
from proofs.epoch.remote_shard import ProofProgress
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import Verdict

WAITING_MAX = 8
CustodyOf = Callable[[RiskStatement], Awaitable[tuple[BlockEvidence, ...]]]
_Waiting = tuple[RiskSnapshot, CommittedBlock, ValidatorSet]

log = structlog.get_logger(__name__)


class PackageService:
    """`decided` is called with each decided height; `run` proves, one epoch after another."""

    def __init__(
        self,
        epochs: EpochService,
        store: Store,
        home: Path,
        folder: Path,
        set_of: Callable[[bytes], ValidatorSet | None],
        network: bytes,
        custody: CustodyOf | None = None,
    ) -> None:
        """`set_of`: the validator set of a hash that a stored header names; `custody`: evidence for a statement."""
        self._epochs = epochs
        self._store = store
        self._home = home
        self._folder = folder
        self._set_of = set_of
        self._network = network
        self._custody = custody
        self._send, self._receive = trio.open_memory_channel[_Waiting](WAITING_MAX)
        self.newest_epoch = 0
        self.newest_bytes = 0
        self.seconds: deque[float] = deque(maxlen=1024)
        """Of proofs made here; the metrics take them out."""

    def decided(self, decided: Decided) -> None:
        """Queue a height that is the first to carry an epoch's commitments, if it is ours to prove."""
        if decided.fetched:
            self._epochs.provable(decided.committed.block.header.height)  # the others have proven it meanwhile
        else:
            self._queue(decided.committed)

    def resume(self, blocks: BlockStore) -> None:
        """After a restart: queue the newest epoch that the replayed heights carry, if its package was not finished."""
        for height in self._epochs.provable_heights:
            committed = load_committed(blocks, height)
            if committed is not None:
                self._queue(committed)

    def _queue(self, committed: CommittedBlock) -> None:
        header = committed.block.header
        height, validators = header.height, self._set_of(header.validators_hash)
        snapshot = self._epochs.provable(height)
        if snapshot is None or validators is None or not self._epochs.is_ours(snapshot.statement.epoch, validators):
            return
        # A second proof of an epoch has other bytes: it would take the place of the file that the store describes.
        if self._store.package(snapshot.statement.epoch) is not None:
            return
        try:
            self._send.send_nowait((snapshot, committed, validators))
        except trio.WouldBlock:
            log.warning("proving is behind; an epoch is left to its other prover", height=height)

    async def run(self, clock: Callable[[], float] = trio.current_time) -> None:
        """Prove for ever."""
        async for snapshot, committed, validators in self._receive:
            header = committed.block.header
            started = clock()
            try:
                data = await self._epochs.prove(snapshot, header, committed.certificate, validators)
                seconds = clock() - started
                data = await self._with_custody(data, snapshot.statement)
                await self._keep(data, snapshot.statement.epoch, header, seconds)
            except (CrossclearError, OSError) as error:  # a full disk, too, leaves the epoch to its other prover
                self._failed(snapshot, header, str(error))
            except Bug:
                raise
            except Exception as error:  # out of memory, or whatever a library under a worker raised
                # Only its kind: its text may contain holdings, and logs leave the machine.
                self._failed(snapshot, header, type(error).__name__)

    def _failed(self, snapshot: RiskSnapshot, header: Header, error: str) -> None:
        log.error("epoch not proven", epoch=snapshot.statement.epoch, height=header.height, error=error)

    @property
    def progress(self) -> ProofProgress:
        """How far the proof under way is, in rounds of accounts."""
        return self._epochs.progress

    async def _with_custody(self, data: bytes, statement: RiskStatement) -> bytes:
        """The package with the storage proofs that the bridge has; as it is where there are none."""
        evidence = await self._custody(statement) if self._custody is not None else ()
        return await trio.to_thread.run_sync(attach_custody, data, evidence) if evidence else data

    async def _keep(self, data: bytes, epoch: int, header: Header, seconds: float) -> None:
        height = header.commitments_height
        verdict = await trio.to_thread.run_sync(self._verify, data, header.validators_hash)
        if not verdict.ok:
            log.error("own package refused", epoch=epoch, height=height, check=verdict.failed)
            return
        record = await trio.to_thread.run_sync(write_package, self._folder, self._home, epoch, height, data)
        await self._store.save_package_async(record)
        self.newest_epoch, self.newest_bytes = epoch, len(data)
        self.seconds.append(seconds)
        log.info("epoch proven", epoch=epoch, height=height, bytes=len(data), seconds=round(seconds, 3))

    def _verify(self, data: bytes, validators_hash: bytes) -> Verdict:
        return verify_package(data, network=self._network, validators_hash=validators_hash)
