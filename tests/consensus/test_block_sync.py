"""Block sync: ranges of several peers at once, one certificate a run, and liars that gain nothing by it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import encode
from clearing.base.errors import Bug, LocalFault
from clearing.base.validators import ValidatorSet
from consensus.blocks.admission import Admission
from consensus.blocks.store import load_committed, restore_chain, save_committed
from consensus.codes import ConsensusCode
from consensus.messages import BlockRequest, BlockResponse, CommittedBlock, Status, read_envelope, read_message
from consensus.outputs import Decided, Output, PeerFault, Send, StartTimer
from consensus.signing import CertificateCache
from consensus.sync.catchup import CatchUp
from consensus.sync.fetching import (
    BYTES_AHEAD,
    HEDGE_MS,
    PARALLEL,
    RANGE,
    REQUEST_TIMEOUT_MS,
    WINDOW,
    BlockSync,
    FetchedBlock,
    RunFault,
    certify_run,
)
from consensus.sync.messages import pack_block_response
from consensus.timeouts import TimerKind
from tests.kit.consensus.crypto import KEYS, VALIDATORS, FakeVerifier, validator_set
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.consensus.recorded_chain import RecordedChain
from tests.kit.consensus.replicas import GENESIS_MS, NETWORK, HandClock, genesis_chain, new_replica, sealed, signer_of
from tests.kit.consensus.toy import ToyApplication

FIVE = validator_set(5)
A, B, C = (bytes([number]) * 32 for number in (1, 2, 3))
GENESIS = genesis_chain(ToyApplication(VALIDATORS, 0))
change = msgspec.structs.replace


def recorded(height: int, sets: tuple[int, ValidatorSet] | None = None, name: int = 9) -> RecordedChain:
    application = ToyApplication(VALIDATORS, name, 10**9, sets)
    made = RecordedChain(
        NETWORK,
        GENESIS_MS,
        application.position,
        application,
        FakeVerifier(),
        lambda validators: [signer_of(index, validators) for index in range(len(validators.validators))],
    )
    return made.to(height)


@pytest.fixture(scope="module")
def source() -> RecordedChain:
    return recorded(200)


@dataclass
class Away:
    """A replica that was away, and peers that serve it with a delay each; a peer may be told to lie."""

    stores: dict[bytes, MemoryBlockStore]
    own: int = 0
    sets: tuple[int, ValidatorSet] | None = None
    delay_ms: dict[bytes, int] = field(default_factory=dict)
    lies: dict[bytes, object] = field(default_factory=dict)
    faults: list[tuple[bytes, str]] = field(default_factory=list)
    asked: list[tuple[bytes, BlockRequest]] = field(default_factory=list)
    fetched: int = 0

    def __post_init__(self) -> None:
        self.clock = HandClock()
        self.application = ToyApplication(VALIDATORS, self.own, 10**9, self.sets)
        self.replica = new_replica(self.own, application=self.application, clock=self.clock, work=False)
        self.due: list[tuple[int, int, object]] = []
        self.order = 0

    def at(self, delay_ms: int, event: object) -> None:
        self.order += 1
        self.due.append((self.clock.now + delay_ms, self.order, event))

    def perform(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, StartTimer) and output.kind in (TimerKind.SYNC, TimerKind.APPLY):
                self.due = [each for each in self.due if each[2] != output.kind]
                self.at(output.duration_ms, output.kind)
            elif isinstance(output, PeerFault):
                self.faults.append((output.peer, output.fault.code.name))
            elif isinstance(output, Decided):
                self.fetched += output.fetched
            elif isinstance(output, Send):
                message = read_message(read_envelope(output.data))
                if isinstance(message, BlockRequest):
                    self.asked.append((output.to, message))
                    self.at(self.delay_ms.get(output.to, 5), (output.to, message))

    def answer(self, peer: bytes, request: BlockRequest) -> BlockResponse | None:
        lie = self.lies.get(peer)
        found = [load_committed(self.stores[peer], request.first + at) for at in range(request.count)]
        blocks = found[: found.index(None)] if None in found else found
        if lie == "silent":
            return None
        if lie == "drips":
            blocks = blocks[:1]
        if callable(lie):
            blocks = [lie(committed) for committed in blocks]
        return BlockResponse(blocks=tuple(blocks))

    def receive(self, peer: bytes, message: Status | BlockResponse) -> None:
        self.perform(self.replica.receive(peer, sealed(KEYS.index(peer), message)))

    def run(self, target: int, limit_ms: int = 120_000) -> None:
        """Until the target height; peers tell their status each second."""
        reported_at = -1000
        while self.replica.chain.height < target:
            if self.clock.now - reported_at >= 1000:
                reported_at = self.clock.now
                for peer, store in self.stores.items():
                    self.receive(peer, Status(height=store.height()))
            self.due.sort(key=lambda each: each[:2])
            assert self.due or self.clock.now < limit_ms
            at, _, event = self.due.pop(0) if self.due else (reported_at + 1000, 0, None)
            if at > reported_at + 1000:
                self.due.append((at, 0, event))
                at, event = reported_at + 1000, None
            self.clock.now = max(self.clock.now, at)
            assert self.clock.now < limit_ms, f"stands at {self.replica.chain.height}"
            if isinstance(event, TimerKind):
                self.perform(self.replica.on_timer(event, 0, 0))
            elif isinstance(event, tuple):
                answer = self.answer(*event)
                if answer is not None:
                    self.receive(event[0], answer)


def block(source: RecordedChain, height: int) -> CommittedBlock:
    found = load_committed(source.store, height)
    assert found is not None
    return found


def with_block(committed: CommittedBlock, **fields: Any) -> CommittedBlock:
    return change(committed, block=change(committed.block, **fields))


def with_header(committed: CommittedBlock, **fields: Any) -> CommittedBlock:
    return with_block(committed, header=change(committed.block.header, **fields))


def renumbered(source: RecordedChain, height: int) -> CommittedBlock:
    """Some block with this height written on it: the schedule looks at nothing else."""
    return with_header(block(source, 1), height=height)


# The schedule


def test_ranges_are_asked_of_all_peers_at_once_and_do_not_overlap() -> None:
    sync = BlockSync()
    for peer in (A, B, C):
        sync.note_height(peer, 1000)
    asked = sync.requests(0, 0)
    assert {peer for peer, _ in asked} == {A, B, C}
    assert sorted(request.first for _, request in asked) == [1, 1 + RANGE, 1 + 2 * RANGE]
    assert all(request.count == RANGE for _, request in asked)
    assert sync.requests(0, 1) == []


def test_the_next_heights_are_asked_again_of_an_idle_peer_when_they_are_late() -> None:
    sync = BlockSync()
    sync.note_height(A, 20)
    assert [peer for peer, _ in sync.requests(0, 0)] == [A]
    sync.note_height(B, 20)
    assert sync.requests(0, HEDGE_MS - 1) == []
    assert sync.requests(0, HEDGE_MS) == [(B, BlockRequest(first=1, count=20))]
    assert sync.requests(0, HEDGE_MS + 1) == []


def test_a_peer_that_does_not_answer_is_passed_over(source: RecordedChain) -> None:
    sync = BlockSync()
    sync.note_height(A, 20)
    sync.requests(0, 0)
    sync.note_height(B, 20)
    asked = sync.requests(0, REQUEST_TIMEOUT_MS)
    assert [peer for peer, _ in asked] == [B]
    sync.note_height(A, 20)
    assert sync.accept(B, BlockResponse(blocks=(block(source, 1),)), REQUEST_TIMEOUT_MS + 5)
    assert [peer for peer, _ in sync.requests(0, REQUEST_TIMEOUT_MS + 5)] == [B]


@pytest.mark.parametrize("heights", [(), (2,), (1, 3), (2, 1), (1, 1)])
def test_an_answer_with_other_heights_than_asked_counts_against_its_peer(
    source: RecordedChain, heights: tuple[int, ...]
) -> None:
    sync = BlockSync()
    sync.note_height(A, 20)
    sync.requests(0, 0)
    assert not sync.accept(A, BlockResponse(blocks=tuple(block(source, height) for height in heights)), 1)
    assert not sync.has_blocks
    assert sync.best_height() == 0


def test_what_nobody_asked_for_is_nothing(source: RecordedChain) -> None:
    sync = BlockSync()
    assert not sync.accept(A, BlockResponse(blocks=(block(source, 1),)), 1)
    assert not sync.has_blocks


def test_who_is_quick_is_asked_for_what_comes_next(source: RecordedChain) -> None:
    """One that answers as slowly and as little as it may is left the far ranges."""
    sync, next_height, now = BlockSync(), 1, 0
    first_asked: list[bytes] = []
    for _ in range(6):
        for peer in (A, B):
            sync.note_height(peer, 10_000)
        asked = dict(sync.requests(next_height - 1, now))
        first_asked += [peer for peer, request in asked.items() if request.first == next_height]
        if A in asked:
            now += 900
            sync.accept(A, BlockResponse(blocks=(renumbered(source, asked[A].first),)), now)
        if B in asked:
            start = asked[B].first
            full = tuple(renumbered(source, start + at) for at in range(asked[B].count))
            sync.accept(B, BlockResponse(blocks=full), now)
        next_height += 1
        sync.run_above(next_height - 1, 1)
    assert first_asked.count(A) <= 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("nrat"), st.integers(0, 4), st.integers(0, 2**40), st.integers(0, 40)), max_size=80
    )
)
def test_whatever_peers_do_what_is_held_and_asked_stays_bounded(
    source: RecordedChain, steps: list[tuple[str, int, int, int]]
) -> None:
    sync, now, own = BlockSync(), 0, 0
    waiting: dict[bytes, BlockRequest] = {}
    for what, number, height, count in steps:
        peer = bytes([number]) * 32
        if what == "n":
            sync.note_height(peer, height)
        elif what == "r":
            for asked, request in sync.requests(own, now):
                assert own < request.first <= request.first + request.count - 1 <= own + WINDOW
                waiting[asked] = request
        elif what == "a" and peer in waiting:
            request = waiting.pop(peer)
            blocks = tuple(renumbered(source, request.first + at) for at in range(min(count, request.count)))
            sync.accept(peer, BlockResponse(blocks=blocks), now)
        else:
            now += height % 3000
            own += 1
            sync.run_above(own, 64)
        assert len(sync._outstanding) <= PARALLEL
        assert len(sync._fetched) <= WINDOW
        assert sync._bytes == sum(fetched.size for fetched in sync._fetched.values())


def test_nothing_far_is_asked_for_while_too_many_bytes_wait(source: RecordedChain) -> None:
    sync = BlockSync()
    sync.note_height(A, 10_000)
    (_, request) = sync.requests(0, 0)[0]
    long = with_block(block(source, 1), payload=bytes(BYTES_AHEAD // 4))
    sent = [with_header(long, height=at) for at in range(1, 6)]
    assert request.first == 1
    sync.accept(A, BlockResponse(blocks=tuple(sent)), 1)
    assert sync.requests(0, 2) == []
    sync.run_above(3, 1)
    assert len(sync.requests(3, 2)) == 1


# Runs under one certificate


def fetched(source: RecordedChain, first: int, last: int, peer: bytes = A) -> list[FetchedBlock]:
    return [FetchedBlock(peer, block(source, height)) for height in range(first, last + 1)]


def admission_of() -> tuple[Admission, list[int]]:
    """With a verifier that counts certificates."""
    verified: list[int] = []

    class Counting(FakeVerifier):
        def verify_certificate(self, certificate, validators, network):  # type: ignore[no-untyped-def]
            verified.append(certificate.height)
            super().verify_certificate(certificate, validators, network)

    verifier = Counting()
    return Admission(ToyApplication(VALIDATORS, 0), verifier, CertificateCache(verifier, NETWORK)), verified


def test_one_certificate_makes_a_run_final_and_each_block_keeps_its_own(source: RecordedChain) -> None:
    admission, verified = admission_of()
    found = certify_run(GENESIS, fetched(source, 1, 64), admission)
    assert isinstance(found, list)
    assert verified == [64]
    assert [committed.block.header.height for committed in found] == list(range(1, 65))
    for committed in found:
        FakeVerifier().verify_certificate(committed.certificate, VALIDATORS, NETWORK)
        assert committed.certificate.value == committed.block.header.hash
        assert committed == block(source, committed.block.header.height)


def test_certificates_below_the_last_are_not_the_senders(source: RecordedChain) -> None:
    """A sender that puts nonsense there changes nothing: what its certified child carries is stored."""
    admission, _ = admission_of()
    run = fetched(source, 1, 3)
    bad = change(run[1].committed, certificate=run[0].committed.certificate, extensions=())
    found = certify_run(GENESIS, [run[0], FetchedBlock(B, bad), run[2]], admission)
    assert isinstance(found, list)
    assert found[1] == block(source, 2)


CHANGED_ANYWHERE: dict[str, Callable[[RecordedChain, CommittedBlock], CommittedBlock]] = {
    "payload": lambda _, good: with_block(good, payload=b"toy:other"),
    "parent": lambda _, good: with_header(good, parent=b"p" * 32),
    "time": lambda _, good: with_header(good, time_ms=good.block.header.time_ms + 1),
    "commit": lambda source, good: with_block(good, last_commit=block(source, 9).certificate),
}
CHANGED_AT_THE_END: dict[str, Callable[[RecordedChain, CommittedBlock], CommittedBlock]] = {
    "certificate of another height": lambda source, good: change(good, certificate=block(source, 3).certificate),
    "forged certificate": lambda _, good: change(good, certificate=change(good.certificate, aggregate=bytes(96))),
    "too few extensions": lambda _, good: change(good, extensions=good.extensions[:1]),
}


@pytest.mark.parametrize(
    ("at", "what"), [*product(range(4), CHANGED_ANYWHERE), *((3, what) for what in CHANGED_AT_THE_END)]
)
def test_a_changed_block_is_its_senders_fault_alone(source: RecordedChain, at: int, what: str) -> None:
    admission, _ = admission_of()
    run = fetched(source, 1, 4)
    run[at] = FetchedBlock(B, (CHANGED_ANYWHERE | CHANGED_AT_THE_END)[what](source, run[at].committed))
    found = certify_run(GENESIS, run, admission)
    assert isinstance(found, RunFault)
    assert found.peer == B


def test_a_run_ends_where_the_set_changes_and_goes_on_under_the_new_one() -> None:
    made = recorded(40, (20, FIVE))
    away = Away({KEYS[1]: made.store}, sets=(20, FIVE))
    away.run(40)
    assert away.faults == []
    stored = load_committed(away.replica._store, 30)
    assert stored is not None
    assert stored.certificate.validators_hash == FIVE.hash


def test_a_false_set_in_a_header_is_its_senders_fault(source: RecordedChain) -> None:
    admission, _ = admission_of()
    found = certify_run(GENESIS, [FetchedBlock(B, with_header(block(source, 1), validators_hash=FIVE.hash))], admission)
    assert isinstance(found, RunFault)
    assert (found.peer, found.fault.code.name) == (B, "BROKEN_LINK")


def test_another_final_chain_stops_the_node() -> None:
    """More than a third of the power lied: the fork is told, not followed."""
    one, other = recorded(3, name=1), recorded(5, name=2)
    admission, _ = admission_of()
    with pytest.raises(Bug):
        certify_run(one.chain, [FetchedBlock(A, block(other, 4)), FetchedBlock(A, block(other, 5))], admission)


# A replica that was away


def test_it_returns_from_several_peers_at_once(source: RecordedChain) -> None:
    away = Away(dict.fromkeys(KEYS[1:], source.store), delay_ms=dict.fromkeys(KEYS[1:], 50))
    away.run(200)
    assert away.replica.chain.parent == source.chain.parent
    assert (away.fetched, away.faults) == (200, [])
    assert {peer for peer, _ in away.asked} == set(KEYS[1:])
    assert away.clock.now < 1000, "two trips of three ranges each, and some more"
    for height in range(1, 201):
        assert away.replica._store.load(height) == source.store.load(height) is not None


LIES: dict[str, object] = {
    "silent": "silent",
    "drips": "drips",
    "payload": lambda committed: with_block(committed, payload=b"toy:lie"),
    "certificate": lambda committed: change(committed, certificate=change(committed.certificate, aggregate=bytes(96))),
    "far": lambda committed: with_header(committed, height=committed.block.header.height + 1),
}


@pytest.mark.parametrize("lie", LIES)
def test_one_liar_among_three_costs_little_time(source: RecordedChain, lie: str) -> None:
    away = Away(dict.fromkeys(KEYS[1:], source.store), lies={KEYS[1]: LIES[lie]})
    away.delay_ms[KEYS[1]] = 900 if lie == "drips" else 5
    away.run(200)
    assert away.replica.chain.parent == source.chain.parent
    assert {peer for peer, _ in away.faults} == ({KEYS[1]} if lie in ("payload", "certificate") else set())
    assert away.clock.now < 3000


def test_a_peer_whose_history_begins_later_does_not_stop_it(source: RecordedChain) -> None:
    """It began with a state itself, so it lacks the first blocks."""
    late = MemoryBlockStore()
    for height in range(100, 201):
        save_committed(late, block(source, height))
    away = Away({KEYS[1]: late, KEYS[2]: source.store})
    away.run(200)
    assert away.replica.chain.parent == source.chain.parent
    assert away.clock.now < 20_000


def test_a_node_away_for_ten_thousand_heights_returns() -> None:
    made = recorded(10_000)
    away = Away(dict.fromkeys(KEYS[1:], made.store), delay_ms=dict.fromkeys(KEYS[1:], 20))
    away.run(10_000)
    assert away.replica.chain.parent == made.chain.parent
    assert (away.fetched, away.faults) == (10_000, [])
    assert len(away.asked) < 10_000 // RANGE + 50


def test_a_crash_between_storing_a_run_and_applying_it_loses_nothing(source: RecordedChain) -> None:
    away = Away({KEYS[1]: source.store})
    away.run(1)
    store = away.replica._store
    assert away.replica.chain.height < store.height(), "a run is stored at once"
    application = ToyApplication(VALIDATORS, 0)
    chain = restore_chain(NETWORK, GENESIS_MS, application.position, application, store, FakeVerifier())
    assert chain.height == store.height() == application.height
    assert block(source, chain.height + 1).block.header.parent == chain.parent


def test_a_height_that_consensus_decides_while_its_run_waits_is_applied_once(source: RecordedChain) -> None:
    away = Away({KEYS[1]: source.store})
    away.run(1)
    replica = away.replica
    assert replica.catch_up._certified
    replica.commit(block(source, 2), fetched=False)
    away.run(200)
    assert replica.chain.parent == source.chain.parent
    assert away.application.processed.count(2) == 1


def test_a_packed_answer_is_the_canonical_one(source: RecordedChain) -> None:
    for count in (0, 1, 15, 16, 64):
        stored = [source.store.load(height) for height in range(1, count + 1)]
        plain = BlockResponse(blocks=tuple(block(source, height) for height in range(1, count + 1)))
        assert pack_block_response([each for each in stored if each is not None]) == encode(plain)


def test_a_rotten_block_is_left_out_of_an_answer_and_stops_nobody() -> None:
    class RottenStore(MemoryBlockStore):
        def load(self, height: int) -> tuple[bytes, bytes, bytes] | None:
            if height == 3:
                raise LocalFault(ConsensusCode.STORE_INCOMPLETE, "digest", height=height)
            return (b"\xc0", b"\xc0", b"\xc0")

    sent: list[bytes] = []

    def sign(_: object, body: bytes) -> bytes:
        sent.append(body)
        return bytes(64)

    signer = SimpleNamespace(envelope_key=bytes(32), sign_envelope=sign)
    context = SimpleNamespace(clock=SimpleNamespace(steady_ms=lambda: 0), signer=signer)
    decided = SimpleNamespace(chain=SimpleNamespace(height=9))
    unused = cast(Any, None)
    serving: Any = CatchUp(cast(Any, decided), cast(Any, context), RottenStore(), lambda _: None, unused)
    for first in (1, 3):
        serving.serve(b"p" * 32, BlockRequest(first=first, count=8))
    stored = (b"\xc0", b"\xc0", b"\xc0")
    assert sent == [pack_block_response([stored] * 2), pack_block_response([])]
