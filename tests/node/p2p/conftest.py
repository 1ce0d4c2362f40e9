"""Networks on real sockets for the tests of this folder."""

import hashlib
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trio

from clearing.base import ed25519
from node.p2p.config import NetworkConfig, Peer
from node.p2p.network import Incoming, Topic
from tests.kit.ports import free_ports
from tests.kit.until import until

with warnings.catch_warnings():
    # libp2p 0.8.1 imports websockets.legacy, which warns of its own deprecation.
    warnings.filterwarnings("ignore", "websockets.legacy is deprecated", DeprecationWarning)
    from node.p2p.libp2p.gossip import OUTBOUND_QUEUE
    from node.p2p.libp2p.network import LibP2PNetwork

NETWORK = bytes(range(32))
GOSSIP = "/meshsub/1.1.0"


def secret(number: int) -> bytes:
    return hashlib.sha256(b"p2p test key %d" % number).digest()


class Node:
    """One network that can be stopped and started again under the same configuration."""

    def __init__(self, config: NetworkConfig, topics: dict[Topic, Callable[[Incoming], bool]]) -> None:
        self.config = config
        self.key = config.key
        self.topics = topics
        self.network: LibP2PNetwork
        self.feeds: dict[Topic, trio.MemoryReceiveChannel[Incoming]] = {}
        self._scope = trio.CancelScope()
        self._done = trio.Event()

    async def run(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        self.network = LibP2PNetwork(self.config)
        self.feeds = {topic: self.network.subscribe(topic, validator) for topic, validator in self.topics.items()}
        self._scope, self._done = trio.CancelScope(), trio.Event()
        try:
            with self._scope:
                await self.network.run(task_status)
        finally:
            self._done.set()

    async def stop(self) -> None:
        self._scope.cancel()
        await self._done.wait()

    async def connected(self, count: int) -> None:
        await until(lambda: len(self.network.peers) >= count)

    def gossips_with(self, others: int) -> bool:
        """It knows what all are subscribed to, and has widened its queues: what is published at once waits there."""
        gossip = self.network._gossip
        widened = [queue for queue in gossip.peer_queues.values() if queue._queue.max_size == OUTBOUND_QUEUE]
        known = [len(gossip.peer_topics.get(topic.value, ())) for topic in self.topics]
        return len(widened) == others and set(known) <= {others}

    @property
    def gossip_streams(self) -> int:
        """Two for each connection, one each way."""
        sessions = self.network._all.values()
        return [stream.get_protocol() for each in sessions for stream in each.connection.get_streams()].count(GOSSIP)


class Cluster:
    """Nodes of one network; they unpack as such."""

    def __init__(self, nodes: list[Node], nursery: trio.Nursery) -> None:
        self.nodes = nodes
        self.nursery = nursery

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    async def start(self, *nodes: Node) -> None:
        for node in nodes:
            await self.nursery.start(node.run)

    async def all_connected(self) -> None:
        """Everybody has one connection to everybody: of two that crossed, both ends have closed the same one."""
        for node in self.nodes:
            await node.connected(len(self.nodes) - 1)
        for node in self.nodes:
            await until(lambda: len(node.network._all) <= len(node.network.peers))  # noqa: B023

    async def gossip_flows(self) -> None:
        for node in self.nodes:
            await until(lambda: node.gossips_with(len(self.nodes) - 1))  # noqa: B023


Change = Callable[[int, NetworkConfig], NetworkConfig]


@pytest.fixture
def cluster() -> Callable[..., Any]:
    """`async with cluster(2) as (one, other)`: connected nodes, with these settings, bent by `change(i, config)`."""

    @asynccontextmanager
    async def opened(
        count: int,
        *,
        topics: dict[Topic, Callable[[Incoming], bool]] | None = None,
        change: Change = lambda _, config: config,
        settings: dict[str, Any] | None = None,
        start: bool = True,
        connect: bool = True,
    ) -> AsyncIterator[Cluster]:
        ports = free_ports(count)
        keys = [ed25519.public_key(secret(i)) for i in range(count)]
        nodes = []
        for i in range(count):
            peers = tuple(Peer(keys[j], port=ports[j]) for j in range(count) if j != i)
            config = NetworkConfig(secret=secret(i), network=NETWORK, peers=peers, port=ports[i])
            nodes.append(Node(change(i, replace(config, **{"refused_seconds": 0.5} | (settings or {}))), topics or {}))
        async with trio.open_nursery() as nursery:
            running = Cluster(nodes, nursery)
            if start:
                await running.start(*nodes)
            if start and connect:
                await running.all_connected()
                if topics:
                    await running.gossip_flows()
            yield running
            nursery.cancel_scope.cancel()

    return opened
