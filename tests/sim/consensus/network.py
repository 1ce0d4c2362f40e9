"""The simulated network: one heap of events, one seeded generator, a virtual clock in microseconds.

Nothing else decides anything: the same seed gives the same trace, whatever the hash seed of the interpreter.
"""

import hashlib
import heapq
import random
from dataclasses import dataclass, field
from typing import Any

from clearing.base.codec import encode
from clearing.base.validators import ValidatorSet
from consensus.outputs import Lane
from consensus.replica.replica import ReplicaConfig
from tests.kit.consensus import toy
from tests.kit.consensus.crypto import FakeSigner, FakeVerifier, validator_set
from tests.kit.consensus.replicas import GENESIS_MS, NETWORK
from tests.kit.consensus.toy import ToyApplication
from tests.sim.consensus import house
from tests.sim.consensus.disk import simulated_disks
from tests.sim.consensus.market import Market
from tests.sim.consensus.monitor import Monitor
from tests.sim.consensus.node import SimNode
from tests.sim.violation import NoProgress

Change = tuple[int, ValidatorSet]
"""From this height on, this set (of the toy)."""


@dataclass(frozen=True)
class Faults:
    """What goes wrong until `heal_ms`; afterwards links only delay, and everybody is up."""

    nodes: int = 4
    liars: tuple[tuple[int, str], ...] = ()
    heal_ms: int = 5000
    delay_ms_max: int = 30
    loss_percent: int = 10
    duplicate_percent: int = 5
    stall_percent: int = 2
    """Messages delayed by up to a second: reordering across rounds."""
    crash_interval_ms: int = 1500
    torn_write_percent: int = 1
    """Of disk operations, the last one of the machine: before it, in its middle, or right after it."""
    partition_interval_ms: int = 1200
    skew_ms_max: int = 200
    flush_every_max: int = 4
    rotten: tuple[int, ...] = ()
    """Nodes whose log loses a bit at each crash. They may fall silent, never lie."""
    sign_state_synced: bool = False
    rotate_bytes: int = 8 << 20
    clearing: bool = False
    """The whole clearing application in place of the toy."""
    requests_interval_ms: int = 300
    outside: tuple[int, ...] = ()
    """Nodes that are no validators at first."""
    swaps: tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...] = ()
    """(ms, nodes that go, nodes that come): validators ask for another set then."""
    drops_syncs_of: tuple[str, ...] = ()
    """Files whose syncs do nothing: a planted bug."""
    powers: tuple[int, ...] = ()
    """Of the nodes; empty: equal ones."""
    cut: tuple[tuple[int, int], ...] = ()
    """Pairs of nodes without a link, for ever."""
    down: tuple[int, ...] = ()
    """Nodes that never start."""
    upgrade_height: int = 0
    """From this height on, blocks follow the rules of version 2; 0: never."""
    upgraded_ms: tuple[int, ...] = ()
    """When each node gets the release with both versions; one without a time never does."""
    config: ReplicaConfig = field(default_factory=ReplicaConfig)


CALM = Faults(
    heal_ms=0,
    loss_percent=0,
    duplicate_percent=0,
    stall_percent=0,
    crash_interval_ms=0,
    torn_write_percent=0,
    partition_interval_ms=0,
)
"""Nothing goes wrong."""

Event = tuple[int, int, str, int, tuple[Any, ...]]
"""Virtual time in us, number, kind, node, what goes with it."""


