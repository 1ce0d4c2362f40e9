"""A replica under hostile input: only outputs come out, nothing grows without bound, nothing wrong is learnt.

One of four validators may send whatever it likes, well signed or not.
"""

import random
from dataclasses import replace
from enum import IntEnum
from typing import Any

import msgspec
import pytest

from clearing.base.certificate import NIL
from clearing.base.codec import encode
from clearing.base.errors import BaseCode, Bug
from clearing.base.header import DepositCursor
from consensus.codes import ConsensusCode
from consensus.core.state import Step
from consensus.core.votes import PAST_ROUNDS
from consensus.leaders import Leaders
from consensus.messages import (
    Block,
    BlockRequest,
    BlockResponse,
    CertificateMessage,
    CommittedBlock,
    Envelope,
    Evidence,
    MessageKind,
    Proposal,
    Status,
    kind_of,
    read_envelope,
    read_message,
)
from consensus.outputs import Lane, PeerFault, Send, StartTimer
from consensus.replica.inbox import EARLY_VOTES, PROPOSAL_ROUNDS_AHEAD
from consensus.replica.outbox import HeightOutbox
from consensus.replica.replica import FAULTS_AT_ONCE, Replica
from consensus.signing import seal
from consensus.sync.catchup import REQUEST_BYTES, SERVED_BYTES_AT_ONCE
from consensus.sync.fetching import BlockSync
from consensus.timeouts import TimerKind
from consensus.turns import turns_of
from tests.kit.consensus.core import PRECOMMIT, PREVOTE, V, W
from tests.kit.consensus.crypto import KEYS, VALIDATORS, FakeSigner, validator_set
from tests.kit.consensus.replicas import (
    NETWORK,
    certificate,
    faults,
    make_replica,
    pass_time,
    receive,
    sealed,
    signer_of,
    vote,
)
from tests.kit.refusals import refused
from tests.sim.consensus.network import CALM, Faults, SimNetwork

change = msgspec.structs.replace
PROPOSER = turns_of(VALIDATORS, 1, Leaders()).proposer(0)
OTHERS = tuple(index for index in range(4) if index != PROPOSER)
HONEST = OTHERS[0]
"""The replica of which the proposer of round 0, the liar, wants something."""
STRANGER = next(validator for validator in validator_set(7).validators if validator.envelope_key not in KEYS)


@pytest.fixture(scope="module")
def traffic() -> list[tuple[bytes, bytes]]:
    """(sender, data) of a real run."""
    seen: list[tuple[bytes, bytes]] = []

    class Tapped(SimNetwork):
        def send(self, sender: int, to: int, lane: Lane, data: bytes) -> None:
            if to == 0 and sender != 0:
                seen.append((self.nodes[sender].key, data))
            super().send(sender, to, lane, data)

    Tapped(5, Faults(heal_ms=1500)).run()
    return seen


@pytest.fixture(scope="module")
def good() -> Proposal:
    """The proposal of round 0."""
    proposal = make_replica(PROPOSER).run.outbox.proposal(0)
    assert proposal is not None
    return proposal


def proposed(replica: Replica, proposer: int, round_: int, block: Block) -> Proposal:
    """Of a block in another round."""
    return HeightOutbox(replica.chain, signer_of(proposer)).make_proposal(round_, -1, block, None)[0]


# Whatever is sent


def test_damaged_messages_are_faults_of_their_peers_and_change_nothing(traffic: list[tuple[bytes, bytes]]) -> None:
    chance = random.Random(1)
    replica = make_replica()
    for _ in range(4000):
        sender, data = chance.choice(traffic)
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        if chance.random() < 0.1:
            del damaged[chance.randrange(len(damaged)) :]
        if damaged == data:
            continue  # Two flips of one bit.
        before = replica.run.state.votes.size
        pass_time(replica, 1000)  # so that none is passed over for its faults before
        outputs = replica.receive(sender, bytes(damaged))
        assert (replica.run.state.votes.size, replica.chain.height) == (before, 0)
        assert all(isinstance(output, PeerFault | StartTimer | Send) for output in outputs)


