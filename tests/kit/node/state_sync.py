"""Peers that serve and join by a recorded state, over a network that alters what they say."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio

from clearing.base import ed25519
from clearing.base.codec import encode
from clearing.base.errors import LocalFault
from clearing.base.hashing import sha256
from clearing.base.validators import ValidatorSet
from clearing.schema.blocks.block import VoteExtension
from consensus.light_client import CurveLightVerifier, LightBlock, TrustPolicy
from consensus.messages import BlockRequest, MessageKind, envelope_digest, read_envelope, read_message
from consensus.signing import CurveVerifier, seal_body
from consensus.sync.messages import (
    SyncMessage,
    is_sync_envelope,
    pack_block_response,
    read_sync_message,
    seal_sync,
)
from consensus.sync.state_sync import FirstSet
from node.p2p.network import PeerChannel
from node.store.blocks import StoredBlocks, light_block_at
from node.store.store import Store
from node.sync import state_sync
from node.sync.chunks import ChunkStore
from node.sync.joining import check_state
from node.sync.peer_talk import PeerTalk
from node.sync.snapshots import SnapshotService
from node.sync.state_sync import Curves, Joined, StateSync, SyncAnchor
from tests.kit.clearing.genesis import BTC, ETH
from tests.kit.clearing.world import World as Words
from tests.kit.clearing.world import reports
from tests.kit.node.memory_network import Hub, MemoryNetwork
from tests.kit.node.station import Home, Station, make_home, time_of

HEIGHTS = 12
NEWEST = 10
"""The newest epoch's height."""
Lie = Callable[[SyncMessage, SyncMessage | None], SyncMessage | None]
"""What a peer is asked, and what it would answer: what it does answer."""

NEW, LIAR, HELPER = (sha256(name) for name in (b"new", b"liar", b"helper"))


class Key:
    """An envelope key in the open."""

    def __init__(self, network: bytes, secret: bytes) -> None:
        self._network, self._secret = network, secret
        self.envelope_key = ed25519.public_key(secret)

    def sign_envelope(self, kind: MessageKind, body: bytes) -> bytes:
        return ed25519.sign(self._secret, envelope_digest(self._network, self.envelope_key, kind, body))


@dataclass(frozen=True)
class Origin:
    """A network of one at height `HEIGHTS`, with snapshots of heights 5 and 10."""

    home: Home
    store: Store

    def header_hash(self, height: int) -> bytes:
        found = state_sync_light(self.store, height)
        return found.header.hash


def state_sync_light(store: Store, height: int) -> LightBlock:
    found = light_block_at(store, height)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    folder = tmp_path_factory.mktemp("origin")
    home = make_home(folder / "net")
    with Store(folder / "node.sqlite", home.network) as store:
        station, words = Station(home, store), Words(home.genesis)
        for height in range(1, HEIGHTS + 1):
            prices = reports((BTC, 790_000), (ETH, 20_000), time_ms=time_of(height))
            words.state, words.time_ms = station.state, time_of(height)
            station.decide(VoteExtension(prices, words.custody_facts(4 * height) if height % 2 else ()))
        for _ in range(HEIGHTS):
            outcome = station.recorder._receive.receive_nowait()
            store.save_results(outcome.receipts, outcome.saved)
        assert store.snapshot_heights() == (10, 5)
        yield Origin(home, store)


