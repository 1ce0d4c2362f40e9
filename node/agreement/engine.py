"""`Engine`: one replica on a real network, disk and clock, as one task for each channel and one for time.

Rule: outputs are performed in order, and a log frame is durable before any later output is sent. Replica and
application run in these tasks only; each input is processed whole, without waiting. A `Bug` leaves `run`, and nothing
is signed after it.
"""

import heapq
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import trio

from clearing.base.errors import LocalFault, RemoteFault
from consensus.application import Application, Misbehaviour
from consensus.blocks.store import BlockStore, restore_chain
from consensus.chain_state import ApplicationPosition, ChainState
from consensus.codes import ConsensusCode
from consensus.evidence.attack import LightClientAttack
from consensus.outputs import Broadcast, Decided, Output, PeerFault, Persist, RuleFired, Send, StartTimer
from consensus.replica.replica import Replica, ReplicaConfig
from consensus.signing import CurveVerifier, Signer, Verifier
from consensus.sync.messages import is_sync_envelope
from consensus.timeouts import TimerKind
from node.p2p.network import Incoming, Network, PeerChannel
from node.signer.local import GuardedSigner
from node.store.wal import WalFile

LATE_SECONDS = 0.005
TURNS_WHEN_LATE = 8
"""A timer fires late after a standstill; messages that arrived meanwhile are taken first."""


class SystemClock:
    """The machine's wall clock, and trio's steady one (so that a virtual trio clock drives it in tests)."""

    def wall_ms(self) -> int:
        """See `consensus.outputs.Clock`."""
        return time.time_ns() // 1_000_000

    def steady_ms(self) -> int:
        """See `consensus.outputs.Clock`."""
        return int(trio.current_time() * 1000)


@dataclass(slots=True)
class EngineStats:
    """Counts since start, for metrics."""

    heights: int = 0
    heights_fetched: int = 0
    rounds_beyond_first: int = 0
    log_frames: int = 0
    log_lost: bool = False
    """The log lacked what was signed: nothing is signed in the height that was running."""
    faults: Counter[str] = field(default_factory=Counter)
    rules: Counter[int] = field(default_factory=Counter)
    durations_ms: deque[int] = field(default_factory=lambda: deque(maxlen=4096))
    """From the start of a height to its decision, of heights decided here."""


@dataclass(frozen=True, slots=True)
class ConsensusGenesis:
    """What the chain starts from."""

    network: bytes
    time_ms: int


@dataclass(frozen=True, slots=True)
class Hooks:
    """Callbacks to the node, in the engine's task: they must be quick and must not raise."""

    on_decided: Callable[[Decided], None] = lambda _: None
    on_peer_fault: Callable[[bytes, RemoteFault], None] = lambda _, __: None
    has_work: Callable[[], bool] = lambda: False
    """Whether a block should be made before the heartbeat."""
    on_sync: Callable[[Incoming], None] = lambda _: None
    """Requests of nodes that join: answered by another service than the replica."""


