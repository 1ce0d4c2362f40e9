"""What one lying validator of four can try against an honest one, and that it gains nothing by it."""

from dataclasses import replace

import msgspec
import pytest

from clearing.base.certificate import NIL, Certificate, VoteKind, signer_bitmap
from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from clearing.base.header import DepositCursor
from consensus.blocks.store import MemoryBlockStore
from consensus.chain_state import chain_at
from consensus.codes import ConsensusCode
from consensus.core.events import CastVote, CertificateVerified, ProposalReceived, Propose, StartHeight, VoteReceived
from consensus.core.proposer import proposer_index
from consensus.core.state import new_state
from consensus.core.step import step
from consensus.core.votes import PAST_ROUNDS
from consensus.evidence.judge import duplicate_vote
from consensus.messages import (
    BlockRequest,
    CertificateMessage,
    Envelope,
    Evidence,
    Extension,
    Message,
    MessageKind,
    Proposal,
    Vote,
)
from consensus.outputs import Output, PeerFault
from consensus.replica.outbox import HeightOutbox
from consensus.replica.replica import FAULTS_AT_ONCE, Replica, ReplicaConfig
from consensus.signing import seal
from consensus.sync.catchup import REQUEST_BYTES, SERVED_BYTES_AT_ONCE
from consensus.timeouts import Timeouts, TimerKind
from node.signer.sign_state import SignGuard
from tests.kit.consensus.crypto import FakeSigner, FakeVerifier, fake_share, validator_set
from tests.kit.consensus.toy import ToyApplication
from tests.sim.consensus.network import GENESIS_MS, NETWORK

VALIDATORS = validator_set(4)
KEYS = [validator.envelope_key for validator in VALIDATORS.validators]
LIAR = proposer_index(VALIDATORS, 1, 0)
HONEST = tuple(index for index in range(4) if index != LIAR)


class HandClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 0

    def wall_ms(self) -> int:
        return GENESIS_MS + self.now

    def steady_ms(self) -> int:
        return self.now


def replica_of(own: int, *, work: bool = True, started: bool = True) -> Replica:
    application = ToyApplication(VALIDATORS, own)
    replica = Replica(
        chain_at(NETWORK, GENESIS_MS, application.position, None),
        application,
        MemoryBlockStore(),
        FakeSigner(NETWORK, VALIDATORS.validators[own], SignGuard()),
        FakeVerifier(),
        HandClock(),
        ReplicaConfig(),
        lambda: work,
    )
    replica.start()
    if started:
        replica.on_timer(TimerKind.HEARTBEAT, 1, 0)
    return replica


def sealed(sender: int, message: Message) -> bytes:
    return seal(FakeSigner(NETWORK, VALIDATORS.validators[sender], None), message)


def vote_of(voter: int, kind: VoteKind, height: int, round_: int, value: bytes) -> Vote:
    chain = replica_of(voter, started=False).chain
    chain = replace(chain, height=height - 1)
    extended = kind is VoteKind.PRECOMMIT and value != NIL
    own = HeightOutbox(chain, FakeSigner(NETWORK, VALIDATORS.validators[voter], None))
    extension = Extension(time_ms=GENESIS_MS, data=b"") if extended else None
    return own.make_vote(voter, kind, round_, value, extension)[0]


def faults(outputs: list[Output]) -> list[str]:
    return [output.fault.code.name for output in outputs if isinstance(output, PeerFault)]


@pytest.fixture(scope="module")
def proposal() -> Proposal:
    """The liar's good proposal of round 0."""
    made = replica_of(LIAR).run.outbox.proposal(0)
    assert made is not None
    return made


def test_a_good_header_around_another_body_does_not_make_its_value_invalid(proposal: Proposal) -> None:
    """The liar shows one validator its header around another payload, and the others the block itself."""
    replica = replica_of(HONEST[0])
    other = msgspec.structs.replace(proposal.block, payload=b"toy:other")
    shown = msgspec.structs.replace(proposal, block=other)
    assert faults(replica.receive(KEYS[LIAR], sealed(LIAR, shown))) == ["WRONG_PAYLOAD_ROOT"]
    value = proposal.block.header.hash
    assert value not in replica.run.state.known
    for voter in (LIAR, *HONEST[1:]):
        vote = vote_of(voter, VoteKind.PRECOMMIT, 1, 0, value)
        replica.receive(KEYS[voter], sealed(voter, vote))
    assert replica.chain.height == 0, "final, but the block is not here yet"
    replica.receive(KEYS[LIAR], sealed(LIAR, proposal))
    assert replica.chain.height == 1


