"""`Hub` and `MemoryNetwork`: the `Network` without sockets, for tests of everything above it.

Rule: the same promises as over libp2p (bounds, policies, authenticated senders, no delivery to oneself), and faults on
demand: delay, loss, partition. Randomness is seeded; with trio's virtual clock a run is reproducible.
"""

import random
from collections.abc import Callable, Collection, Iterable
from typing import Any

import trio

from clearing.base.errors import LocalFault, RemoteFault
from node.p2p.codes import P2pCode
from node.p2p.network import LIMITS, TOPIC_QUEUE, Incoming, PeerChannel, Topic, Validator, check_message
from node.p2p.peers import NetworkStats, Roster
from node.p2p.queues import FairInbox
from node.p2p.scores import FaultResponse, PeerScores

Delay = Callable[[bytes, bytes], float]
"""Seconds from sender to receiver, asked once a message."""


class Hub:
    """Connects memory networks. Keys that never joined are unknown."""

    def __init__(self, *, delay: Delay | None = None, loss: float = 0.0, seed: int = 0) -> None:
        """`loss` is the share of messages that vanish. Delayed messages of one link may overtake each other."""
        self.delay = delay
        self.loss = loss
        self._random = random.Random(seed)
        self._networks: dict[bytes, MemoryNetwork] = {}
        self._side: dict[bytes, int] = {}

    def join(self, key: bytes) -> "MemoryNetwork":
        """A network of its own for this key. It takes the place of an earlier one, as a restarted node does."""
        network = MemoryNetwork(self, key)
        self._networks[key] = network
        return network

    def leave(self, key: bytes) -> None:
        """Disconnect a node, as a stopped process is."""
        self._networks.pop(key, None)

    def leave_network(self, network: "MemoryNetwork") -> None:
        """Disconnect this network, unless another has taken its key."""
        if self._networks.get(network.key) is network:
            self.leave(network.key)

    def partition(self, *sides: Iterable[bytes]) -> None:
        """Only keys of one side reach each other; keys that are named nowhere are a side of their own."""
        self._side = {key: number for number, side in enumerate(sides, start=1) for key in side}

    def heal(self) -> None:
        """Every peer reaches every other."""
        self._side = {}

    def reachable(self, key: bytes) -> frozenset[bytes]:
        """Who is connected to this key: on its side of a partition, and both let each other in."""
        return frozenset(other for other in self._networks if self.connected(key, other))

    def connected(self, one: bytes, other: bytes) -> bool:
        """Whether two nodes are on one side of a partition, and each lets the other in."""
        here, there = self._networks.get(one), self._networks.get(other)
        if here is None or there is None or one == other or self._side.get(one, 0) != self._side.get(other, 0):
            return False
        return here.lets_in(other) and there.lets_in(one)

    @property
    def keys(self) -> frozenset[bytes]:
        """All that have joined."""
        return frozenset(self._networks)

    def carry(self, sender: bytes, receiver: bytes, deliver: Callable[["MemoryNetwork"], None]) -> None:
        """Deliver now or later, or lose it."""
        if not self.connected(sender, receiver) or self._random.random() < self.loss:
            return
        network = self._networks[receiver]
        seconds = self.delay(sender, receiver) if self.delay else 0.0
        if seconds > 0 and network.nursery is not None:
            network.nursery.start_soon(self._later, seconds, network, deliver)
        else:
            deliver(network)

    async def _later(
        self, seconds: float, network: "MemoryNetwork", deliver: Callable[["MemoryNetwork"], None]
    ) -> None:
        await trio.sleep(seconds)
        if network in self._networks.values():
            deliver(network)