def test_every_message_kind_survives_the_wire(traffic: list[tuple[bytes, bytes]]) -> None:
    envelopes = [read_envelope(data) for _, data in traffic]
    assert all(kind_of(read_message(envelope)) is envelope.kind for envelope in envelopes)
    assert {MessageKind.VOTE, MessageKind.PROPOSAL, MessageKind.STATUS} <= {envelope.kind for envelope in envelopes}


def test_well_signed_nonsense_is_a_fault_or_nothing(traffic: list[tuple[bytes, bytes]]) -> None:
    """A liar signs what it has changed, so that it gets past the envelope."""
    chance = random.Random(2)
    replica, refusals = make_replica(), set()
    for _ in range(3000):
        sender, data = chance.choice(traffic)
        message = changed(chance, read_message(read_envelope(data)), chance.choice((2, 10, 30)))
        pass_time(replica, 1000)
        refusals.update(faults(receive(replica, KEYS.index(sender), message)))
        assert replica.run.state.round < 2**31
    assert {"MALFORMED", "BAD_EXTENSION", "NOT_A_VALIDATOR"} <= refusals


def changed(chance: random.Random, value: Any, percent: int) -> Any:
    """A copy with some fields replaced by others of their type, some out of their range."""
    hit = chance.randrange(100) < percent
    match value:
        case bytes() if hit and value:
            at = chance.randrange(len(value))
            return value[:at] + bytes([value[at] ^ 1 << chance.randrange(8)]) + value[at + 1 :]
        case tuple():
            inner = tuple(changed(chance, item, percent) for item in value)
            return chance.choice((inner[:-1], inner + inner[-1:])) if hit else inner
        case msgspec.Struct():
            fields = {name: changed(chance, getattr(value, name), percent) for name in value.__struct_fields__}
            return msgspec.structs.replace(value, **fields)
        case int() if hit and not isinstance(value, IntEnum):
            return chance.choice((0, 1, 2**31 - 1, 2**63 - 1, max(0, value - 1), value + 1))
    return value


def foreign_envelope() -> bytes:
    return seal(FakeSigner(bytes(32), VALIDATORS.validators[1], None), vote(1, PREVOTE, 0, NIL))


WORN = change(read_envelope(sealed(3, vote(3, PREVOTE, 0, NIL))), signature=bytes(64))
BARE = change(vote(1, PRECOMMIT, 0, V), extension=None, share=bytes(96))
STRANGERS_VOTE = seal(FakeSigner(NETWORK, STRANGER, None), vote(1, PREVOTE, 0, NIL))
REFUSED: dict[str, tuple[bytes, bytes, str]] = {
    "a_vote_in_anothers_name": (KEYS[2], sealed(2, vote(1, PREVOTE, 0, NIL)), "NOT_A_VALIDATOR"),
    "a_vote_with_a_forged_envelope": (KEYS[2], encode(WORN), "BAD_ENVELOPE"),
    "anything_but_a_vote_from_another_than_its_sender": (KEYS[2], sealed(1, Status(height=5)), "BAD_ENVELOPE"),
    # It may be an honest one that has left the set and is behind: cheap, but nothing to listen to.
    "a_vote_passed_on_by_a_stranger": (STRANGER.envelope_key, sealed(1, vote(1, PREVOTE, 0, NIL)), "NOT_A_VALIDATOR"),
    "a_vote_of_a_stranger": (STRANGER.envelope_key, STRANGERS_VOTE, "NOT_A_VALIDATOR"),
    "an_envelope_of_another_network": (KEYS[1], foreign_envelope(), "BAD_ENVELOPE"),
    "a_value_precommit_without_extension": (KEYS[1], sealed(1, BARE), "BAD_EXTENSION"),
}


