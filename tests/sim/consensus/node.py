"""One simulated validator: the real `Replica`, with a disk that can tear, a clock that is off, and perhaps a lie."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from clearing.base.errors import Bug, CrossclearError
from consensus.messages import CommittedBlock
from consensus.outputs import Broadcast, Decided, Lane, Output, PeerFault, Persist, RuleFired, Send, StartTimer
from consensus.replica import Replica, ReplicaConfig
from consensus.restart import restore_chain
from consensus.store import MemoryBlockStore, load_committed
from consensus.timeouts import TimerKind
from consensus.wal import encode_frame, read_frames
from node.consensus.sign_state import SignGuard
from tests.adversaries.context import Adversary, AdversaryContext, NoGuard, disguise, overhear
from tests.adversaries.registry import make_adversary
from tests.sim.consensus.crypto import FakeSigner, FakeVerifier
from tests.sim.consensus.toy import ToyApplication, vary

if TYPE_CHECKING:
    from tests.sim.consensus.network import SimNetwork


class SimClock:
    """The virtual clock, skewed for the wall."""

    def __init__(self, network: "SimNetwork", skew_ms: int, start_ms: int) -> None:
        self._network, self._skew_ms, self._start_ms = network, skew_ms, start_ms

    def wall_ms(self) -> int:
        return self._start_ms + self._network.now_us // 1000 + self._skew_ms

    def steady_ms(self) -> int:
        return self._network.now_us // 1000


class SimNode:
    """Index, disk and, while it is alive, a replica."""

    def __init__(self, network: "SimNetwork", index: int, lie: str | None) -> None:
        from tests.sim.consensus.network import GENESIS_MS

        faults = network.faults
        self.network, self.index, self.lie = network, index, lie
        self.validator = network.validators.validators[index]
        self.key = self.validator.envelope_key
        self.guard = SignGuard()
        self.store = MemoryBlockStore()
        self.wal = bytearray()
        flush = network.random.randint(1, faults.flush_every_max)
        self.application = ToyApplication(network.validators, index, flush, network.change)
        skew = network.random.randint(-faults.skew_ms_max, faults.skew_ms_max)
        self.clock = SimClock(network, skew, GENESIS_MS)
        self.replica: Replica | None = None
        self.last_committed: CommittedBlock | None = None
        self.restarts = 0
        self._timers: dict[TimerKind, int] = {}
        self.adversary: Adversary | None = None
        if lie is not None:
            network.monitor.liars.add(index)
            self.adversary = make_adversary(lie, self._context())

    @property
    def alive(self) -> bool:
        return self.replica is not None

    @property
    def height(self) -> int:
        return self.store.height()

    @property
    def where(self) -> str:
        return "down" if self.replica is None else where_is(self.replica)

    def committed(self) -> list[CommittedBlock]:
        """All decided blocks, from the store."""
        loaded = (load_committed(self.store, height) for height in range(1, self.height + 1))
        return [found for found in loaded if found is not None]

    def boot(self) -> None:
        """Start from disk."""
        from tests.sim.consensus.network import GENESIS_MS, NETWORK

        if self.alive:
            return
        records, good = read_frames(bytes(self.wal))
        del self.wal[good:]
        verifier = FakeVerifier()
        chain = restore_chain(NETWORK, GENESIS_MS, self.application.position, self.application, self.store, verifier)
        guard = NoGuard() if self.lie is not None else self.guard
        self.replica = Replica(
            chain,
            self.application,
            self.store,
            FakeSigner(NETWORK, self.validator, guard),
            verifier,
            self.clock,
            ReplicaConfig(),
            has_work=lambda: self.network.now_us % 3_000_000 < 2_000_000,
            recorded=records,
        )
        self._attempt(self.replica.start)

    def crash(self) -> None:
        """Lose everything but the disk."""
        self.replica = None
        self._timers.clear()
        self.application.crash()
        self.restarts += 1

    def receive(self, peer: bytes, data: bytes) -> None:
        if self.replica is None:
            return
        if self.adversary is not None:
            adversary = self.adversary
            self._attempt(lambda: overhear(adversary, peer, data), disguised=True)
        if self.replica is not None:
            self._attempt(partial(self.replica.receive, peer, data))

    def timer(self, number: int, kind: TimerKind, height: int, round_: int) -> None:
        if self.replica is not None and self._timers.get(kind) == number:
            del self._timers[kind]
            self._attempt(partial(self.replica.on_timer, kind, height, round_))

    def send_to_all(self, lane: Lane, data: bytes) -> None:
        for node in self.network.nodes:
            self.network.send(self.index, node.index, lane, data)

    def _context(self) -> AdversaryContext:
        from tests.sim.consensus.network import NETWORK

        return AdversaryContext(
            network=NETWORK,
            signer=FakeSigner(NETWORK, self.validator, NoGuard()),
            random=self.network.random,
            replica=lambda: self.replica,
            vary=vary,
        )

    def _attempt(self, act: Callable[[], list[Output]], *, disguised: bool = False) -> None:
        """One turn of the replica. A liar that trips over its own lies starts again."""
        try:
            outputs = act()
        except (CrossclearError, Bug):
            if self.adversary is None:
                raise
            self.crash()
            self.network.schedule(1_000_000, "boot", self.index)
            return
        if self.adversary is not None and not disguised:
            outputs = disguise(self.adversary, outputs)
        self._perform(outputs)

    def _perform(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Persist(records):
                    if not self._append(encode_frame(records)):
                        return
                case Broadcast(lane, data):
                    self.send_to_all(lane, data)
                case Send(to, lane, data):
                    self.network.send(self.index, self.network.by_key[to].index, lane, data)
                case StartTimer(kind, height, round_, duration_ms):
                    after = duration_ms * 1000 + self.network.random.randrange(1000)
                    self._timers[kind] = self.network.schedule(after, "timer", self.index, (kind, height, round_))
                case Decided(committed):
                    self.wal.clear()
                    self.last_committed = committed
                    self.network.note_state(self)
                    if self.lie is None:
                        self.network.monitor.decided(self.index, committed)
                case PeerFault(_, fault):
                    name = fault.code.name
                    self.network.monitor.faults[name] = self.network.monitor.faults.get(name, 0) + 1
                case RuleFired(line):
                    self.network.monitor.rules.add(line)

    def _append(self, frame: bytes) -> bool:
        """Write the log; False when the node died over it: before the write, in its middle, or right after it."""
        network = self.network
        if network.healed or network.random.randrange(100) >= network.faults.torn_write_percent:
            self.wal += frame
            return True
        self.wal += frame[: network.random.choice((0, network.random.randrange(len(frame)), len(frame)))]
        self.crash()
        network.schedule(network.random.randrange(1_000_000), "boot", self.index)
        return False


def where_is(replica: Replica) -> str:
    """Height, round, step, locked and valid round."""
    state = replica.run.state
    return f"{state.height}/{state.round}/{state.step.name} locked {state.locked_round} valid {state.valid_round}"