@dataclass
class World:
    """A hub with peers that serve `origin`'s store, or lie."""

    origin: Origin
    folder: Path
    hub: Hub = field(default_factory=Hub)
    served: dict[bytes, SnapshotService] = field(default_factory=dict)
    reported: list[tuple[bytes, str]] = field(default_factory=list)
    checked: list[bytes] = field(default_factory=list)

    @property
    def validator(self) -> bytes:
        return self.origin.home.keys.envelope

    @property
    def validators(self) -> ValidatorSet:
        return self.origin.home.genesis.validators

    @property
    def first(self) -> FirstSet:
        """Trust in genesis alone."""
        return FirstSet(self.origin.home.network, self.validators)

    def anchor(self, height: int) -> SyncAnchor:
        return SyncAnchor(self.first, height, self.origin.header_hash(height))

    @asynccontextmanager
    async def serving(
        self, secret: bytes | None = None, store: Store | None = None
    ) -> AsyncIterator[tuple[trio.Nursery, SnapshotService]]:
        """One honest peer, by default the validator; the nursery takes more."""
        async with trio.open_nursery() as nursery:
            network = await self.serve(nursery, secret or self.validator, store=store)
            yield nursery, self.served[network.key]
            nursery.cancel_scope.cancel()

    async def serve(
        self,
        nursery: trio.Nursery,
        secret: bytes,
        lie: Lie | None = None,
        store: Store | None = None,
    ) -> MemoryNetwork:
        """A peer with the store of `origin`; `lie` replaces its answers."""
        key = Key(self.origin.home.network, secret)
        network = self.hub.join(key.envelope_key)
        store = store or self.origin.store
        service = SnapshotService(
            self.origin.home.network,
            store,
            self.folder / key.envelope_key.hex(),
            key,
            CurveVerifier(),
            network,
            lambda peer, fault: self.reported.append((peer, fault.code.name)),
        )
        self.served[key.envelope_key] = service
        await nursery.start(network.run)
        nursery.start_soon(service.run)
        nursery.start_soon(self._pump, network, service, key, store, lie)
        return network

    async def _pump(
        self,
        network: MemoryNetwork,
        service: SnapshotService,
        key: Key,
        store: Store,
        lie: Lie | None,
    ) -> None:
        async for incoming in network.receive(PeerChannel.SYNC):
            if is_sync_envelope(incoming.data):
                if lie is None:
                    service.take(incoming)
                    continue
                asked = read_sync_message(read_envelope(incoming.data))
                answer = lie(asked, await service._answer_to(asked))
                if answer is not None:
                    network.send(incoming.sender, PeerChannel.SYNC, seal_sync(key, answer))
                continue
            request = read_message(read_envelope(incoming.data))
            assert isinstance(request, BlockRequest)
            record = store.block(request.first)
            stored = [] if record is None else [(record.block, record.certificate, record.extended_commit)]
            body = pack_block_response(stored)
            network.send(incoming.sender, PeerChannel.SYNC, seal_body(key, MessageKind.BLOCK_RESPONSE, body))

    @asynccontextmanager
    async def joiner(
        self,
        anchor: SyncAnchor | None = None,
        *,
        period_ms: int = 10**9,
        offers_seconds: float = 60.0,
        real: bool = True,
        kept: ChunkStore | None = None,
    ) -> AsyncIterator[StateSync]:
        """A node that joins; `real` checks the state against the header, else anything is taken."""
        home = self.origin.home

        async def check(light: LightBlock, data: bytes) -> None:
            self.checked.append(data)
            if real:
                check_state(home.genesis, home.salt, light, data)

        network = self.hub.join(ed25519.public_key(NEW))
        async with trio.open_nursery() as nursery:
            await nursery.start(network.run)
            talk = PeerTalk(home.network, Key(home.network, NEW), CurveVerifier(), network)
            await nursery.start(talk.run)
            yield StateSync(
                talk,
                anchor or SyncAnchor(self.first),
                TrustPolicy(trusting_period_ms=period_ms),
                Curves(CurveLightVerifier(), CurveVerifier()),
                lambda: time_of(HEIGHTS),
                check,
                offers_seconds,
                kept,
            )
            nursery.cancel_scope.cancel()


@pytest.fixture
def world(origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(state_sync, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(state_sync, "ROUND_SECONDS", 0.02)
    return World(origin, tmp_path)


async def try_to_join(world: World, *peers: tuple[bytes, Lie | None], **how: Any) -> tuple[Joined | None, StateSync]:
    """Through these peers, as `World.joiner` says; `store`: theirs."""
    store = how.pop("store", None)
    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        for secret, lie in peers or ((world.validator, None),):
            await world.serve(nursery, secret, lie, store)
        sync = await stack.enter_async_context(world.joiner(**how))
        joined, refused = None, None
        try:
            joined = await sync.run()
        except LocalFault as fault:
            refused = fault  # told outside of the nurseries, which would wrap it
        nursery.cancel_scope.cancel()
    if refused is not None:
        raise refused
    return joined, sync


async def joined_through(world: World, *peers: tuple[bytes, Lie | None], **how: Any) -> tuple[Joined, StateSync]:
    """The same, and it must join."""
    joined, sync = await try_to_join(world, *peers, **how)
    assert joined is not None
    return joined, sync


def copy_of(source: Store, target: Store, data: bytes) -> None:
    """The same blocks and sets, and another state at the newest epoch."""
    blocks = StoredBlocks(target)
    for record in source.blocks():
        blocks.save(record.height, record.block, record.certificate, record.extended_commit)
    light = state_sync_light(source, 1)
    blocks.save_set(light.validators.hash, encode(light.validators))
    target.save_snapshot(NEWEST, data)
