"""The simulated network: one heap of events, one seeded generator, a virtual clock in microseconds.

Nothing else decides anything: the same seed gives the same trace, whatever the hash seed of the interpreter.
"""

import hashlib
import heapq
import random
from dataclasses import dataclass, field

from clearing.base.codec import encode
from clearing.base.hashing import tagged_hash
from clearing.base.validators import ValidatorSet
from consensus.outputs import Lane
from consensus.timeouts import TimerKind
from tests.sim.consensus.crypto import validator_set
from tests.sim.consensus.monitor import Monitor
from tests.sim.consensus.node import SimNode

NETWORK = tagged_hash("crossclear/simulation/network")
GENESIS_MS = 1_700_000_000_000


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
    """Of the log's writes: the node dies in the middle, and nothing of that step is sent."""
    partition_interval_ms: int = 1200
    skew_ms_max: int = 200
    flush_every_max: int = 4


@dataclass(order=True)
class Event:
    """An entry of the heap."""

    at_us: int
    order: int
    kind: str = field(compare=False)
    node: int = field(compare=False, default=-1)
    data: tuple[object, ...] = field(compare=False, default=())


class SimNetwork:
    """Runs one seed."""

    def __init__(self, seed: int, faults: Faults, change: tuple[int, ValidatorSet] | None = None) -> None:
        self.random = random.Random(seed)
        self.faults = faults
        self.now_us = 0
        self.validators = validator_set(faults.nodes)
        self.change = change
        self.trace = hashlib.sha256(str((seed, faults)).encode())
        self.monitor = Monitor(self.validators, NETWORK, change)
        self.events = 0
        self._heap: list[Event] = []
        self._order = 0
        self._groups: dict[int, int] = {}
        liars = dict(faults.liars)
        self.nodes = [SimNode(self, index, liars.get(index)) for index in range(faults.nodes)]
        self.by_key = {node.key: node for node in self.nodes}
        for node in self.nodes:
            self.schedule(self.random.randrange(20_000), "boot", node.index)
        self._plan_faults()

    @property
    def healed(self) -> bool:
        return self.now_us >= self.faults.heal_ms * 1000

    def schedule(self, after_us: int, kind: str, node: int = -1, data: tuple[object, ...] = ()) -> int:
        """Put an event on the heap; gives its number."""
        self._order += 1
        heapq.heappush(self._heap, Event(self.now_us + after_us, self._order, kind, node, data))
        return self._order

    def send(self, sender: int, to: int, lane: Lane, data: bytes) -> None:
        """One message over one link."""
        if sender == to:
            return
        self.monitor.saw_message(sender, data)
        copies = 1
        if not self.healed:
            if self._groups.get(sender, 0) != self._groups.get(to, 0):
                return
            if self.random.randrange(100) < self.faults.loss_percent:
                return
            copies += self.random.randrange(100) < self.faults.duplicate_percent
        for _ in range(copies):
            delay = 500 + self.random.randrange(self.faults.delay_ms_max * 1000)
            if not self.healed and self.random.randrange(100) < self.faults.stall_percent:
                delay += self.random.randrange(1_000_000)
            self.schedule(delay, "deliver", to, (sender, int(lane), data))

    def run(self, heights_after_healing: int = 4, limit_ms: int = 60_000) -> None:
        """Run until every honest node has gone that far beyond the state at healing. Raises on any violation."""
        target: int | None = None
        while True:
            event = heapq.heappop(self._heap)
            self.now_us = event.at_us
            self.events += 1
            self._note(event)
            self._handle(event)
            if target is None and self.healed:
                target = max(node.height for node in self.honest) + heights_after_healing
            if target is not None and all(node.alive and node.height >= target for node in self.honest):
                return
            if self.now_us > limit_ms * 1000:
                states = [(node.index, node.alive, node.height, node.where) for node in self.nodes]
                raise AssertionError(f"no progress after healing: {states}")

    @property
    def honest(self) -> list[SimNode]:
        return [node for node in self.nodes if node.lie is None]

    @property
    def trace_hash(self) -> str:
        return self.trace.hexdigest()

    def _handle(self, event: Event) -> None:
        node = self.nodes[event.node]
        if event.kind == "deliver":
            sender, _, data = event.data
            assert isinstance(sender, int)
            assert isinstance(data, bytes)
            node.receive(self.nodes[sender].key, data)
        elif event.kind == "timer":
            kind, height, round_ = event.data
            assert isinstance(kind, TimerKind)
            assert isinstance(height, int)
            assert isinstance(round_, int)
            node.timer(event.order, kind, height, round_)
        elif event.kind == "boot":
            node.boot()
        elif event.kind == "crash":
            self._crash(node)
        elif event.kind == "partition":
            self._groups = {n.index: self.random.randrange(2) for n in self.nodes}
        elif event.kind == "join":
            self._groups = {}

    def _crash(self, node: SimNode) -> None:
        """At most a third is down or lying at a time in the long run, but nothing forbids all being down."""
        if node.alive and not self.healed:
            node.crash()
            self.schedule(self.random.randrange(1_500_000), "boot", node.index)

    def _plan_faults(self) -> None:
        faults = self.faults
        if faults.crash_interval_ms:
            for at in range(500, faults.heal_ms, faults.crash_interval_ms):
                victim = self.random.choice(self.honest).index
                self.schedule((at + self.random.randrange(faults.crash_interval_ms)) * 1000, "crash", victim)
        if faults.partition_interval_ms:
            for at in range(300, faults.heal_ms, faults.partition_interval_ms):
                self.schedule(at * 1000, "partition")
                self.schedule((at + self.random.randrange(faults.partition_interval_ms)) * 1000, "join")

    def _note(self, event: Event) -> None:
        shown = tuple(item if isinstance(item, bytes | int) else str(item) for item in event.data)
        self.trace.update(f"{event.at_us} {event.order} {event.kind} {event.node} {shown!r}".encode())

    def note_state(self, node: SimNode) -> None:
        """Make a decided block part of the trace."""
        committed = node.last_committed
        if committed is not None:
            self.trace.update(encode(committed.certificate))
