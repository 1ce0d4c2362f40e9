"""Agreement among more and more validators, in virtual time that the measured costs of their work make pass.

Rule: each validator has one core, does one thing after another, and sends when it has done it. A turn costs what it
signs and checks (`costs`), what its Python takes here (measured for each size: tables of votes grow with the set), and
what a message costs in streams and encryption. That last cost is what one height of four real processes takes beyond
the rest.
"""

import heapq
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import trio

from benchmarks import consensus
from benchmarks.growth.costs import Costs, Meter, MeteredSigner, MeteredVerifier
from benchmarks.growth.series import Point, Series
from consensus.outputs import Lane
from consensus.replica.replica import ReplicaConfig
from tests.kit.consensus.crypto import FakeSigner, FakeVerifier
from tests.sim.consensus.disk import simulated_disks
from tests.sim.consensus.network import CALM, SimNetwork
from tests.sim.consensus.node import SimNode

SIZES = (4, 7, 16, 32, 64)
HEIGHTS, WARM = 12, 3
LINK_US = 500
"""Of each link, and as much again by chance: one data centre."""
SYNC_US = 100
"""Until a record of the log is durable, on a solid-state disk."""
REAL_SECONDS = 8.0
PACE = ReplicaConfig(block_interval_ms_min=0, heartbeat_ms=1)
HEIGHT_REMEDY = "Aggregate votes in a tree of collectors; until then, a larger set takes longer heights."


class CostedNetwork(SimNetwork):
    """The simulated network, in which work takes time. Nobody watches it: the simulations of `tests.sim` do."""

    def __init__(self, nodes: int, costs: Costs, turn_us: float, message_us: float) -> None:
        self.costs, self.turn_us, self.message_us = costs, turn_us, message_us
        self.meter = Meter()
        self.spent_us = self.python_us = 0.0
        self.turns = self.messages = self.bytes = 0
        self.decided_us: list[int] = []
        """When the first node had each height."""
        self._ready_us = [0] * nodes
        self._inbox: list[deque[Any]] = [deque() for _ in range(nodes)]
        self._waits = [False] * nodes
        super().__init__(1, replace(CALM, nodes=nodes, config=PACE))

    def verifier(self, node: SimNode) -> FakeVerifier:  # noqa: ARG002 - one meter for the node whose turn it is
        return MeteredVerifier(self.costs, self.meter)

    def signer(self, node: SimNode) -> FakeSigner:
        made = MeteredSigner(self.id, node.validator, node.guard)
        made.costs, made.meter = self.costs, self.meter
        return made

    def broadcast(self, sender: int, lane: Lane, data: bytes) -> None:
        for node in self.nodes:
            self.send(sender, node.index, lane, data)

    def send_one(self, sender: int, to: int, lane: Lane, data: bytes) -> None:
        self.send(sender, to, lane, data)

    def send(self, sender: int, to: int, lane: Lane, data: bytes) -> None:
        if sender == to:
            return
        self.messages += 1
        self.bytes += len(data)
        self.meter.spent += self.message_us / 2
        delay = int(self.meter.spent) + LINK_US + self.random.randrange(LINK_US)
        self.schedule(delay, "deliver", to, (sender, int(lane), data))

    def decided(self, node: SimNode, committed: object) -> None:  # noqa: ARG002 - as of any height
        if node.index == 0:
            self.decided_us.append(self.now_us + int(self.meter.spent))

    def until(self, height: int) -> None:
        """Run until everybody has decided this height, on simulated disks."""
        while any(node.height < height for node in self.nodes):
            self._next()

    def _next(self) -> None:
        """The next event: it waits while its node is busy."""
        event = heapq.heappop(self._heap)
        self.now_us, index = event[0], event[3]
        inbox = self._inbox[index]
        if event[2] == "free":
            self._waits[index] = False
        else:
            inbox.append(event)
        if inbox and self._ready_us[index] <= self.now_us:
            self._work(inbox.popleft())
        if inbox and not self._waits[index]:
            self._waits[index] = True
            self.schedule(self._ready_us[index] - self.now_us, "free", index)

    def _work(self, event: Any) -> None:
        """One turn of a node: it is busy for as long as it costs."""
        index = event[3]
        node = self.nodes[index]
        self.meter.spent = self.turn_us + (self.message_us / 2 if event[2] == "deliver" else 0.0)
        logged, began = len(node.wal), time.process_time_ns()
        self._handle(event)
        self.python_us += (time.process_time_ns() - began) / 1000
        self.turns += 1
        self.spent_us += self.meter.spent
        wrote = SYNC_US if len(node.wal) != logged else 0
        self._ready_us[index] = self.now_us + int(self.meter.spent) + wrote


@dataclass(frozen=True)
class Found:
    """Of one size."""

    nodes: int
    height_ms: float
    cpu_ms: float
    """A height and node."""
    messages: float
    """Sent, a height and node."""
    kib: float
    """Sent, a height and node."""


def simulated(nodes: int, costs: Costs, message_us: float, heights: int = HEIGHTS) -> Found:
    """Some heights, after others by which timeouts have adapted. What Python takes is measured on the way there."""
    with simulated_disks():
        trial = CostedNetwork(nodes, costs, 100.0, message_us)
        trial.until(WARM)
    with simulated_disks():
        network = CostedNetwork(nodes, costs, trial.python_us / trial.turns, message_us)
        network.until(WARM)
        before = (network.spent_us, network.messages, network.bytes)
        network.until(WARM + heights)
    spent, messages, sent = (
        (after - earlier) / heights / nodes
        for after, earlier in zip((network.spent_us, network.messages, network.bytes), before, strict=True)
    )
    gaps = [later - earlier for earlier, later in pairwise(network.decided_us[WARM - 1 : WARM + heights])]
    return Found(nodes, median(gaps) / 1000, spent / 1000, messages, sent / 1024)


def message_cost(costs: Costs, seconds: float = REAL_SECONDS) -> float:
    """Microseconds of a message at both ends together, by which four real processes need what they need."""
    bare = simulated(4, costs, 0.0)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        real = trio.run(_real, Path(folder), seconds)
    return max(0.0, (real - bare.cpu_ms) * 1000 / bare.messages)


async def _real(folder: Path, seconds: float) -> float:
    async with consensus.running_network(4, folder) as network:
        return (await consensus.phase(network, 0, seconds)).cpu_ms


def series(costs: Costs, message_us: float, sizes: Sequence[int] = SIZES) -> list[Series]:
    """All sizes."""
    found = [simulated(nodes, costs, message_us, HEIGHTS if nodes < 32 else HEIGHTS // 2) for nodes in sizes]

    def series_of(what: str, unit: str, name: str, limit: float, remedy: str) -> Series:
        points = tuple(Point(each.nodes, getattr(each, name)) for each in found)
        return Series("validators", what, unit, points, limit, remedy)

    return [
        series_of("height, first to last vote", "ms", "height_ms", 400.0, HEIGHT_REMEDY),
        series_of("CPU a height and node", "ms", "cpu_ms", 400.0, HEIGHT_REMEDY),
        series_of(
            "messages a height and node", "", "messages", 1_000.0, "Votes go to two collectors, not to everybody."
        ),
        series_of("sent a height and node", "KiB", "kib", 4_096.0, "Blocks by batches that peers have already."),
    ]
