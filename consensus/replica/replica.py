"""`Replica`: one validator without its network, disk and clock. Messages and timers in, outputs out.

Rule: the same object runs in the node and in the simulator. Every message may be hostile: a fault becomes an output,
never an exception. Only `Bug` is raised, and then nothing may be signed any more.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from clearing.base.codec import decode
from clearing.base.errors import Bug, RemoteFault
from clearing.base.token_bucket import TokenBuckets
from consensus.application import Application, Misbehaviour
from consensus.blocks.admission import Admission
from consensus.blocks.executor import BlockExecutor
from consensus.blocks.height_context import HeightContext
from consensus.blocks.store import BlockStore, keep_sets, save_committed
from consensus.chain_state import ChainState
from consensus.core.adaptive_timeouts import AdaptiveTimeouts
from consensus.core.events import StartHeight, TimeoutElapsed
from consensus.core.state import Step
from consensus.evidence.attack import LightClientAttack, proofs_of_attack
from consensus.evidence.judge import EvidencePool
from consensus.links import Links
from consensus.messages import CommittedBlock, MessageKind, read_envelope, read_message
from consensus.outputs import Clock, Decided, Output, PeerFault, Persist, StartTimer
from consensus.replica.current_height import CurrentHeight
from consensus.replica.dissemination import Dissemination
from consensus.replica.height import HeightRun
from consensus.replica.inbox import Inbox
from consensus.signing import CertificateCache, Signer, Verifier
from consensus.sync.catchup import CatchUp
from consensus.timeouts import PAPER_TIMERS, Timeouts, TimerKind
from consensus.wal import Record, RecordKind, TimeoutRecord

RECORD_BYTES_UNSYNCED_MAX = 4 << 20
"""Inputs held back from the log until the next own message, at most; far below a frame's limit."""
FAULTS_PER_SECOND = 20
FAULTS_AT_ONCE = 200
"""A fault costs up to some ms of signature checks, and a line in the node's log."""
FAULT_BYTES = 64 << 10
"""This many bytes of a faulty message count as one more fault: a long one takes longer to read."""


