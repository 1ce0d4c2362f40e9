"""A validator that died at any byte of its log comes back, contradicts nothing it sent, and decides what others did."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from clearing.base.certificate import NIL, VoteKind
from clearing.base.errors import LocalFault
from clearing.base.validators import Validator
from consensus.blocks.store import load_committed, restore_chain, save_committed
from consensus.core.state import Step
from consensus.messages import Extension, MessageKind, Proposal, Vote, read_envelope, read_message
from consensus.outputs import Broadcast, Output, Persist, Send, StartTimer
from consensus.timeouts import TimerKind
from consensus.wal import Record, encode_frame, read_frames
from member.codes import NodeCode
from node.signer.sign_state import SignGuard
from tests.kit.consensus.crypto import KEYS, VALIDATORS, FakeSigner, FakeVerifier
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.consensus.replicas import GENESIS_MS, NETWORK, HandClock, new_replica
from tests.kit.consensus.toy import ToyApplication
from tests.sim.consensus.network import Faults, SimNetwork
from tests.sim.consensus.node import SimNode, where_is

HEIGHTS = 5
DEAF_MS = 400
SignedAt = tuple[int, int, int]


class FlakySigner(FakeSigner):
    """One in another process, which is away from time to time."""

    def __init__(self, validator: Validator, guard: SignGuard, away: Callable[[], bool]) -> None:
        super().__init__(NETWORK, validator, guard)
        self._away = away

    def _ask(self) -> None:
        if self._away():
            raise LocalFault(NodeCode.SIGNER_SILENT, "signer")

    def sign_vote(self, validators_hash: bytes, kind: VoteKind, height: int, round_: int, value: bytes) -> bytes:
        share = super().sign_vote(validators_hash, kind, height, round_, value)
        self._ask()
        return share

    def sign_proposal(self, validators_hash: bytes, height: int, round_: int, pol_round: int, value: bytes) -> bytes:
        self._ask()
        return super().sign_proposal(validators_hash, height, round_, pol_round, value)

    def sign_extension(
        self, validators_hash: bytes, height: int, round_: int, value: bytes, extension: Extension
    ) -> bytes:
        self._ask()
        return super().sign_extension(validators_hash, height, round_, value, extension)


@dataclass
class Moment:
    """The disk when a frame was about to be written: the step is signed, the frame is not there yet."""

    log_bytes: int
    guard: SignGuard
    height: int


@dataclass
class Peer:
    """One replica, its disk and its timers."""

    index: int
    clock: HandClock
    store: MemoryBlockStore = field(default_factory=MemoryBlockStore)
    log: bytearray = field(default_factory=bytearray)
    guard: SignGuard = field(default_factory=SignGuard)
    sent: list[bytes] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    timers: dict[TimerKind, tuple[int, int, int]] = field(default_factory=dict)
    away_ms: range = range(0)
    """When its signer does not answer."""

    def boot(self, records: list[Record]) -> list[Output]:
        application = ToyApplication(VALIDATORS, self.index)
        signer = FlakySigner(VALIDATORS.validators[self.index], self.guard, lambda: self.clock.now in self.away_ms)
        self.replica = new_replica(
            application=application,
            chain=restore_chain(NETWORK, GENESIS_MS, application.position, application, self.store, FakeVerifier()),
            store=self.store,
            signer=signer,
            clock=self.clock,
            recorded=records,
        )
        return self.replica.start()

    def perform(self, outputs: list[Output]) -> list[tuple[bytes | None, bytes]]:
        """What leaves: (to, data), to everybody for None."""
        leaving: list[tuple[bytes | None, bytes]] = []
        for output in outputs:
            match output:
                case Persist(records):
                    self.moments.append(
                        Moment(len(self.log), SignGuard(self.guard.last, self.guard.digest), self.store.height())
                    )
                    self.log += encode_frame(records)
                case Broadcast(_, data):
                    self.sent.append(data)
                    leaving.append((None, data))
                case Send(to, _, data):
                    leaving.append((to, data))
                case StartTimer(kind, height, round_, duration_ms):
                    self.timers[kind] = (self.clock.now + duration_ms, height, round_)
        return leaving


def run(seed: int, silent: int = 0) -> list[Peer]:
    """Four replicas decide some heights while messages are lost, so that heights take several rounds.

    So many signers are away together for some seconds.
    """
    chance, clock = random.Random(seed), HandClock()
    peers = [Peer(index, clock) for index in range(4)]
    for peer in chance.sample(peers, silent):
        peer.away_ms = range(chance.randint(50, 900), chance.randint(1000, 5000))
    heap: list[tuple[int, int, int, int, bytes]] = []
    number = 0

    def send(sender: int, leaving: list[tuple[bytes | None, bytes]]) -> None:
        nonlocal number
        for to, data in leaving:
            for index in range(4) if to is None else [KEYS.index(to)]:
                if index != sender and (clock.now % 1500 > DEAF_MS or chance.random() < 0.6):
                    number += 1
                    heapq.heappush(heap, (clock.now + chance.randint(1, 60), number, sender, index, data))

    for peer in peers:
        send(peer.index, peer.perform(peer.boot([])))
    while any(peer.store.height() < HEIGHTS for peer in peers):
        due = [(at, peer.index, kind) for peer in peers for kind, (at, _, _) in peer.timers.items()]
        clock.now = min([at for at, _, _ in due] + [event[0] for event in heap[:1]])
        assert clock.now < 120_000
        for at, index, kind in sorted(due):
            if at <= clock.now and kind in peers[index].timers:
                _, height, round_ = peers[index].timers.pop(kind)
                send(index, peers[index].perform(peers[index].replica.on_timer(kind, height, round_)))
        while heap and heap[0][0] <= clock.now:
            _, _, sender, index, data = heapq.heappop(heap)
            send(index, peers[index].perform(peers[index].replica.receive(KEYS[sender], data)))
    return peers


@pytest.fixture(scope="module", params=[(3, 0), (4, 0), (8, 0), (1, 2), (3, 4)], ids=str)
def peers(request: pytest.FixtureRequest) -> list[Peer]:
    return run(*request.param)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("silent", [1, 2, 3, 4])
def test_signers_that_were_away_together_stop_no_height_for_good(seed: int, silent: int) -> None:
    """A step that was not signed is signed when the signer is back, or a height without a quorum would stand."""
    peers = run(seed, silent)
    assert all(peer.store.height() >= HEIGHTS for peer in peers)
    for height in range(1, HEIGHTS + 1):
        assert len({block_at(peer, height) for peer in peers}) == 1
    for peer in peers:
        said: dict[SignedAt, bytes] = {}
        for data in peer.sent:
            for step, (value, _) in own_steps(peer, [data]).items():
                assert said.setdefault(step, value) == value


def own_steps(peer: Peer, messages: list[bytes]) -> dict[SignedAt, tuple[bytes, bytes]]:
    """(value, bytes) by height, round, step. What of others is passed on does not count."""
    found: dict[SignedAt, tuple[bytes, bytes]] = {}
    for data in messages:
        envelope = read_envelope(data)
        if envelope.sender != KEYS[peer.index]:
            continue
        message = read_message(envelope)
        if isinstance(message, Vote):
            found[message.height, message.round, int(message.kind)] = (message.value, data)
        elif isinstance(message, Proposal):
            found[message.height, message.round, 0] = (message.block.header.hash, data)
    return found


def test_the_run_has_what_makes_restarts_hard(peers: list[Peer]) -> None:
    said = [own_steps(peer, peer.sent) for peer in peers]
    assert any(round_ > 0 for steps in said for _, round_, _ in steps)
    assert all(len(peer.moments) > HEIGHTS for peer in peers)


def test_every_byte_of_the_log_cuts_to_the_frame_before_it(peers: list[Peer]) -> None:
    log = bytes(peers[0].log)
    starts = [moment.log_bytes for moment in peers[0].moments] + [len(log)]
    assert len(log) > 10_000
    for start, end in pairwise(starts):
        assert read_frames(log[start:end])[1] == end - start
        for cut in range(start, end):
            assert read_frames(log[start:cut]) == ([], 0)


def block_at(peer: Peer, height: int) -> bytes:
    stored = peer.store.load(height)
    assert stored is not None
    return stored[0]


def first_blocks(store: MemoryBlockStore, height: int) -> MemoryBlockStore:
    kept = MemoryBlockStore()
    for at in range(1, height + 1):
        committed = load_committed(store, at)
        assert committed is not None
        save_committed(kept, committed)
    return kept


def restarted(peer: Peer, at: int, torn: int) -> tuple[Peer, list[bytes]]:
    """The disk of that moment with some bytes of its frame, started again; what it sends."""
    moment = peer.moments[at]
    log = bytes(peer.log[: moment.log_bytes + torn])
    records, good = read_frames(log)
    again = Peer(peer.index, HandClock(peer.clock.now), first_blocks(peer.store, moment.height), bytearray(log[:good]))
    again.guard = SignGuard(moment.guard.last, moment.guard.digest)
    again.perform(again.boot(records))
    return again, again.sent


def at_step(guard: SignGuard) -> SignedAt:
    return guard.last.height, guard.last.round, guard.last.step


@pytest.mark.parametrize("index", range(4))
def test_after_a_crash_at_any_byte_nothing_sent_is_contradicted(peers: list[Peer], index: int) -> None:
    peer = peers[index]
    for at in range(len(peer.moments)):
        before = {record.data for record in read_frames(bytes(peer.log[: peer.moments[at].log_bytes]))[0]}
        was = own_steps(peer, [data for data in peer.sent if data in before])
        signed = own_steps(peer, peer.sent)
        for torn in (0, 1, 30):
            again, said = restarted(peer, at, torn)
            for step, (value, data) in own_steps(peer, said).items():
                if step in was:
                    assert data == was[step][1], "what left before leaves in the same bytes"
                elif step in signed and step <= at_step(peer.moments[at].guard):
                    assert value == signed[step][0], "what was signed and lost is signed again for the same value"
            height = again.replica.run.height
            locks = [r for (h, r, s), (v, _) in was.items() if (h, s) == (height, VoteKind.PRECOMMIT) and v != NIL]
            assert again.replica.run.state.locked_round >= max(locks, default=-1)


def meet(again: Peer, peers: list[Peer]) -> None:
    """Let the restarted one catch up with the others, who tell their height and answer what they are asked."""
    own = KEYS[again.index]
    others = {KEYS[peer.index]: peer for peer in peers if peer.index != again.index}

    def answers(outputs: list[Output]) -> list[tuple[bytes, bytes]]:
        """What the others reply to what leaves here: (sender, data)."""
        found = []
        for to, data in again.perform(outputs):
            for key in others if to is None else [to]:
                found += [(key, reply) for reply in _reaching(own, others[key].replica.receive(own, data))]
        return found

    for _ in range(100 * HEIGHTS):
        if again.store.height() >= HEIGHTS:
            return
        waiting = []
        for key, peer in others.items():
            peer.clock.now += 1000
            answered = peer.replica.on_timer(TimerKind.STATUS, 0, 0)
            waiting += [(key, data) for data in _reaching(own, answered)]
        for kind in (TimerKind.SYNC, TimerKind.APPLY):
            if kind in again.timers:
                at, height, round_ = again.timers.pop(kind)
                again.clock.now = max(again.clock.now, at)
                waiting += answers(again.replica.on_timer(kind, height, round_))
        for sender, data in waiting:
            for again_from, reply in answers(again.replica.receive(sender, data)):
                answers(again.replica.receive(again_from, reply))


def _reaching(key: bytes, outputs: list[Output]) -> list[bytes]:
    """What of these reaches one peer."""
    broadcast = [output.data for output in outputs if isinstance(output, Broadcast)]
    return broadcast + [output.data for output in outputs if isinstance(output, Send) and output.to == key]


@pytest.mark.parametrize("index", range(4))
def test_after_a_crash_at_any_frame_the_same_blocks_are_decided(peers: list[Peer], index: int) -> None:
    peer = peers[index]
    for at in range(len(peer.moments)):
        again, _ = restarted(peer, at, 0)
        meet(again, peers)
        assert again.store.height() >= HEIGHTS
        for height in range(1, HEIGHTS + 1):
            assert block_at(again, height) == block_at(peer, height)


@pytest.mark.parametrize("index", range(4))
def test_rolled_back_a_height_the_log_gives_the_block_and_the_lock_back(peers: list[Peer], index: int) -> None:
    """The log then holds two heights, and the upper one's lock must bind as if nothing had been taken away."""
    peer = peers[index]
    rolled = 0
    for at, moment in enumerate(peer.moments):
        if moment.height == 0:
            continue
        straight, _ = restarted(peer, at, 0)
        records, _ = read_frames(bytes(peer.log[: moment.log_bytes]))
        again = Peer(index, HandClock(peer.clock.now), first_blocks(peer.store, moment.height - 1))
        again.guard = SignGuard(moment.guard.last, moment.guard.digest)
        again.perform(again.boot(records))
        if straight.replica.run.state.step is Step.NEW:
            continue
        if again.store.height() < moment.height:  # the messages that ended it need not be in the log: peers have it
            committed = load_committed(peer.store, moment.height)
            assert committed is not None
            again.replica.commit(committed, fetched=True)
            again.perform(again.replica.notify_work())
        rolled += 1
        there, here = straight.replica.run.state, again.replica.run.state
        for name in ("height", "round", "step", "locked_round", "locked_value", "valid_round"):
            assert getattr(here, name) == getattr(there, name)
        now, then = own_steps(peer, again.sent), own_steps(peer, straight.sent)
        assert {step: now[step] for step in then} == then
    assert rolled


