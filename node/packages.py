"""`PackageService`: proves the epochs whose turn is ours, and keeps their packages.

Rule: a package is proven in a worker, checked by the very verifier that anybody would use, and only then kept. A
failed proof is an alarm (the margin engine and the proven rows differ), never a reason to stop deciding heights.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path

import structlog
import trio

from clearing.base.errors import CrossclearError
from clearing.base.validators import ValidatorSet
from clearing.margin.snapshot import RiskSnapshot
from consensus.outputs import Decided
from node.epochs import EpochService, write_package
from node.store.store import Store
from proofs.verify import Verdict, verify_package

WAITING_MAX = 8

log = structlog.get_logger(__name__)


class PackageService:
    """`decided` is called with each decided height; `run` proves, one epoch after another."""

    def __init__(
        self, epochs: EpochService, store: Store, home: Path, folder: Path, validators: ValidatorSet, network: bytes
    ) -> None:
        self._epochs = epochs
        self._store = store
        self._home = home
        self._folder = folder
        self._validators = validators
        self._network = network
        self._send, self._receive = trio.open_memory_channel[tuple[RiskSnapshot, Decided]](WAITING_MAX)
        self.newest_epoch = 0
        self.newest_bytes = 0
        self.seconds: deque[float] = deque(maxlen=1024)
        """Of proofs made here; whoever measures takes them out."""

    def decided(self, decided: Decided) -> None:
        """Queue a height that is the first to carry an epoch's commitments, if it is ours to prove."""
        header = decided.committed.block.header
        snapshot = self._epochs.provable(header.height)
        if decided.fetched or snapshot is None:
            return
        try:
            self._send.send_nowait((snapshot, decided))
        except trio.WouldBlock:
            log.warning("proving is behind; an epoch is left to its other prover", height=header.height)

    async def run(self, clock: Callable[[], float] = trio.current_time) -> None:
        """Prove for ever."""
        async for snapshot, decided in self._receive:
            header = decided.committed.block.header
            started = clock()
            try:
                data = await self._epochs.prove(snapshot, header, decided.committed.certificate)
                seconds = clock() - started
                await self._keep(data, snapshot.statement.epoch, header.commitments_height, seconds)
            except CrossclearError as error:
                log.error("epoch not proven", epoch=snapshot.statement.epoch, height=header.height, error=str(error))

    async def _keep(self, data: bytes, epoch: int, height: int, seconds: float) -> None:
        verdict = await trio.to_thread.run_sync(self._verify, data)
        if not verdict.ok:
            log.error("own package refused", epoch=epoch, height=height, check=verdict.failed)
            return
        record = await trio.to_thread.run_sync(write_package, self._folder, self._home, epoch, height, data)
        await self._store.save_package_async(record)
        self.newest_epoch, self.newest_bytes = epoch, len(data)
        self.seconds.append(seconds)
        log.info("epoch proven", epoch=epoch, height=height, bytes=len(data), seconds=round(seconds, 3))

    def _verify(self, data: bytes) -> Verdict:
        return verify_package(data, network=self._network, validators_hash=self._validators.hash)