class SimNetwork:
    """Runs one seed."""

    def __init__(self, seed: int, faults: Faults, change: Change | None = None) -> None:
        self.random = random.Random(seed)
        self.faults = faults
        self.now_us = 0
        self.everybody = validator_set(faults.nodes, faults.powers)
        """All nodes, in the order of their keys; the validators at first are those not `outside`."""
        inside = [each for index, each in enumerate(self.everybody.validators) if index not in faults.outside]
        self.validators = self.everybody if not faults.outside else ValidatorSet(validators=tuple(inside))
        self.change = change
        self.id: bytes = NETWORK
        self.market: Market | None = None
        if faults.clearing:
            self.market = Market(self.validators, self.random, GENESIS_MS)
            self.id = self.market.network
        self.vary = house.vary if faults.clearing else toy.vary
        self.trace = hashlib.sha256(str((seed, faults)).encode())
        self.monitor = Monitor(self)
        self.events = 0
        self.recovery_ms = 0
        """From healing until every honest node was some heights further."""
        self._heap: list[Event] = []
        self._order = 0
        self._groups: dict[int, int] = {}
        liars = dict(faults.liars)
        self.nodes = [SimNode(self, index, liars.get(index)) for index in range(faults.nodes)]
        self.by_key = {node.key: node for node in self.nodes}
        self._cut = {pair for one, other in faults.cut for pair in ((one, other), (other, one))}
        for node in self.nodes:
            if node.index not in faults.down:
                self.schedule(self.random.randrange(20_000), "boot", node.index)
        self._plan_faults()

    @property
    def healed(self) -> bool:
        return self.now_us >= self.faults.heal_ms * 1000

    @property
    def honest(self) -> list[SimNode]:
        """Those that start, and do not lie."""
        return [node for node in self.nodes if node.lie is None and node.index not in self.faults.down]

    @property
    def trace_hash(self) -> str:
        return self.trace.hexdigest()

    def house(self, node: SimNode) -> house.House:
        flush = self.random.randint(1, self.faults.flush_every_max)
        if self.market is None:
            application = ToyApplication(self.validators, node.index, flush, self.change, self.faults.upgrade_height)
            return house.ToyHouse(application, node.clock)
        lag, upgrade = self.random.randrange(400), self.faults.upgrade_height
        return house.ClearingHouse(self.market, node.index, node.key, node.clock, lag, flush, upgrade)

    def verifier(self, node: SimNode) -> FakeVerifier:
        """What a replica that boots checks signatures by."""
        return FakeVerifier()

    def signer(self, node: SimNode) -> FakeSigner:
        """What it signs by."""
        return FakeSigner(self.id, node.validator, node.guard)

    def schedule(self, after_us: int, kind: str, node: int = -1, data: tuple[Any, ...] = ()) -> int:
        """Put an event on the heap; gives its number."""
        self._order += 1
        heapq.heappush(self._heap, (self.now_us + after_us, self._order, kind, node, data))
        return self._order

    def broadcast(self, sender: int, lane: Lane, data: bytes) -> None:
        self.monitor.said(sender, data)
        for node in self.nodes:
            self.send(sender, node.index, lane, data)

    def send_one(self, sender: int, to: int, lane: Lane, data: bytes) -> None:
        self.monitor.said(sender, data)
        self.send(sender, to, lane, data)

    def linked(self, one: int, other: int) -> bool:
        """Whether messages between two nodes can arrive at all."""
        return one != other and (one, other) not in self._cut

    def send(self, sender: int, to: int, lane: Lane, data: bytes) -> None:
        if not self.linked(sender, to):
            return
        copies, chance, healed = 1, self.random.random, self.healed
        if not healed:
            if self._groups.get(sender, 0) != self._groups.get(to, 0):
                return
            if chance() * 100 < self.faults.loss_percent:
                return
            copies += chance() * 100 < self.faults.duplicate_percent
        for _ in range(copies):
            delay = 500 + int(chance() * self.faults.delay_ms_max * 1000)
            if not healed and chance() * 100 < self.faults.stall_percent:
                delay += int(chance() * 1_000_000)
            self.schedule(delay, "deliver", to, (sender, int(lane), data))

    def run(self, heights_after_healing: int = 4, limit_ms: int = 40_000) -> None:
        """Run until every honest node has gone that far beyond the state at healing. Raises on any violation."""
        with simulated_disks(self.faults.rotate_bytes):
            self._run(heights_after_healing, limit_ms)
            self.monitor.conclude()

    def run_for(self, milliseconds: int) -> None:
        """Run until then, whatever is decided. Raises on any violation."""
        with simulated_disks(self.faults.rotate_bytes):
            while self.now_us < milliseconds * 1000:
                self._turn()
            self.monitor.conclude()

    def _turn(self) -> None:
        """The next event."""
        event = heapq.heappop(self._heap)
        self.now_us = event[0]
        self.events += 1
        self._note(event)
        self._handle(event)
        if event[3] >= 0:
            self.monitor.look_at(self.nodes[event[3]])

    def _run(self, heights_after_healing: int, limit_ms: int) -> None:
        target: int | None = None
        while True:
            self._turn()
            if target is None and self.healed:
                target = max(node.height for node in self.honest) + heights_after_healing
            if target is not None and all(node.alive and node.height >= target for node in self.honest):
                self.recovery_ms = self.now_us // 1000 - self.faults.heal_ms
                return
            if self.now_us > limit_ms * 1000:
                states = [(node.index, node.alive, node.height, node.where) for node in self.nodes]
                raise NoProgress(f"no progress after healing: {states}")

    def _handle(self, event: Event) -> None:
        _, number, kind, index, data = event
        node = self.nodes[index]
        if kind == "deliver":
            sender, _, message = data
            node.receive(self.nodes[sender].key, message)
        elif kind == "timer":
            node.timer(number, *data)
        elif kind == "boot":
            self._light(node)
            node.boot()
        elif kind == "crash":
            self._crash(node)
        elif kind == "partition":
            self._groups = {n.index: self.random.randrange(2) for n in self.nodes}
        elif kind == "join":
            self._groups = {}
        elif kind == "happen":
            self._happen()
        elif kind == "upgrade":
            node.upgrade()
        elif kind == "swap":
            self._swap(*self.faults.swaps[data[0]])
        elif kind == "submit":
            self._submit(node, *data)

    def _light(self, node: SimNode) -> None:
        """A fuse for some lives of the machine: it dies at one of its next disk operations."""
        percent = self.faults.torn_write_percent
        if not self.healed and percent and node.restarts < 20:
            left = int(self.random.expovariate(percent / 100))
            if "sign" in node.disk.files:  # the first start is watched by its operator
                node.disk.fuse = left

    def _crash(self, node: SimNode) -> None:
        """At most a third is down or lying at a time in the long run, but nothing forbids all being down."""
        if node.alive and not self.healed:
            node.crash(power=self.random.randrange(2) > 0)
            self.schedule(self.random.randrange(1_500_000), "boot", node.index)

    def _happen(self) -> None:
        """Something outside, and the next of it."""
        if self.market is None:
            return
        made = self.market.happen(self.now_us // 1000)
        self.schedule(self.faults.requests_interval_ms * 1000, "happen")
        if made is not None:
            self._gossip(len(self.market.requests) - 1)

    def _gossip(self, number: int) -> None:
        """A request reaches most nodes, each at its time."""
        for node in self.nodes:
            if self.healed or self.random.randrange(5):
                self.schedule(self.random.randrange(200_000), "submit", node.index, (number,))

    def _submit(self, node: SimNode, number: int) -> None:
        if isinstance(node.house, house.ClearingHouse) and node.house.market is self.market and node.alive:
            node.house.submit(node.house.market.requests[number])
            node.work()

    def _swap(self, _: int, go: tuple[int, ...], come: tuple[int, ...]) -> None:
        """The validators in force ask for another set; later again while a change is under way."""
        best = max((node for node in self.honest if node.alive), key=lambda node: node.height, default=None)
        if self.market is None or best is None or not isinstance(best.house, house.ClearingHouse):
            return
        application = best.house.application
        if application is None:
            return
        self.market.change(
            application.state,
            tuple(self.nodes[index].key for index in go),
            tuple(self.nodes[index].validator for index in come),
            self.now_us // 1000,
        )
        self._gossip(len(self.market.requests) - 1)

    def _plan_faults(self) -> None:
        faults = self.faults
        if faults.crash_interval_ms:
            for at in range(500, faults.heal_ms, faults.crash_interval_ms):
                victim = self.random.choice(self.honest).index
                self.schedule((at + self.random.randrange(faults.crash_interval_ms)) * 1000, "crash", victim)
        for victim in faults.rotten:
            for at in range(400, faults.heal_ms, 800):
                self.schedule((at + self.random.randrange(800)) * 1000, "crash", victim)
        if faults.partition_interval_ms:
            for at in range(300, faults.heal_ms, faults.partition_interval_ms):
                self.schedule(at * 1000, "partition")
                self.schedule((at + self.random.randrange(faults.partition_interval_ms)) * 1000, "join")
        if faults.clearing and faults.requests_interval_ms:
            self.schedule(faults.requests_interval_ms * 1000, "happen")
        for index, at in enumerate(faults.upgraded_ms):
            self.schedule(at * 1000, "upgrade", index)
        for number, (at, _, _) in enumerate(faults.swaps):
            self.schedule(at * 1000, "swap", -1, (number,))

    def _note(self, event: Event) -> None:
        """Make an event part of the trace; a message by its end, which is its signature."""
        at, number, kind, node, data = event
        shown = tuple(item[-32:] if isinstance(item, bytes) else item for item in data)
        self.trace.update(f"{at} {number} {kind} {node} {shown!r}".encode())

    def decided(self, node: SimNode, committed: object) -> None:
        """A node has decided and applied a height."""
        if node.last_committed is None:
            return
        self.trace.update(encode(node.last_committed.certificate))
        self.monitor.decided(node, node.last_committed)