@dataclass(frozen=True, slots=True)
class ReplicaConfig:
    """The pace of one node. Nothing here can change a decision."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    block_interval_ms_min: int = 50
    """From the start of one height to the start of the next, when there is work; longer where heights are slow."""
    heartbeat_ms: int = 500
    """The same without work."""
    rebroadcast_ms: int = 1000
    status_ms: int = 1000


class Replica:
    """Drive it with `start`, `receive`, `on_timer`, `connected` and `notify_work`; perform the outputs of each call, in
    order."""

    def __init__(
        self,
        chain: ChainState,
        application: Application,
        store: BlockStore,
        signer: Signer,
        verifier: Verifier,
        clock: Clock,
        config: ReplicaConfig,
        has_work: Callable[[], bool],
        recorded: Sequence[Record] = (),
    ) -> None:
        certificates = CertificateCache(verifier, chain.network)
        admission = Admission(application, verifier, certificates)
        self._context = HeightContext(
            application=application,
            executor=BlockExecutor(application, verifier, certificates),
            admission=admission,
            verifier=verifier,
            certificates=certificates,
            signer=signer,
            clock=clock,
            timeouts=AdaptiveTimeouts(config.timeouts),
            evidence=EvidencePool(),
            links=Links(signer.envelope_key),
        )
        self._store, self._signer, self._clock = store, signer, clock
        self._config, self._has_work = config, has_work
        self._recorded = tuple(recorded)
        self._replaying = False
        self._current = CurrentHeight(chain, self._context, self._recorded_above(chain.height))
        self.catch_up = CatchUp(self._current, self._context, store, self._emit, self._commit_fetched)
        self._dissemination = Dissemination(self._current, self._context, self._emit)
        self._inbox = Inbox(
            self._current, self._context, self.catch_up, self._dissemination, self.start_height, self._emit
        )
        self._faults = TokenBuckets(FAULTS_PER_SECOND, FAULTS_AT_ONCE, ticks=1000)
        self._out: list[Output] = []
        self._started_ms = clock.steady_ms()
        self._paced = False
        self._progress: tuple[int, int, Step] | None = None

    @property
    def chain(self) -> ChainState:
        """After the last decided block."""
        return self._current.chain

    @property
    def run(self) -> HeightRun:
        """The height that runs."""
        return self._current.run

    @property
    def missing_version(self) -> int | None:
        """The protocol version that the next height needs and this release lacks; None while it takes part."""
        return self._current.missing_version

    @property
    def context(self) -> HeightContext:
        """What the parts of this replica share."""
        return self._context

    @property
    def clock(self) -> Clock:
        """The driver's clocks."""
        return self._clock

    def start(self) -> list[Output]:
        """Replay what the log recorded of the height that was running, then join the network."""
        self._emit(StartTimer(TimerKind.REBROADCAST, 0, 0, self._config.rebroadcast_ms))
        self._emit(StartTimer(TimerKind.STATUS, 0, 0, self._config.status_ms))
        if not self._replay():
            self._pace()
        self.catch_up.broadcast_status()
        return self._drain()

    def receive(self, peer: bytes, data: bytes) -> list[Output]:
        """An envelope from a peer whose envelope key the transport has authenticated.

        A peer that sends more faults than `FAULTS_PER_SECOND` is not read until its budget is refilled.
        """
        now = self._clock.steady_ms()
        if not self._faults.has(peer, now):
            return []
        self._dissemination.hear(peer, now)
        try:
            envelope = read_envelope(data)
            if envelope.kind is MessageKind.BLOCK_RESPONSE and not self.catch_up.awaits(peer):
                return []
            message = read_message(envelope)
            self._inbox.take(peer, envelope, message, data)
        except RemoteFault as fault:
            self._faults.charge(peer, now, 1 + len(data) // FAULT_BYTES, FAULTS_AT_ONCE)
            self._emit(PeerFault(peer, fault))
        return self._drain()

    def on_timer(self, kind: TimerKind, height: int, round_: int) -> list[Output]:
        """A timer ran out. One of another height means nothing."""
        if kind in PAPER_TIMERS:
            if height == self.run.height:
                self.run.take_timeout(TimeoutElapsed(kind, round_))
        elif kind is TimerKind.REBROADCAST:
            self._rebroadcast()
        elif kind is TimerKind.COLLECT:
            if height == self.run.height:
                self.run.take_collect_timeout(round_)
        elif kind is TimerKind.ASK:
            if height == self.run.height:
                self._ask()
        elif kind is TimerKind.LINKS:
            self._dissemination.renew_links()
        elif kind is TimerKind.STATUS:
            self.catch_up.broadcast_status()
            self._dissemination.renew_links()
            self._emit(StartTimer(TimerKind.STATUS, 0, 0, self._config.status_ms))
        elif kind is TimerKind.SYNC:
            self.catch_up.ask()
        elif kind is TimerKind.APPLY:
            self.catch_up.apply_next()
        elif height == self.run.height and self.run.state.step is Step.NEW:
            self._on_pace(kind)
        return self._drain()

    def connected(self, peers: Collection[bytes]) -> list[Output]:
        """The transport's connected peers have changed. Without this a broken link is noticed after some seconds."""
        self._dissemination.connected(peers)
        return self._drain()

    def notify_work(self) -> list[Output]:
        """There is something to put into a block: don't wait for the heartbeat."""
        if self._paced and self.run.state.step is Step.NEW:
            self.start_height()
        return self._drain()

    def start_height(self) -> None:
        """Enter round 0 and take the early messages."""
        if self.run.state.step is not Step.NEW or self.missing_version is not None:
            return
        self._started_ms = self._clock.steady_ms()
        self.run.feed(StartHeight())
        self._inbox.take_early()

    def commit(self, committed: CommittedBlock, *, fetched: bool) -> None:
        """Store a decided block (a fetched one is), apply it, and turn to the next height."""
        duration = 0 if fetched else self._clock.steady_ms() - self._started_ms
        self._flush_run()
        if not fetched:
            save_committed(self._store, committed)
        chain = self._context.executor.apply(self.chain, committed.block, committed.certificate, committed.extensions)
        keep_sets(self._store, chain)
        if not fetched and not self._replaying:
            self._context.timeouts.observe(self.run.watch.observed)
        self._context.evidence.forget(committed.block.evidence)
        self._emit(Decided(committed, committed.certificate.round + 1, duration, fetched))
        self._current.advance(chain, self._recorded_above(chain.height))
        self._inbox.turn()
        self._dissemination.turn()
        self._pace()
        self._replay()

    def submit_attack(self, attack: LightClientAttack) -> tuple[tuple[Misbehaviour, ...], list[Output]]:
        """A light client saw this attack: keep its proofs for a block and send them to the other validators.

        Returns the accusations. Raises RemoteFault when it proves nothing, or nothing new.
        """
        judge = self._context.executor.judge
        accused: list[Misbehaviour] = []
        faults: list[RemoteFault] = []
        for proof in proofs_of_attack(attack, judge.sets(self.chain)):
            try:
                accused += judge.check_proof(self.chain, proof)
            except RemoteFault as fault:
                faults.append(fault)
                continue
            self.run.report(proof)
        if not accused:
            raise faults[0]
        return tuple(accused), self._drain()

    def _commit_fetched(self, committed: CommittedBlock) -> None:
        self.commit(committed, fetched=True)

    def _recorded_above(self, decided: int) -> tuple[Record, ...]:
        """What the log recorded of the height above `decided`; more than one is ahead only after a rollback."""
        height = decided + 1
        self._recorded = tuple(record for record in self._recorded if record.height >= height)
        return tuple(record for record in self._recorded if record.height == height)

    def _replay(self) -> bool:
        """Feed the recorded inputs again, silently; own messages come from the log. Then repeat the last ones.

        Goes on with the next height while one is decided so. False when nothing is recorded of the running one.
        """
        if self._replaying or self.missing_version is not None:
            return False
        if not (recorded := self._recorded_above(self.chain.height)):
            return False
        self._replaying = True
        while recorded:
            height = self.run.height
            self.run.feed(StartHeight())
            for record in recorded:
                self._take_recorded(record)
                self._finish_if_decided()
                if self.run.height != height:
                    break
            goes_on = self.run.height != height and self.missing_version is None
            recorded = self._recorded_above(self.chain.height) if goes_on else ()
        self._replaying = False
        if self.run.state.step is not Step.NEW:
            self._check_replayed_lock()
            self._repeat()
        return True

    def _take_recorded(self, record: Record) -> None:
        if record.kind is RecordKind.TIMEOUT:
            elapsed = decode(record.data, TimeoutRecord)
            self.run.feed(TimeoutElapsed(elapsed.kind, elapsed.round))
        elif record.kind is RecordKind.RECEIVED:
            envelope = read_envelope(record.data)
            self._inbox.take_recorded(envelope, read_message(envelope))

    def _check_replayed_lock(self) -> None:
        """A precommit that was sent must have left its lock, or a later vote could break it. Raises Bug."""
        locked = max((vote.round for vote in self.run.outbox.value_precommits()), default=-1)
        if self.run.state.locked_round < locked:
            raise Bug(f"height {self.run.height}: the log holds a precommit of round {locked} but not what led to it")

    def _pace(self) -> None:
        """Wait for the minimum interval; start at once when others are ahead already."""
        self._paced = False
        if self.missing_version is not None:
            return
        elapsed = self._clock.steady_ms() - self._started_ms
        wait = 0 if self._inbox.has_early else max(0, self._config.block_interval_ms_min - elapsed)
        self._emit(StartTimer(TimerKind.PACE, self.run.height, 0, wait))

    def _on_pace(self, kind: TimerKind) -> None:
        if kind is TimerKind.HEARTBEAT or self._has_work() or self._inbox.has_early:
            self.start_height()
            return
        self._paced = True
        wait = max(0, self._config.heartbeat_ms - self._config.block_interval_ms_min)
        self._emit(StartTimer(TimerKind.HEARTBEAT, self.run.height, 0, wait))

    def _repeat(self) -> None:
        """Nothing moved: repeat the own messages, and let others send what is missing here."""
        self.run.repeat()
        self._dissemination.ask()
        if not self._context.links.missing:
            self._dissemination.show_have_list()

    def _ask(self) -> None:
        """A part of a round has passed; ask until the height is decided, or nothing can be missing."""
        if not self.run.state.running:
            return
        self._dissemination.ask()
        if self._context.links.missing or self.run.missing_block() is not None:
            self.run.ask_later()

    def _rebroadcast(self) -> None:
        self._inbox.regain()
        state = self.run.state
        progress = (state.height, state.round, state.step)
        if state.running and progress == self._progress:
            self._repeat()
        self._progress = progress
        self._emit(StartTimer(TimerKind.REBROADCAST, 0, 0, self._config.rebroadcast_ms))

    def _finish_if_decided(self) -> None:
        if self.run.decided is not None:
            self.commit(self.run.decided, fetched=False)

    def _flush_run(self) -> None:
        """Move what the running height wants done to the outputs, durable records first."""
        run = self.run
        if run.must_persist or run.record_bytes > RECORD_BYTES_UNSYNCED_MAX:
            self._emit(Persist(run.take_records()))
        self._out.extend(run.outputs)
        run.outputs.clear()
        self.catch_up.note_signers(run.fetching)
        run.fetching.clear()

    def _emit(self, output: Output) -> None:
        self._out.append(output)

    def _drain(self) -> list[Output]:
        self._finish_if_decided()
        self._flush_run()
        out, self._out = self._out, []
        return out
