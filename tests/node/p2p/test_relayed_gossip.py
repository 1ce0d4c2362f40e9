"""Who relays gossip to whom: nothing to neighbours that get it anyway, everything to those that don't."""

import random
from collections import deque
from dataclasses import dataclass, field, replace

import pytest
import trio

from node.p2p.libp2p.relay_links import ANNOUNCED_MAX, RelayLinks
from node.p2p.network import Topic
from tests.kit.until import until

TRADES = {Topic.TRADES: lambda _: True}
ORIGIN, ANOTHER = b"origin", b"another origin"


def test_everything_is_relayed_until_a_neighbour_shows_another_source_and_again_when_it_asks() -> None:
    links = RelayLinks[str]()
    assert links.relays(ORIGIN, "a")
    links.supplied(ORIGIN, "a")
    assert [links.relays(*pair) for pair in ((ORIGIN, "a"), (ORIGIN, "b"), (ANOTHER, "a"))] == [False, True, True]
    links.asked(ORIGIN, "a")
    assert links.relays(ORIGIN, "a")


def test_what_is_announced_is_announced_once_by_topic_and_bounded() -> None:
    links = RelayLinks[str]()
    for number in range(2 * ANNOUNCED_MAX):
        links.announce("a", "trades" if number % 2 else "prices", number.to_bytes(4, "big"))
    links.announce("b", "prices", b"1")
    found = list(links.announcements())
    assert [(who, topic) for who, topic, _ in found] == [("a", "prices"), ("a", "trades"), ("b", "prices")]
    assert sum(len(ids) for _, _, ids in found[:2]) == ANNOUNCED_MAX
    assert list(links.announcements()) == []


def test_a_neighbour_that_comes_back_is_relayed_everything() -> None:
    links = RelayLinks[str]()
    links.supplied(ORIGIN, "a")
    links.announce("a", "trades", b"1")
    links.forget("a")
    assert links.relays(ORIGIN, "a")
    assert list(links.announcements()) == []


@dataclass
class Mesh:
    """Nodes that gossip as `node.p2p.libp2p.gossip` does, over links that deliver in any order."""

    links: set[frozenset[int]]
    chance: random.Random
    copies: int = 0
    """Messages sent over links."""
    got: dict[int, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = sorted({node for link in self.links for node in link})
        self.relays = {node: RelayLinks[int]() for node in self.nodes}
        self.got = {node: set() for node in self.nodes}
        self._moving: list[deque[tuple[str, int, int, int]]] = []
        self._queues: dict[tuple[int, int], deque[tuple[str, int, int, int]]] = {}

    def cut(self, *links: frozenset[int]) -> None:
        self.links -= set(links)

    def publish(self, origin: int, number: int) -> None:
        self.got[origin].add(number)
        for other in self._others(origin):
            self._send("message", origin, other, origin, number)

    def settle(self) -> None:
        """Deliver all that is under way; each link keeps its order."""
        while busy := [pair for pair, queue in self._queues.items() if queue]:
            source, node = self.chance.choice(busy)
            kind, _, origin, number = self._queues[source, node].popleft()
            if frozenset((source, node)) in self.links:
                self._receive(kind, source, node, origin, number)

    def beat(self) -> None:
        """A heartbeat of all."""
        for node, relay in self.relays.items():
            for other, origin, ids in list(relay.announcements()):
                for each in ids:
                    self._send("has", node, other, int(origin), int.from_bytes(each, "big"))
        self.settle()

    def _others(self, node: int) -> list[int]:
        return [other for other in self.nodes if frozenset((node, other)) in self.links]

    def _send(self, kind: str, source: int, node: int, origin: int, number: int) -> None:
        self.copies += kind == "message"
        self._queues.setdefault((source, node), deque()).append((kind, source, origin, number))

    def _receive(self, kind: str, source: int, node: int, origin: int, number: int) -> None:
        relay, name, known = self.relays[node], b"%d" % origin, number in self.got[node]
        if kind == "asks":
            relay.asked(name, source)
            self._send("message", node, source, origin, number)
        elif kind == "has" and not known:
            self._send("asks", node, source, origin, number)
        elif known:
            if source != origin:
                relay.supplied(name, source)
            if kind == "message" and source != origin:
                relay.announce(source, str(origin), number.to_bytes(4, "big"))
        else:
            self.got[node].add(number)
            for other in self._others(node):
                if other in (source, origin):
                    continue
                if relay.relays(name, other):
                    self._send("message", node, other, origin, number)
                else:
                    relay.announce(other, str(origin), number.to_bytes(4, "big"))


def full_mesh(count: int) -> set[frozenset[int]]:
    return {frozenset((a, b)) for a in range(count) for b in range(a)}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [4, 7])