@pytest.mark.parametrize(("sender", "data", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_signed_by_whom_it_should_is_refused_and_counts_nothing(
    sender: bytes, data: bytes, code: str
) -> None:
    replica = make_replica()
    assert faults(replica.receive(sender, data)) == [code]
    assert replica.run.state.votes.size == 0


def test_a_vote_counts_under_its_own_signature_whoever_passes_it_on() -> None:
    replica = make_replica()
    for sender in (2, 1):
        assert faults(replica.receive(KEYS[sender], sealed(1, vote(1, PREVOTE, 0, NIL)))) == []
        assert replica.run.state.votes.size == 1


def test_oversize_messages_are_refused_by_kind() -> None:
    with refused(BaseCode.OVERSIZE):
        read_message(Envelope(sender=KEYS[1], kind=MessageKind.STATUS, body=bytes(65), signature=bytes(64)))


def test_every_code_is_in_its_range() -> None:
    assert all(501 <= code <= 599 for code in ConsensusCode)


def test_who_sends_nothing_but_faults_is_passed_over_for_a_while() -> None:
    replica = make_replica(HONEST)
    assert sum(len(faults(replica.receive(KEYS[PROPOSER], b"nonsense"))) for _ in range(1000)) == FAULTS_AT_ONCE
    before = replica.run.state.votes.size
    for counted in (0, 1):
        receive(replica, PROPOSER, vote(PROPOSER, PREVOTE, 0, NIL))
        assert replica.run.state.votes.size == before + counted
        pass_time(replica, 1000)
    assert faults(replica.receive(KEYS[OTHERS[1]], b"nonsense")) == ["MALFORMED"], "others are heard as before"


# The pace


@pytest.mark.parametrize(("round_", "hastens"), [(0, True), (1, False), (2, False), (3, False)])
def test_one_validator_alone_hastens_its_own_turn_only(round_: int, hastens: bool) -> None:
    """Every validator is the proposer of some later round, so a proposal of one must not start a height."""
    replica, maker = make_replica(started=False), make_replica(started=False)
    block = maker.context.executor.build(maker.chain, Evidence())
    turn = turns_of(VALIDATORS, 1, Leaders()).proposer(round_)
    proposal = proposed(replica, turn, round_, block)
    assert faults(receive(replica, turn, proposal)) == []
    assert (replica.run.state.step is not Step.NEW) == hastens
    assert replica.run.state.proposals[round_].valid
    early, data = make_replica(started=False), sealed(turn, proposal)
    # The same one height early: what is held for the next height tells whether it is under way.
    early._inbox._early[KEYS[turn]] = [(read_envelope(data), proposal, data)]
    assert early._inbox.has_early == hastens


def test_votes_alone_of_one_validator_do_not_start_a_height() -> None:
    """A liar that votes at once would take the pace out of a chain without work."""
    replica = make_replica(HONEST, work=False, started=False)
    for voter, running in ((PROPOSER, False), (OTHERS[1], True)):
        receive(replica, voter, vote(voter, PREVOTE, 0, NIL))
        assert replica.run.state.running is running


def test_a_vote_for_the_next_height_does_not_take_the_pause_before_it() -> None:
    replica = make_replica(HONEST, work=False)
    receive(replica, PROPOSER, vote(PROPOSER, PREVOTE, 0, NIL, height=2))
    assert not replica._inbox.has_early


def test_a_vote_of_a_later_round_counts_again_after_a_flood_of_them() -> None:
    """Heard one validator only through many rounds, then a second: two of four in a later round are followed."""
    replica = make_replica(HONEST)
    receive(replica, OTHERS[1], *(vote(OTHERS[1], PREVOTE, round_, NIL) for round_ in range(2, 200)))
    for _ in range(2):
        replica.on_timer(TimerKind.REBROADCAST, 0, 0)
    for voter in OTHERS[1:]:
        receive(replica, voter, vote(voter, PREVOTE, 300, NIL))
    assert replica.run.state.round == 300


# Memory


def test_a_flood_of_later_rounds_and_heights_takes_bounded_memory() -> None:
    replica = make_replica()
    for number in range(1, 1500):
        for height, round_ in ((1, number), (2, number), (3 + number, 0)):
            receive(replica, 1, vote(1, PREVOTE, round_, NIL, height))
        receive(replica, 1, Status(height=number))
    assert replica.run.state.votes.size < 10
    assert sum(map(len, replica._inbox._early.values())) <= EARLY_VOTES
    assert len(replica.run.records) < 100


def test_extensions_of_later_rounds_are_kept_as_long_as_their_votes() -> None:
    replica = make_replica()
    for round_ in range(1, 60):
        assert faults(receive(replica, 1, vote(1, PRECOMMIT, round_, V))) == []
    votes = replica.run.state.votes
    assert len([vote for round_ in range(60) for vote in votes.votes(round_, PRECOMMIT)]) <= 3
    assert replica.run._extensions.size == 0


def test_a_height_without_end_keeps_few_of_the_own_proposals() -> None:
    """Each of them holds a block, and a network that cannot agree goes on from round to round."""
    replica = make_replica()
    for round_ in range(120):
        for voter in (1, 2, 3):
            receive(replica, voter, vote(voter, PRECOMMIT, round_, NIL))
        replica.on_timer(TimerKind.PRECOMMIT, 1, round_)
    assert replica.run.state.round == 120
    kept = [round_ for round_ in range(121) if replica.run.outbox.proposal(round_) is not None]
    assert kept == [
        round_ for round_ in range(120 - PAST_ROUNDS, 121) if turns_of(VALIDATORS, 1, Leaders()).proposer(round_) == 0
    ]
    assert len(replica.run._blocks) <= PAST_ROUNDS + 1


def test_proposals_of_many_rounds_take_bounded_memory(good: Proposal) -> None:
    """Its sender fills every round that is its turn with a long block."""
    replica = make_replica(HONEST)
    for round_ in range(0, 400, 4):
        for voter in OTHERS[1:]:
            receive(replica, voter, vote(voter, PREVOTE, round_, NIL))
        receive(replica, PROPOSER, proposed(replica, PROPOSER, round_, good.block))
        replica.on_timer(TimerKind.REBROADCAST, 0, 0)
    assert replica.run.state.round == 396
    kept = [value for value in vars(replica._inbox).values() if isinstance(value, dict)]
    assert all(len(found) <= 2 * PAST_ROUNDS for found in kept)
    assert not any(isinstance(value, Proposal) for found in kept for value in found.values())
    assert replica.run._extensions.size <= 2 * PAST_ROUNDS


def test_of_the_next_height_only_proposals_whose_turn_comes_soon_are_kept() -> None:
    """One of each validator would be a block of each: more than the memory of a node in a large set."""
    replica, maker = make_replica(started=False), make_replica(started=False)
    block = maker.context.executor.build(maker.chain, Evidence())
    for sender in (1, 2, 3):
        for round_ in range(2 * PROPOSAL_ROUNDS_AHEAD):
            assert faults(receive(replica, sender, Proposal(2, round_, -1, block, None, bytes(64)))) == []
    kept = [(sender, early[1].round) for sender, all_ in replica._inbox._early.items() for early in all_]
    turns = {
        KEYS[turns_of(VALIDATORS, 2, Leaders()).proposer(round_)]: round_
        for round_ in reversed(range(PROPOSAL_ROUNDS_AHEAD + 1))
    }
    assert sorted(kept) == sorted((key, round_) for key, round_ in turns.items() if key != KEYS[0])


# Blocks and certificates


def test_a_good_header_around_another_body_does_not_make_its_value_invalid(good: Proposal) -> None:
    """The liar shows one validator its header around another payload, and the others the block itself."""
    replica = make_replica(HONEST)
    other = change(good, block=change(good.block, payload=b"toy:other"))
    assert faults(receive(replica, PROPOSER, other)) == ["WRONG_PAYLOAD_ROOT"]
    value = good.block.header.hash
    assert value not in replica.run.state.known
    for voter in (PROPOSER, *OTHERS[1:]):
        receive(replica, voter, vote(voter, PRECOMMIT, 0, value))
    assert replica.chain.height == 0, "final, but the block is not here yet"
    receive(replica, PROPOSER, good)
    assert replica.chain.height == 1


def test_a_header_without_end_is_refused_before_it_is_hashed(good: Proposal) -> None:
    cursors = tuple(DepositCursor(chain_id=number, vault=bytes(20), nonce=0) for number in range(100_000))
    endless = change(good, block=change(good.block, header=change(good.block.header, deposit_cursors=cursors)))
    outputs = receive(make_replica(HONEST), PROPOSER, endless)
    (fault,) = (output.fault for output in outputs if isinstance(output, PeerFault))
    assert (fault.code.name, fault.at) == ("MALFORMED", "Proposal")


def test_a_liar_about_its_height_is_passed_over() -> None:
    """It claims heights without end and answers with nothing; the honest peer is asked soon."""
    replica = make_replica()
    asked: list[bytes] = []
    outputs = receive(replica, 1, Status(height=2**40)) + receive(replica, 2, Status(height=5))
    while outputs and len(asked) < 4:
        output = outputs.pop(0)
        if isinstance(output, Send) and isinstance(read_message(read_envelope(output.data)), BlockRequest):
            asked.append(output.to)
            if output.to == KEYS[1]:
                outputs += receive(replica, 1, BlockResponse(blocks=()), Status(height=2**41))
    assert asked == [KEYS[1], KEYS[2]]


def test_an_unasked_block_response_is_dropped_and_not_read() -> None:
    sync = BlockSync()
    assert not sync.accept(KEYS[1], BlockResponse(blocks=()), 0)
    assert not sync.has_blocks
    unread = Envelope(sender=KEYS[1], kind=MessageKind.BLOCK_RESPONSE, body=b"unread", signature=bytes(64))
    assert faults(make_replica().receive(KEYS[1], encode(unread))) == []


def test_a_flood_of_block_requests_is_answered_at_a_rate() -> None:
    answers = receive(make_replica(), 1, *[BlockRequest(first=1, count=64)] * 5000)
    assert 0 < len(answers) <= SERVED_BYTES_AT_ONCE // REQUEST_BYTES + 1


@pytest.fixture
def network() -> SimNetwork:
    """That has decided some heights."""
    made = SimNetwork(2, replace(CALM, heal_ms=500, duplicate_percent=5, stall_percent=2))
    made.run(heights_after_healing=2)
    return made


def final(height: int, value: bytes, *signers: int) -> CertificateMessage:
    """What these signers could send if they all lied."""
    return CertificateMessage(certificate=certificate(PRECOMMIT, 0, value, *signers, height=height))


def test_two_final_blocks_of_one_height_stop_the_node(network: SimNetwork) -> None:
    replica = network.nodes[0].replica
    assert replica is not None
    height = replica.chain.height
    receive(replica, 1, final(height, W, 1, 2), final(height, replica.chain.parent, 1, 2, 3))
    with pytest.raises(Bug):
        receive(replica, 1, final(height, W, 1, 2, 3))


def test_a_certificate_without_its_extensions_decides_nothing() -> None:
    replica = make_replica()
    assert faults(receive(replica, 1, final(1, V, 1, 2, 3))) == ["BAD_EXTENDED_COMMIT"]
    assert replica.run.state.votes.certificate(0, PRECOMMIT, V) is None


def test_a_forged_certificate_of_the_last_height_is_a_fault_of_its_sender() -> None:
    """Each costs a pairing, so each must count."""
    forged = change(certificate(PRECOMMIT, 0, W, 1, 2, 3, height=0), aggregate=bytes(96))
    assert len(faults(receive(make_replica(), 1, CertificateMessage(certificate=forged)))) == 1


def fetch(replica: Replica, committed: CommittedBlock) -> list[str]:
    """The faults of a block that it asked for."""
    receive(replica, 1, Status(height=1))
    pass_time(replica, 2000)
    replica.on_timer(TimerKind.SYNC, 0, 0)
    receive(replica, 1, BlockResponse(blocks=(committed,)))
    return faults(replica.on_timer(TimerKind.APPLY, 0, 0))


def test_a_prevote_certificate_shown_as_final_is_refused(network: SimNetwork) -> None:
    committed = network.nodes[0].committed()[0]
    polka = certificate(PREVOTE, 0, committed.block.header.hash, 0, 1, 2)
    replica = make_replica()
    for shown in (polka, change(polka, kind=PRECOMMIT)):
        assert fetch(replica, change(committed, certificate=shown)) != []
        assert replica.chain.height == 0
    assert fetch(replica, committed) == []
    assert replica.chain.height == 1


def test_a_fetched_block_with_other_contents_is_its_senders_fault(network: SimNetwork) -> None:
    committed = network.nodes[0].committed()[0]
    replica = make_replica()
    assert fetch(replica, change(committed, block=change(committed.block, payload=b"toy:other"))) == [
        "WRONG_PAYLOAD_ROOT"
    ]
    assert replica.chain.height == 0