class MemoryNetwork:
    """One node's `Network`; made by `Hub.join`. Run it like the real one: `await nursery.start(network.run)`."""

    def __init__(self, hub: Hub, key: bytes) -> None:
        self.key = key
        self.stats = NetworkStats()
        self.nursery: trio.Nursery | None = None
        self._hub = hub
        self._inboxes = {channel: FairInbox(LIMITS[channel], self._lost(channel)) for channel in PeerChannel}
        self._feeds: dict[Topic, tuple[Validator, trio.MemorySendChannel[Incoming]]] = {}
        self._roster: Roster | None = None
        self.scores = PeerScores()

    def admit(self, keys: Collection[bytes]) -> None:
        """See `Network.admit`. Before the first call every peer that joins the hub is let in."""
        self._roster = self._roster or Roster(self.key)
        self._roster.admit(keys)
        self.scores.admit(self._roster.validators)

    def report(self, peer: bytes, fault: RemoteFault) -> None:
        """See `Network.report`."""
        if self._roster is None:
            self.scores.admit(self._hub.keys - {self.key})
        if self.scores.charge(peer, fault, trio.current_time()) is FaultResponse.BAN:
            self.stats.peer(peer).closed[P2pCode.BANNED.label] += 1

    def lets_in(self, key: bytes) -> bool:
        """Whether this side takes a connection of a key now."""
        if self._roster is not None and key not in self._roster.keys:
            return False
        return self.nursery is None or not self.scores.banned_seconds(key, trio.current_time())

    @property
    def peers(self) -> frozenset[bytes]:
        """See `Network.peers`."""
        return self._hub.reachable(self.key)

    def send(self, to: bytes, channel: PeerChannel, data: bytes) -> bool:
        """See `Network.send`."""
        check_message(channel, data)
        if not self._hub.connected(self.key, to):
            return False
        message = bytes(data)
        self._hub.carry(self.key, to, lambda network: network.take(self.key, channel, message))
        return True

    def broadcast(self, channel: PeerChannel, data: bytes) -> None:
        """See `Network.broadcast`."""
        check_message(channel, data)
        for peer in sorted(self.peers):
            self.send(peer, channel, data)

    def publish(self, topic: Topic, data: bytes) -> None:
        """See `Network.publish`."""
        check_message(topic, data)
        self.stats.topic(topic.value).published += 1
        incoming = Incoming(self.key, bytes(data))
        for peer in sorted(self.peers):
            self._hub.carry(self.key, peer, lambda network: network.take_gossip(topic, incoming))

    def receive(self, channel: PeerChannel) -> trio.MemoryReceiveChannel[Incoming]:
        """See `Network.receive`."""
        return self._inboxes[channel].consumer

    def subscribe(self, topic: Topic, validator: Validator) -> trio.MemoryReceiveChannel[Incoming]:
        """See `Network.subscribe`."""
        if topic in self._feeds or self.nursery is not None:
            raise LocalFault(P2pCode.ALREADY_SUBSCRIBED, topic.value, running=int(self.nursery is not None))
        to_consumer, consumer = trio.open_memory_channel[Incoming](TOPIC_QUEUE)
        self._feeds[topic] = (validator, to_consumer)
        return consumer

    async def run(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Hand messages to their consumers until cancelled; then leave the hub."""
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            try:
                for inbox in self._inboxes.values():
                    nursery.start_soon(inbox.pump)
                task_status.started()
                await trio.sleep_forever()
            finally:  # before the nursery is left: once it is closed, a late message must find no peer here
                self.nursery = None
                self._hub.leave_network(self)

    def take(self, sender: bytes, channel: PeerChannel, data: bytes) -> None:
        """A message arrives."""
        self.stats.peer(sender).messages_in[channel.name] += 1
        self._inboxes[channel].put(sender, data)

    def take_gossip(self, topic: Topic, incoming: Incoming) -> None:
        """A gossip message arrives."""
        if topic not in self._feeds:
            return
        validator, to_consumer = self._feeds[topic]
        stats = self.stats.topic(topic.value)
        if not validator(incoming):
            stats.dropped["validator"] += 1
            return
        try:
            to_consumer.send_nowait(incoming)
            stats.delivered += 1
        except (trio.WouldBlock, trio.BrokenResourceError):
            stats.dropped["consumer"] += 1

    def _lost(self, channel: PeerChannel) -> Callable[[bytes, int], None]:
        def lost(sender: bytes, count: int) -> None:
            self.stats.peer(sender).dropped_in[channel.name] += count

        return lost
