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
from consensus.blocks.store import MemoryBlockStore, load_committed, restore_chain
from consensus.core.state import Step
from consensus.messages import Extension, Proposal, Vote, read_envelope, read_message
from consensus.outputs import Broadcast, Decided, Output, Persist, Send, StartTimer
from consensus.replica.replica import Replica, ReplicaConfig
from consensus.timeouts import TimerKind
from consensus.wal import Record, encode_frame, read_frames
from member.codes import NodeCode
from node.signer.sign_state import SignGuard
from tests.kit.consensus.crypto import FakeSigner, FakeVerifier, validator_set
from tests.kit.consensus.toy import ToyApplication

NETWORK = bytes(range(32))
START_MS = 1_700_000_000_000
SET = validator_set(4)
HEIGHTS = 5
DEAF_MS = 400
SignedAt = tuple[int, int, int]


@dataclass
class Clock:
    now_ms: int = 0

    def wall_ms(self) -> int:
        return START_MS + self.now_ms

    def steady_ms(self) -> int:
        return self.now_ms


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
    clock: Clock
    store: MemoryBlockStore = field(default_factory=MemoryBlockStore)
    log: bytearray = field(default_factory=bytearray)
    guard: SignGuard = field(default_factory=SignGuard)
    sent: list[bytes] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    timers: dict[TimerKind, tuple[int, int, int]] = field(default_factory=dict)
    away_ms: range = range(0)
    """When its signer does not answer."""

    def boot(self, records: list[Record]) -> list[Output]:
        application, verifier = ToyApplication(SET, self.index), FakeVerifier()
        chain = restore_chain(NETWORK, START_MS, application.position, application, self.store, verifier)
        validator = SET.validators[self.index]
        signer = FlakySigner(validator, self.guard, lambda: self.clock.now_ms in self.away_ms)
        self.replica = Replica(
            chain, application, self.store, signer, verifier, self.clock, ReplicaConfig(), lambda: True, records
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
                    self.timers[kind] = (self.clock.now_ms + duration_ms, height, round_)
                case Decided():
                    pass
        return leaving


def run(seed: int, silent: int = 0) -> list[Peer]:
    """Four replicas decide some heights while messages are lost, so that heights take several rounds.

    So many signers are away together for some seconds.
    """
    chance, clock = random.Random(seed), Clock()
    peers = [Peer(index, clock) for index in range(4)]
    for peer in chance.sample(peers, silent):
        peer.away_ms = range(chance.randint(50, 900), chance.randint(1000, 5000))
    keys = [validator.envelope_key for validator in SET.validators]
    heap: list[tuple[int, int, int, int, bytes]] = []
    number = 0

    def send(sender: int, leaving: list[tuple[bytes | None, bytes]]) -> None:
        nonlocal number
        for to, data in leaving:
            for index in range(4) if to is None else [keys.index(to)]:
                if index != sender and (clock.now_ms % 1500 > DEAF_MS or chance.random() < 0.6):
                    number += 1
                    heapq.heappush(heap, (clock.now_ms + chance.randint(1, 60), number, sender, index, data))

    for peer in peers:
        send(peer.index, peer.perform(peer.boot([])))
    while any(peer.store.height() < HEIGHTS for peer in peers):
        due = [(at, peer.index, kind) for peer in peers for kind, (at, _, _) in peer.timers.items()]
        clock.now_ms = min([at for at, _, _ in due] + [event[0] for event in heap[:1]])
        assert clock.now_ms < 120_000
        for at, index, kind in sorted(due):
            if at <= clock.now_ms and kind in peers[index].timers:
                _, height, round_ = peers[index].timers.pop(kind)
                send(index, peers[index].perform(peers[index].replica.on_timer(kind, height, round_)))
        while heap and heap[0][0] <= clock.now_ms:
            _, _, sender, index, data = heapq.heappop(heap)
            send(index, peers[index].perform(peers[index].replica.receive(keys[sender], data)))
    return peers


@pytest.fixture(scope="module", params=[(1, 0), (2, 0), (8, 0), (1, 2), (2, 4)], ids=str)
def peers(request: pytest.FixtureRequest) -> list[Peer]:
    return run(*request.param)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("silent", [1, 2, 3, 4])
def test_signers_that_were_away_together_stop_no_height_for_good(seed: int, silent: int) -> None:
    """A step that was not signed is signed when the signer is back, or a height without a quorum would stand."""
    peers = run(seed, silent)
    assert all(peer.store.height() >= HEIGHTS for peer in peers)
    for height in range(1, HEIGHTS + 1):
        assert len({peer.store.load(height)[0] for peer in peers}) == 1  # type: ignore[index]
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
        if envelope.sender != SET.validators[peer.index].envelope_key:
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


def cut_store(peer: Peer, height: int) -> MemoryBlockStore:
    store = MemoryBlockStore()
    for at in range(1, height + 1):
        stored = peer.store.load(at)
        assert stored is not None
        store.save(at, *stored)
    return store


def restarted(peer: Peer, at: int, torn: int) -> tuple[Peer, list[bytes]]:
    """The disk of that moment with some bytes of its frame, started again; what it sends."""
    moment = peer.moments[at]
    log = bytes(peer.log[: moment.log_bytes + torn])
    records, good = read_frames(log)
    again = Peer(peer.index, Clock(peer.clock.now_ms), cut_store(peer, moment.height), bytearray(log[:good]))
    again.guard = SignGuard(moment.guard.last, moment.guard.digest)
    again.perform(again.boot(records))
    return again, again.sent


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
                elif step in signed and step <= _step(peer.moments[at].guard):
                    assert value == signed[step][0], "what was signed and lost is signed again for the same value"
            locked = max(
                (
                    r
                    for (h, r, s), (v, _) in was.items()
                    if s == VoteKind.PRECOMMIT and v != NIL and h == _height(again)
                ),
                default=-1,
            )
            assert again.replica.run.state.locked_round >= locked


def meet(again: Peer, peers: list[Peer]) -> None:
    """Let the restarted one catch up with the others, who tell their height and answer what they are asked."""
    keys = [validator.envelope_key for validator in SET.validators]
    own = keys[again.index]
    others = {keys[peer.index]: peer for peer in peers if peer.index != again.index}

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
            peer.clock.now_ms += 1000
            told = peer.replica.on_timer(TimerKind.STATUS, 0, 0)
            waiting += [(key, data) for data in _reaching(own, told)]
        for kind in (TimerKind.SYNC, TimerKind.APPLY):
            if kind in again.timers:
                at, height, round_ = again.timers.pop(kind)
                again.clock.now_ms = max(again.clock.now_ms, at)
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
            ours, theirs = again.store.load(height), peer.store.load(height)
            assert ours is not None
            assert theirs is not None
            assert ours[0] == theirs[0]


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
        again = Peer(index, Clock(peer.clock.now_ms), cut_store(peer, moment.height - 1))
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
        assert (here.height, here.round, here.step) == (there.height, there.round, there.step)
        assert (here.locked_round, here.locked_value, here.valid_round) == (
            there.locked_round,
            there.locked_value,
            there.valid_round,
        )
        now, then = own_steps(peer, again.sent), own_steps(peer, straight.sent)
        assert {step: now[step] for step in then} == then
    assert rolled


def _step(guard: SignGuard) -> SignedAt:
    return guard.last.height, guard.last.round, guard.last.step


def _height(peer: Peer) -> int:
    return peer.replica.run.height