# Whole networks


def reboot(node: SimNode, height: int, wal: bytes) -> tuple[str, list[bytes], int]:
    """Of a replica over the node's first blocks and this log: where it is, what it sends, frames it writes."""
    application, store = ToyApplication(node.network.validators, node.index), first_blocks(node.store, height)
    records, good = read_frames(wal)
    assert good == len(wal)
    replica = new_replica(
        application=application,
        chain=restore_chain(NETWORK, GENESIS_MS, application.position, application, store, FakeVerifier()),
        store=store,
        signer=FakeSigner(NETWORK, node.validator, SignGuard()),
        clock=node.clock,
        recorded=records,
    )
    outputs = replica.start()
    said = [(read_envelope(output.data), output.data) for output in outputs if isinstance(output, Broadcast)]
    signed = (MessageKind.VOTE, MessageKind.PROPOSAL)
    sent = [data for found, data in said if found.kind in signed and found.sender == node.key]
    return where_is(replica), sent, sum(isinstance(output, Persist) for output in outputs)


@pytest.mark.parametrize("seed", range(6))
def test_every_prefix_of_a_log_replays_to_the_state_that_was(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    snapshots: list[tuple[SimNode, int, bytes, str]] = []
    sent: set[bytes] = set()
    persist, send = SimNode._persist, SimNetwork.send

    def watch(node: SimNode, records: tuple[Record, ...]) -> None:
        persist(node, records)
        if node.replica is not None and node.replica.run.decided is None:
            height = node.replica.run.height
            if height == node.height + 1 and "NEW" not in node.where:
                snapshots.append((node, node.height, node.wal, node.where))

    def overhear(network: SimNetwork, sender: int, to: int, lane: object, data: bytes) -> None:
        sent.add(data)
        send(network, sender, to, lane, data)  # type: ignore[arg-type]

    monkeypatch.setattr(SimNode, "_persist", watch)
    monkeypatch.setattr(SimNetwork, "send", overhear)
    network = SimNetwork(seed, Faults(heal_ms=3000, liars=((0, "equivocator"),) if seed % 2 else ()))
    network.run()
    monkeypatch.undo()
    assert len(snapshots) > 20
    for node, height, wal, where in snapshots:
        if node.lie is None:
            restarted_at, repeated, frames = reboot(node, height, wal)
            assert (restarted_at, frames) == (where, 0)
            assert repeated
            assert set(repeated) <= sent