def polka(round_: int, value: bytes, height: int = 4) -> Certificate:
    return Certificate(
        kind=VoteKind.PREVOTE,
        height=height,
        round=round_,
        value=value,
        validators_hash=VALIDATORS.hash,
        signers=signer_bitmap((1, 2, 3)),
        aggregate=bytes(96),
    )


def test_a_proposer_prevotes_its_own_proposal_of_a_value_locked_long_ago() -> None:
    """Its polka is older than the rounds that are kept: forgetting it would cost the one prevote that is missing."""
    state = new_state(4, VALIDATORS, 0, Timeouts())
    value, late = b"v" * 32, 4 * (PAST_ROUNDS // 4 + 2)
    assert proposer_index(VALIDATORS, 4, late) == 0
    step(state, StartHeight())
    step(state, ProposalReceived(0, value, -1, valid=True))
    step(state, CertificateVerified(polka(0, value)))
    assert state.locked_value == value
    effects = []
    for voter in (1, 2):
        share = fake_share(VALIDATORS.validators[voter].bls_key, NIL)
        vote = Vote(kind=VoteKind.PRECOMMIT, height=4, round=late, value=NIL, validator=voter, share=share)
        effects += step(state, VoteReceived(vote))
    proposed = next(effect for effect in effects if isinstance(effect, Propose))
    assert (proposed.value, proposed.pol_round) == (value, 0)
    effects = step(state, ProposalReceived(late, value, 0, valid=True))
    assert [effect.value for effect in effects if isinstance(effect, CastVote)] == [value]


def test_a_vote_of_a_later_round_counts_again_after_a_flood_of_them() -> None:
    """Heard one validator only through many rounds, then a second: two of four in a later round are followed."""
    replica = replica_of(HONEST[0])
    for round_ in range(2, 200):
        vote = vote_of(HONEST[1], VoteKind.PREVOTE, 1, round_, NIL)
        replica.receive(KEYS[HONEST[1]], sealed(HONEST[1], vote))
    for _ in range(2):
        replica.on_timer(TimerKind.REBROADCAST, 0, 0)
    for voter in HONEST[1:]:
        replica.receive(KEYS[voter], sealed(voter, vote_of(voter, VoteKind.PREVOTE, 1, 300, NIL)))
    assert replica.run.state.round == 300


def test_proposals_of_many_rounds_take_bounded_memory(proposal: Proposal) -> None:
    """Its sender fills every round that is its turn with a long block."""
    replica = replica_of(HONEST[0])
    for round_ in range(0, 400, 4):
        chain = replica.chain
        own = HeightOutbox(chain, FakeSigner(NETWORK, VALIDATORS.validators[LIAR], None))
        made, _ = own.make_proposal(round_, -1, proposal.block, None)
        for voter in HONEST[1:]:
            replica.receive(KEYS[voter], sealed(voter, vote_of(voter, VoteKind.PREVOTE, 1, round_, NIL)))
        replica.receive(KEYS[LIAR], sealed(LIAR, made))
        replica.on_timer(TimerKind.REBROADCAST, 0, 0)
    assert replica.run.state.round == 396
    held = [value for value in vars(replica._inbox).values() if isinstance(value, dict)]
    assert all(len(found) <= 2 * PAST_ROUNDS for found in held)
    assert not any(isinstance(kept, Proposal) for found in held for kept in found.values())
    assert replica.run._extensions.size <= 2 * PAST_ROUNDS


def test_votes_alone_of_one_validator_do_not_start_a_height() -> None:
    """A liar that votes at once would take the pace out of a chain without work."""
    replica = replica_of(HONEST[0], work=False, started=False)
    first = vote_of(LIAR, VoteKind.PREVOTE, 1, 0, NIL)
    replica.receive(KEYS[LIAR], sealed(LIAR, first))
    assert not replica.run.state.running
    second = vote_of(HONEST[1], VoteKind.PREVOTE, 1, 0, NIL)
    replica.receive(KEYS[HONEST[1]], sealed(HONEST[1], second))
    assert replica.run.state.running


def test_a_vote_for_the_next_height_does_not_take_the_pause_before_it() -> None:
    replica = replica_of(HONEST[0], work=False)
    early = vote_of(LIAR, VoteKind.PREVOTE, 2, 0, NIL)
    replica.receive(KEYS[LIAR], sealed(LIAR, early))
    assert not replica._inbox.has_early


def test_who_sends_nothing_but_faults_is_passed_over_for_a_while() -> None:
    replica = replica_of(HONEST[0])
    counted = sum(len(faults(replica.receive(KEYS[LIAR], b"nonsense"))) for _ in range(1000))
    assert counted == FAULTS_AT_ONCE
    good = sealed(LIAR, vote_of(LIAR, VoteKind.PREVOTE, 1, 0, NIL))
    before = replica.run.state.votes.size
    replica.receive(KEYS[LIAR], good)
    assert replica.run.state.votes.size == before
    assert isinstance(replica.clock, HandClock)
    replica.clock.now += 1000
    replica.receive(KEYS[LIAR], good)
    assert replica.run.state.votes.size == before + 1
    assert faults(replica.receive(KEYS[HONEST[1]], b"nonsense")) == ["MALFORMED"], "others are heard as before"


def test_a_flood_of_block_requests_is_answered_at_a_rate() -> None:
    replica = replica_of(HONEST[0])
    request = sealed(LIAR, BlockRequest(first=1, count=64))
    answers = sum(len(replica.receive(KEYS[LIAR], request)) for _ in range(5000))
    assert 0 < answers <= SERVED_BYTES_AT_ONCE // REQUEST_BYTES + 1


def test_blocks_that_nobody_asked_for_are_not_read() -> None:
    replica = replica_of(HONEST[0])
    envelope = Envelope(sender=KEYS[LIAR], kind=MessageKind.BLOCK_RESPONSE, body=b"unread", signature=bytes(64))
    assert faults(replica.receive(KEYS[LIAR], encode(envelope))) == []


def test_a_block_reports_an_offence_once() -> None:
    replica = replica_of(HONEST[0])
    low, high = (vote_of(LIAR, VoteKind.PREVOTE, 1, 0, value) for value in (b"v" * 32, b"w" * 32))
    item = duplicate_vote(VALIDATORS.hash, low, high)
    judge = replica.context.executor.judge
    assert len(judge.check(replica.chain, Evidence(votes=(item,)))) == 1
    with pytest.raises(RemoteFault) as refused:
        judge.check(replica.chain, Evidence(votes=(item, item)))
    assert refused.value.code is ConsensusCode.EVIDENCE_REPEATED


def test_a_header_without_end_is_refused_before_it_is_hashed(proposal: Proposal) -> None:
    replica = replica_of(HONEST[0])
    cursors = tuple(DepositCursor(chain_id=number, vault=bytes(20), nonce=0) for number in range(100_000))
    header = msgspec.structs.replace(proposal.block.header, deposit_cursors=cursors)
    shown = msgspec.structs.replace(proposal, block=msgspec.structs.replace(proposal.block, header=header))
    outputs = replica.receive(KEYS[LIAR], sealed(LIAR, shown))
    (fault,) = (output.fault for output in outputs if isinstance(output, PeerFault))
    assert (fault.code.name, fault.at) == ("BAD_PROPOSAL", "header")


def test_a_forged_certificate_of_the_last_height_is_a_fault_of_its_sender() -> None:
    """Each costs a pairing, so each must count."""
    replica = replica_of(HONEST[0])
    forged = msgspec.structs.replace(polka(0, b"w" * 32, height=0), kind=VoteKind.PRECOMMIT)
    outputs = replica.receive(KEYS[LIAR], sealed(LIAR, CertificateMessage(certificate=forged)))
    assert len(faults(outputs)) == 1