def test_a_message_crosses_a_link_of_a_full_mesh_once(count: int, seed: int) -> None:
    mesh = Mesh(full_mesh(count), random.Random(seed))
    for number in range(30 * count):
        mesh.publish(number % count, number)
        if number % 3 == 0:
            mesh.settle()
        if number % 9 == 0:
            mesh.beat()
    mesh.settle()
    before = mesh.copies
    for number in range(1000, 1000 + 10 * count):
        mesh.publish(number % count, number)
    mesh.settle()
    assert mesh.copies - before == 10 * count * (count - 1), "to each of the others, by its origin alone"


@pytest.mark.parametrize("seed", range(20))
def test_every_message_arrives_on_any_connected_graph_whatever_links_end_and_when(seed: int) -> None:
    chance = random.Random(seed)
    count = chance.randint(4, 8)
    mesh = Mesh(full_mesh(count), chance)
    keep = {frozenset((node, chance.randrange(node))) for node in range(1, count)}
    for number in range(40 * count):
        mesh.publish(number % count, number)
        if chance.random() < 0.5:
            mesh.settle()
        if chance.random() < 0.1:
            mesh.beat()
        if chance.random() < 0.05:
            mesh.cut(*chance.sample(sorted(mesh.links - keep, key=sorted), min(2, len(mesh.links - keep))))
    mesh.settle()
    for _ in range(count):
        mesh.beat()
    assert all(mesh.got[node] == set(range(40 * count)) for node in range(count))


async def test_four_connected_nodes_hear_a_message_once_from_its_origin(cluster):
    async with cluster(4, topics=TRADES) as c:
        first, *others = c

        def repeated() -> int:
            return sum(node.network.stats.topic("trades").duplicates for node in c)

        async def publish_one() -> int:
            before = repeated()
            first.network.publish(Topic.TRADES, b"batch")
            for node in others:
                await node.feeds[Topic.TRADES].receive()
            await trio.sleep(0.05)
            return repeated() - before

        once = 0
        while once < 5:
            once = 0 if await publish_one() else once + 1


async def test_a_node_without_a_link_to_the_origin_hears_all_of_it_and_goes_on_when_its_source_stops(cluster):
    def cut(own, config):
        """Neither dials the other, though each knows the other's key."""
        far = {0: 3, 3: 0}.get(own)
        others = [each for each in range(4) if each != own]
        peers = [
            replace(peer, port=0) if each == far else peer for each, peer in zip(others, config.peers, strict=True)
        ]
        return replace(config, peers=tuple(peers))

    async with cluster(4, topics=TRADES, change=cut, connect=False) as (origin, one, another, far):
        for node, links in ((origin, 2), (one, 3), (another, 3), (far, 2)):
            await until(lambda: len(node.network.peers) == links and node.gossips_with(links))  # noqa: B023

        async def heard(first: int, last: int) -> None:
            sent = {b"%d" % number for number in range(first, last)}
            for data in sorted(sent):
                origin.network.publish(Topic.TRADES, data)
                await trio.sleep(0.01)
            got = [(await far.feeds[Topic.TRADES].receive()).data for _ in sent]
            assert set(got) == sent

        await heard(0, 50)
        await one.stop()
        await heard(50, 100)
