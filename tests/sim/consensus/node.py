"""One simulated validator: the real `Replica` over the real log and sign state files, on a disk that can die.

Rule: what is lost in a crash is what a real one loses: memory always, and with the power what was not synced. A node
that refuses to start is repaired as its operator would, by cutting the log at the damage.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from clearing.base.errors import Bug, CrossclearError, LocalFault
from consensus.blocks.store import load_committed, restore_chain
from consensus.codes import ConsensusCode
from consensus.messages import CommittedBlock
from consensus.outputs import Broadcast, Decided, Output, PeerFault, Persist, RuleFired, Send, StartTimer
from consensus.replica.replica import Replica
from consensus.timeouts import TimerKind
from consensus.wal import Record, summarize_log
from node.signer.sign_state import SignGuard, SignStateFile
from node.store.wal import WalFile
from tests.kit.adversaries.context import Adversary, AdversaryContext, disguise, overhear
from tests.kit.adversaries.registry import make_adversary
from tests.kit.consensus.crypto import FakeSigner, NoGuard
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.consensus.replicas import GENESIS_MS
from tests.sim.consensus.disk import MachineDied, SimDisk
from tests.sim.consensus.house import BOTH_VERSIONS
from tests.sim.violation import require

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


class SimStore(MemoryBlockStore):
    """Saving is one operation of the disk: it happens or not."""

    def __init__(self, disk: SimDisk) -> None:
        super().__init__()
        self._disk = disk

    def save(self, height: int, block: bytes, certificate: bytes, extended_commit: bytes) -> None:
        dies = self._disk.tick()
        if not (dies and self._disk.random.randrange(2)):
            super().save(height, block, certificate, extended_commit)
        if dies:
            self._disk.die()


class SimNode:
    """Index, disk and, while it is alive, a replica."""

    def __init__(self, network: "SimNetwork", index: int, lie: str | None) -> None:
        faults = network.faults
        self.network, self.index, self.lie = network, index, lie
        self.validator = network.everybody.validators[index]
        self.key = self.validator.envelope_key
        self.disk = SimDisk(network.random, drops_syncs_of=network.faults.drops_syncs_of)
        self.store = SimStore(self.disk)
        skew = network.random.randint(-faults.skew_ms_max, faults.skew_ms_max)
        self.clock = SimClock(network, skew, GENESIS_MS)
        self.house = network.house(self)
        self.log: WalFile | None = None
        self.guard: SignGuard = NoGuard()
        self.replica: Replica | None = None
        self.last_committed: CommittedBlock | None = None
        self.restarts = 0
        self.repairs = 0
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
        """Decided and applied; while it is down, what is stored."""
        return self.store.height() if self.replica is None else self.replica.chain.height

    @property
    def where(self) -> str:
        return "down" if self.replica is None else where_is(self.replica)

    @property
    def wal(self) -> bytes:
        """What a reader of the log sees now."""
        return bytes(self.disk.files["wal"].data) if "wal" in self.disk.files else b""

    def committed(self) -> list[CommittedBlock]:
        """All decided blocks, from the store."""
        loaded = (load_committed(self.store, height) for height in range(1, self.height + 1))
        return [found for found in loaded if found is not None]

    def boot(self) -> None:
        if not self.alive:
            self._attempt(self._boot)

    def _boot(self) -> list[Output]:
        network = self.network
        log = self.log = self._open_log()
        if self.lie is None:
            self.guard = SignStateFile(self.disk.path("sign"), sync=network.faults.sign_state_synced)
        application, position = self.house.boot()
        verifier = network.verifier(self)
        chain = restore_chain(network.id, GENESIS_MS, position, application, self.store, verifier)
        signer = network.signer(self)
        signer.stand_beside(log, chain.height)
        self.replica = Replica(
            chain,
            application,
            self.store,
            signer,
            verifier,
            self.clock,
            network.faults.config,
            has_work=lambda: self.house.has_work,
            recorded=log.records,
        )
        network.monitor.booted(self)
        return self.replica.start()

    def _open_log(self) -> WalFile:
        try:
            return WalFile(self.disk.path("wal"))
        except LocalFault as fault:
            if fault.code is not ConsensusCode.WAL_CORRUPT:
                raise
            found = summarize_log(self.wal)
            self.disk.files["wal"].cut(found.damaged_at)
            self.disk.files["wal"].sync()
            self.repairs += 1
            return WalFile(self.disk.path("wal"))

    def crash(self, *, power: bool = False) -> None:
        """Lose everything but the disk; with the power also what was not synced."""
        self.replica = self.log = None
        self._timers.clear()
        self.house.crash()
        self.disk.fuse = None
        if power:
            self.disk.lose_power()
        faults = self.network.faults
        if self.index in faults.rotten and not self.network.healed and (faults.sign_state_synced or not power):
            self.disk.rot("wal")  # A log that rots and a sign state that was lost at once are more than either guards.
        self.restarts += 1

    def upgrade(self) -> None:
        """Its operator stops it, installs the release with both versions, and starts it again."""
        above = self.network.faults.upgrade_height and self.store.height() >= self.network.faults.upgrade_height
        require(not above, "a release without the rules decided their block", node=self.index, height=self.height)
        if self.alive:
            self.crash()
        self.house.release = BOTH_VERSIONS
        self.boot()

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

    def work(self) -> None:
        """Something came into the pool."""
        if self.replica is not None:
            self._attempt(self.replica.notify_work)

    def _context(self) -> AdversaryContext:
        return AdversaryContext(
            network=self.network.id,
            signer=FakeSigner(self.network.id, self.validator, None),
            random=self.network.random,
            replica=lambda: self.replica,
            vary=self.network.vary,
        )

    def _attempt(self, act: Callable[[], list[Output]], *, disguised: bool = False) -> None:
        """One turn of the replica. The machine may die in it. A liar that trips over its own lies starts again."""
        try:
            outputs = act()
            if self.adversary is not None and not disguised:
                outputs = disguise(self.adversary, outputs)
            self._perform(outputs)
        except MachineDied:
            self._go_down(power=self.network.random.randrange(4) > 0)
        except (CrossclearError, Bug):
            if self.adversary is None:
                raise
            self._go_down(power=False)

    def _go_down(self, *, power: bool) -> None:
        self.crash(power=power)
        self.network.schedule(self.network.random.randrange(1_000_000), "boot", self.index)

    def _persist(self, records: tuple[Record, ...]) -> None:
        if self.log is not None:
            self.log.append(records)

    def _perform(self, outputs: list[Output]) -> None:
        network = self.network
        for output in outputs:
            match output:
                case Persist(records):
                    self._persist(records)
                case Broadcast(lane, data):
                    network.broadcast(self.index, lane, data)
                case Send(to, lane, data):
                    network.send_one(self.index, network.by_key[to].index, lane, data)
                case StartTimer(kind, height, round_, duration_ms):
                    after = duration_ms * 1000 + network.random.randrange(1000)
                    self._timers[kind] = network.schedule(after, "timer", self.index, (kind, height, round_))
                case Decided(committed):
                    if self.log is not None:
                        self.log.height_stored(committed.block.header.height)
                    self.last_committed = committed
                    network.decided(self, committed)
                case PeerFault(_, fault):
                    name = fault.code.name
                    network.monitor.faults[name] = network.monitor.faults.get(name, 0) + 1
                case RuleFired(line):
                    network.monitor.rules.add(line)


def where_is(replica: Replica) -> str:
    """Height, round, step, locked and valid round."""
    state = replica.run.state
    return f"{state.height}/{state.round}/{state.step.name} locked {state.locked_round} valid {state.valid_round}"