class Engine:
    """Construct it with the application at `position`; then `await nursery.start(engine.run)`."""

    def __init__(
        self,
        genesis: ConsensusGenesis,
        position: ApplicationPosition,
        application: Application,
        store: BlockStore,
        signer: Signer,
        log: WalFile,
        network: Network,
        config: ReplicaConfig | None = None,
        hooks: Hooks | None = None,
        verifier: Verifier | None = None,
    ) -> None:
        self._hooks = hooks or Hooks()
        self._log = log
        self._network = network
        self.stats = EngineStats()
        self._genesis, self._position = genesis, position
        self._parts = (application, store, signer, verifier or CurveVerifier(), config or ReplicaConfig())
        self._chain: ChainState | None = None
        self._replica: Replica | None = None
        self._ended = False
        self._timers: dict[TimerKind, tuple[float, int]] = {}
        self._due: list[tuple[float, int, TimerKind, int, int]] = []
        self._numbers = 0
        self._peers: frozenset[bytes] = frozenset()
        self._work = False
        self._wake = trio.Event()
        self._sleep = trio.CancelScope()

    def restore(self) -> None:
        """Feed the application the stored blocks that it lacks. Raises LocalFault, Bug."""
        application, store, signer, verifier, _ = self._parts
        genesis = self._genesis
        self._chain = restore_chain(genesis.network, genesis.time_ms, self._position, application, store, verifier)
        if isinstance(signer, GuardedSigner):
            self.stats.log_lost = not signer.stand_beside(self._log, self._chain.height)

    @property
    def chain(self) -> ChainState:
        """The decided chain. Raises LocalFault before `restore`."""
        if self._chain is None:
            raise LocalFault(ConsensusCode.WRONG_HEIGHT, "engine before restore")
        return self._chain if self._replica is None else self._replica.chain

    @property
    def running(self) -> tuple[int, int, str]:
        """Height, round and step that are worked on, for status pages."""
        if self._replica is None:
            return self.chain.height + 1, -1, "STOPPED"
        if self._replica.missing_version is not None:
            return self.chain.height + 1, -1, "UPGRADE NEEDED"
        state = self._replica.run.state
        return state.height, state.round, state.step.name

    @property
    def peers_height(self) -> int:
        """The highest height that a peer said to have decided, unproven; 0 for none."""
        return 0 if self._replica is None else self._replica.catch_up.best_height

    def notify_work(self) -> None:
        """Say that there is something to put into a block. Call it in trio's thread."""
        self._work = True
        self._wake.set()

    def submit_attack(self, attack: LightClientAttack) -> tuple[Misbehaviour, ...]:
        """Submit evidence of a light client to the validators; returns whom it accuses. Call it in trio's thread.

        Raises RemoteFault when it proves nothing, or nothing new; LocalFault before and after `run`.
        """
        if self._replica is None or self._ended:
            raise LocalFault(ConsensusCode.WRONG_HEIGHT, "engine", height=self.chain.height)
        accused, outputs = self._replica.submit_attack(attack)
        self._perform(outputs)
        return accused

    async def run(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Restore if that was not done, replay the log, then take part until cancelled. Raises Bug; closes the log."""
        if self._chain is None:
            self.restore()
        application, store, signer, verifier, config = self._parts
        replica = self._replica = Replica(
            self.chain,
            application,
            store,
            signer,
            verifier,
            SystemClock(),
            config,
            self._hooks.has_work,
            recorded=self._log.records,
        )
        try:
            self._perform(replica.start())
            async with trio.open_nursery() as nursery:
                for channel in PeerChannel:
                    nursery.start_soon(self._receive, replica, channel)
                task_status.started()
                await self._keep_time(replica)
        finally:
            self._ended = True  # for requests still under way: nothing may be sent that is in no log
            self._log.close()

    async def _receive(self, replica: Replica, channel: PeerChannel) -> None:
        """Take one message a turn, so that its replies are sent before the next is taken."""
        async for incoming in self._network.receive(channel):
            if channel is PeerChannel.SYNC and is_sync_envelope(incoming.data):
                self._hooks.on_sync(incoming)
            else:
                self._perform(replica.receive(incoming.sender, incoming.data))

    async def _keep_time(self, replica: Replica) -> None:
        """Fire timers, and start heights for which there is work."""
        while True:
            self._look_at_peers(replica)
            if self._work:
                self._work = False
                self._perform(replica.notify_work())
            if trio.current_time() > self._next_deadline() + LATE_SECONDS:
                for _ in range(TURNS_WHEN_LATE):
                    await trio.lowlevel.checkpoint()
            self._fire_timers(replica)
            if not self._work:
                self._wake = trio.Event()
                with trio.CancelScope(deadline=self._next_deadline()) as self._sleep:
                    await self._wake.wait()

    def _look_at_peers(self, replica: Replica) -> None:
        if self._peers != self._network.peers:
            self._peers = self._network.peers
            self._perform(replica.connected(self._peers))

    def _perform(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Persist(records):
                    self._log.append(records)
                    self.stats.log_frames += 1
                case Broadcast(lane, data):
                    self._network.broadcast(PeerChannel(lane), data)
                case Send(to, lane, data):
                    self._network.send(to, PeerChannel(lane), data)
                case StartTimer(kind, height, round_, duration_ms):
                    self._set_timer(kind, height, round_, duration_ms)
                case Decided():
                    self._log.height_stored(output.committed.block.header.height)
                    self._count(output)
                    self._hooks.on_decided(output)
                case PeerFault(peer, fault):
                    self.stats.faults[fault.code.name] += 1
                    self._network.report(peer, fault)
                    self._hooks.on_peer_fault(peer, fault)
                case RuleFired(line):
                    self.stats.rules[line] += 1

    def _count(self, decided: Decided) -> None:
        self.stats.heights += 1
        self.stats.rounds_beyond_first += decided.rounds - 1
        if decided.fetched:
            self.stats.heights_fetched += 1
        else:
            self.stats.durations_ms.append(decided.duration_ms)

    def _set_timer(self, kind: TimerKind, height: int, round_: int, duration_ms: int) -> None:
        self._numbers += 1
        at = trio.current_time() + duration_ms / 1000
        self._timers[kind] = (at, self._numbers)
        heapq.heappush(self._due, (at, self._numbers, kind, height, round_))
        if at < self._sleep.deadline:
            self._sleep.deadline = at

    def _next_deadline(self) -> float:
        while self._due and self._timers.get(self._due[0][2]) != self._due[0][:2]:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else float("inf")

    def _fire_timers(self, replica: Replica) -> None:
        """Fire what is due; timers that this starts wait for the next turn."""
        now, last = trio.current_time(), self._numbers
        while self._next_deadline() <= now and self._due[0][1] <= last:
            _, _, kind, height, round_ = heapq.heappop(self._due)
            del self._timers[kind]
            self._perform(replica.on_timer(kind, height, round_))
