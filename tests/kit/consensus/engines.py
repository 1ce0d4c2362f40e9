"""Engines of several validators, joined without a network."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio
import trio.testing

from clearing.base.certificate import verify_finality
from consensus.blocks.store import load_committed
from consensus.outputs import Decided
from consensus.replica.replica import ReplicaConfig
from consensus.signing import Signer
from node.agreement.engine import ConsensusGenesis, Engine, Hooks
from node.signer.local import LocalSigner
from node.signer.sign_state import SignStateFile
from node.store.wal import WalFile
from tests.kit.consensus.crypto import VALIDATORS, secrets_of
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.consensus.toy import ToyApplication
from tests.kit.node.memory_network import Hub

NETWORK = bytes(range(32))
CHAIN = ConsensusGenesis(network=NETWORK, time_ms=1_700_000_000_000)


@dataclass
class Peer:
    """One validator's disk, and its engine while it runs."""

    index: int
    folder: Path
    hub: Hub
    application: ToyApplication = field(init=False)
    store: MemoryBlockStore = field(default_factory=MemoryBlockStore)
    engine: Engine | None = None
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    stopped: trio.Event = field(default_factory=trio.Event)
    decided: list[Decided] = field(default_factory=list)
    work: bool = True
    signer: Signer | None = None
    """In place of one with its own keys here."""

    def __post_init__(self) -> None:
        self.application = ToyApplication(VALIDATORS, self.index, flush_every=3)
        self.folder.mkdir()

    @property
    def key(self) -> bytes:
        return VALIDATORS.validators[self.index].envelope_key

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        guard = SignStateFile(self.folder / "sign.state")
        network = self.hub.join(self.key)
        self.engine = Engine(
            CHAIN,
            self.application.position,
            self.application,
            self.store,
            self.signer or LocalSigner(NETWORK, *secrets_of(4)[self.index], guard),
            WalFile(self.folder / "consensus.wal"),
            network,
            ReplicaConfig(),
            Hooks(on_decided=self.decided.append, has_work=lambda: self.work),
        )
        self.scope, self.stopped = trio.CancelScope(), trio.Event()
        try:
            with self.scope:
                async with trio.open_nursery() as nursery:
                    await nursery.start(network.run)
                    await nursery.start(self.engine.run)
                    task_status.started()
        finally:
            guard.close()
            self.stopped.set()

    async def kill(self) -> None:
        self.scope.cancel()
        await self.stopped.wait()
        self.application.crash()


@asynccontextmanager
async def running(peers: Iterable[Peer]) -> AsyncIterator[trio.Nursery]:
    """These, until its end; the nursery starts more."""
    async with trio.open_nursery() as nursery:
        for peer in peers:
            await nursery.start(peer.run)
        yield nursery
        nursery.cancel_scope.cancel()


async def reach(peers: list[Peer], height: int) -> None:
    while any(peer.store.height() < height for peer in peers):  # noqa: ASYNC110 - stores tell nobody
        await trio.sleep(0.01)


def check_same_chain(peers: list[Peer]) -> None:
    """Equal blocks as far as all have them, each final under the set."""
    for height in range(1, min(peer.store.height() for peer in peers) + 1):
        committed = [load_committed(peer.store, height) for peer in peers]
        assert len({found.block.header.hash for found in committed if found is not None}) == 1
        for found in committed:
            assert found is not None
            verify_finality(found.block.header, found.certificate, VALIDATORS, NETWORK)
