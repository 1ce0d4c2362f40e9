"""A replica under hostile input: only outputs come out, nothing grows without bound, nothing wrong is learnt."""

import random
from enum import IntEnum
from typing import Any

import msgspec
import pytest

from clearing.base.certificate import NIL, Certificate, VoteKind, signer_bitmap, vote_digest
from clearing.base.codec import encode
from clearing.base.errors import Bug, RemoteFault
from consensus.blocks.store import MemoryBlockStore
from consensus.chain_state import chain_at
from consensus.codes import REMEDIES, ConsensusCode
from consensus.core.proposer import proposer_index
from consensus.core.state import Step
from consensus.core.votes import PAST_ROUNDS
from consensus.messages import (
    BlockRequest,
    BlockResponse,
    CertificateMessage,
    Envelope,
    Evidence,
    Extension,
    Message,
    MessageKind,
    Proposal,
    Status,
    Vote,
    kind_of,
    read_envelope,
    read_message,
)
from consensus.outputs import Output, PeerFault, Send, StartTimer
from consensus.replica.inbox import EARLY_VOTES, PROPOSAL_ROUNDS_AHEAD
from consensus.replica.outbox import HeightOutbox
from consensus.replica.replica import Replica, ReplicaConfig
from consensus.signing import seal
from consensus.sync.fetching import BlockSync
from consensus.timeouts import TimerKind
from node.signer.sign_state import SignGuard
from tests.kit.consensus.crypto import FakeSigner, FakeVerifier, fake_share, validator_set
from tests.kit.consensus.toy import ToyApplication
from tests.sim.consensus.network import GENESIS_MS, NETWORK, Faults, SimNetwork

VALIDATORS = validator_set(4)
KEYS = [validator.envelope_key for validator in VALIDATORS.validators]
STRANGER = validator_set(7).validators


class StillClock:
    now = 0

    def wall_ms(self) -> int:
        return GENESIS_MS + self.now

    def steady_ms(self) -> int:
        return self.now


def fresh(own: int = 0, *, started: bool = True) -> Replica:
    application, verifier = ToyApplication(VALIDATORS, own), FakeVerifier()
    replica = Replica(
        chain_at(NETWORK, GENESIS_MS, application.position, None),
        application,
        MemoryBlockStore(),
        FakeSigner(NETWORK, VALIDATORS.validators[own], SignGuard()),
        verifier,
        StillClock(),
        ReplicaConfig(),
        lambda: True,
    )
    replica.start()
    if started:
        replica.on_timer(TimerKind.HEARTBEAT, 1, 0)
    return replica


def sealed(sender: int, message: Message) -> bytes:
    return seal(FakeSigner(NETWORK, VALIDATORS.validators[sender], None), message)


def prevote(height: int, round_: int, voter: int, value: bytes = NIL) -> Vote:
    share = fake_share(VALIDATORS.validators[voter].bls_key, value)
    return Vote(kind=VoteKind.PREVOTE, height=height, round=round_, value=value, validator=voter, share=share)


def faults(outputs: list[Output]) -> list[str]:
    return [output.fault.code.name for output in outputs if isinstance(output, PeerFault)]


@pytest.fixture(scope="module")
def traffic() -> list[tuple[bytes, bytes]]:
    """(sender, data) of a real run."""
    seen: list[tuple[bytes, bytes]] = []

    class Tapped(SimNetwork):
        def send(self, sender: int, to: int, lane: object, data: bytes) -> None:
            if to == 0 and sender != 0:
                seen.append((self.nodes[sender].key, data))
            super().send(sender, to, lane, data)  # type: ignore[arg-type]

    Tapped(5, Faults(heal_ms=1500)).run()
    return seen


def test_damaged_messages_are_faults_of_their_peers_and_change_nothing(traffic: list[tuple[bytes, bytes]]) -> None:
    chance = random.Random(1)
    replica = fresh()
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
        StillClock.now += 1000  # so that none is passed over for its faults before
        outputs = replica.receive(sender, bytes(damaged))
        assert replica.run.state.votes.size == before
        assert replica.chain.height == 0
        assert all(isinstance(output, PeerFault | StartTimer | Send) for output in outputs)


def test_every_message_kind_survives_the_wire(traffic: list[tuple[bytes, bytes]]) -> None:
    seen = set()
    for _, data in traffic:
        envelope = read_envelope(data)
        message = read_message(envelope)
        seen.add(kind_of(message))
        assert kind_of(message) is envelope.kind
    assert {MessageKind.VOTE, MessageKind.PROPOSAL, MessageKind.STATUS} <= seen


def test_a_vote_counts_under_its_own_signature_whoever_passes_it_on() -> None:
    replica = fresh()
    data = sealed(1, prevote(1, 0, 1))
    assert faults(replica.receive(KEYS[2], sealed(2, prevote(1, 0, 1)))) == ["NOT_A_VALIDATOR"]
    assert faults(replica.receive(KEYS[2], data)) == []
    assert faults(replica.receive(KEYS[1], data)) == []
    assert replica.run.state.votes.size == 1
    envelope = read_envelope(sealed(3, prevote(1, 0, 3)))
    worn = encode(msgspec.structs.replace(envelope, signature=bytes(64)))
    assert faults(replica.receive(KEYS[2], worn)) == ["BAD_ENVELOPE"]
    assert replica.run.state.votes.size == 1


def test_nothing_but_a_vote_counts_from_another_than_its_sender() -> None:
    replica = fresh()
    assert faults(replica.receive(KEYS[2], sealed(1, Status(height=5)))) == ["BAD_ENVELOPE"]
    stranger = next(validator.envelope_key for validator in STRANGER if validator.envelope_key not in KEYS)
    # It may be an honest one that has left the set and is behind: cheap, but nothing to listen to.
    assert faults(replica.receive(stranger, sealed(1, prevote(1, 0, 1)))) == ["NOT_A_VALIDATOR"]
    assert replica.run.state.votes.size == 0


@pytest.mark.parametrize(("round_", "hastens"), [(0, True), (1, False), (2, False), (3, False)])
def test_one_validator_alone_hastens_its_own_turn_only(round_: int, hastens: bool) -> None:
    """Every validator is the proposer of some later round, so a proposal of one must not start a height."""
    replica, maker = fresh(started=False), fresh(started=False)
    chain = replica.chain
    block = maker.context.executor.build(chain, Evidence())
    turn = proposer_index(VALIDATORS, 1, round_)
    signer = FakeSigner(NETWORK, VALIDATORS.validators[turn], SignGuard())
    _, data = HeightOutbox(chain, signer).make_proposal(round_, -1, block, None)
    assert faults(replica.receive(KEYS[turn], data)) == []
    assert (replica.run.state.step is not Step.NEW) == hastens
    assert replica.run.state.proposals[round_].valid
    early = fresh(started=False)
    # The same one height early: what is held for the next height tells whether it is under way.
    early._inbox._early[KEYS[turn]] = [(read_envelope(data), read_message(read_envelope(data)), data)]  # type: ignore[list-item]
    assert early._inbox.has_early == hastens


def test_a_stranger_has_no_vote() -> None:
    replica = fresh()
    stranger = next(validator for validator in STRANGER if validator.envelope_key not in KEYS)
    data = seal(FakeSigner(NETWORK, stranger, None), prevote(1, 0, 1))
    assert faults(replica.receive(stranger.envelope_key, data)) == ["NOT_A_VALIDATOR"]


def test_an_envelope_of_another_network_is_refused() -> None:
    replica = fresh()
    other = seal(FakeSigner(bytes(32), VALIDATORS.validators[1], None), prevote(1, 0, 1))
    assert faults(replica.receive(KEYS[1], other)) == ["BAD_ENVELOPE"]


def test_a_value_precommit_without_extension_is_refused() -> None:
    replica = fresh()
    vote = Vote(kind=VoteKind.PRECOMMIT, height=1, round=0, value=b"v" * 32, validator=1, share=bytes(96))
    assert faults(replica.receive(KEYS[1], sealed(1, vote))) == ["BAD_EXTENSION"]


def test_a_flood_of_later_rounds_and_heights_takes_bounded_memory() -> None:
    replica = fresh()
    for number in range(1, 1500):
        replica.receive(KEYS[1], sealed(1, prevote(1, number, 1)))
        replica.receive(KEYS[1], sealed(1, prevote(2, number, 1)))
        replica.receive(KEYS[1], sealed(1, prevote(3 + number, 0, 1)))
        replica.receive(KEYS[1], sealed(1, Status(height=number)))
    assert replica.run.state.votes.size < 10
    assert sum(len(held) for held in replica._inbox._early.values()) <= EARLY_VOTES
    assert len(replica.run.records) < 100


def test_extensions_of_later_rounds_are_kept_as_long_as_their_votes() -> None:
    replica = fresh()
    signer = FakeSigner(NETWORK, VALIDATORS.validators[1], SignGuard())
    own = HeightOutbox(replica.chain, signer)
    for round_ in range(1, 60):
        _, data = own.make_vote(1, VoteKind.PRECOMMIT, round_, b"v" * 32, Extension(time_ms=1, data=b""))
        assert faults(replica.receive(KEYS[1], data)) == []
    votes = replica.run.state.votes
    held = [vote for round_ in range(60) for vote in votes.votes(round_, VoteKind.PRECOMMIT)]
    assert len(held) <= 3
    assert replica.run._extensions.size == 0


def test_a_height_without_end_keeps_few_of_the_own_proposals() -> None:
    """Each of them holds a block, and a network that cannot agree goes on from round to round."""
    replica = fresh()
    for round_ in range(120):
        for voter in (1, 2, 3):
            vote = msgspec.structs.replace(prevote(1, round_, voter), kind=VoteKind.PRECOMMIT)
            replica.receive(KEYS[voter], sealed(voter, vote))
        replica.on_timer(TimerKind.PRECOMMIT, 1, round_)
    assert replica.run.state.round == 120
    held = [round_ for round_ in range(121) if replica.run.outbox.proposal(round_) is not None]
    turns = [round_ for round_ in range(121) if proposer_index(VALIDATORS, 1, round_) == 0]
    assert held == [round_ for round_ in turns if round_ >= 120 - PAST_ROUNDS]
    assert len(replica.run._blocks) <= PAST_ROUNDS + 1


def test_of_the_next_height_only_proposals_whose_turn_comes_soon_are_kept() -> None:
    """One of each validator would be a block of each: more than the memory of a node in a large set."""
    replica, maker = fresh(started=False), fresh(started=False)
    block = maker.context.executor.build(maker.chain, Evidence())
    for sender in (1, 2, 3):
        for round_ in range(2 * PROPOSAL_ROUNDS_AHEAD):
            told = Proposal(2, round_, -1, block, None, bytes(64))
            assert faults(replica.receive(KEYS[sender], sealed(sender, told))) == []
    kept = [(sender, held[1].round) for sender, all_ in replica._inbox._early.items() for held in all_]
    turns = {
        KEYS[proposer_index(VALIDATORS, 2, round_)]: round_ for round_ in reversed(range(PROPOSAL_ROUNDS_AHEAD + 1))
    }
    assert sorted(kept) == sorted((key, round_) for key, round_ in turns.items() if key != KEYS[0])


def test_a_liar_about_its_height_is_passed_over() -> None:
    """It claims heights without end and answers with nothing; the honest peer is asked soon."""
    replica = fresh()
    asked: list[bytes] = []
    outputs = replica.receive(KEYS[1], sealed(1, Status(height=2**40)))
    outputs += replica.receive(KEYS[2], sealed(2, Status(height=5)))
    while outputs and len(asked) < 4:
        output = outputs.pop(0)
        if isinstance(output, Send) and isinstance(read_message(read_envelope(output.data)), BlockRequest):
            asked.append(output.to)
            if output.to == KEYS[1]:
                outputs += replica.receive(KEYS[1], sealed(1, BlockResponse(blocks=())))
                outputs += replica.receive(KEYS[1], sealed(1, Status(height=2**41)))
    assert asked == [KEYS[1], KEYS[2]]


def test_an_unasked_block_response_is_dropped() -> None:
    sync = BlockSync()
    assert not sync.accept(KEYS[1], BlockResponse(blocks=()), 0)
    assert not sync.has_blocks


def test_oversize_messages_are_refused_by_kind() -> None:
    envelope = Envelope(sender=KEYS[1], kind=MessageKind.STATUS, body=bytes(65), signature=bytes(64))
    with pytest.raises(RemoteFault) as refused:
        read_message(envelope)
    assert refused.value.code.name == "OVERSIZE"


def test_every_code_has_a_remedy_and_its_range() -> None:
    assert set(REMEDIES) == set(ConsensusCode)
    assert all(501 <= code <= 599 for code in ConsensusCode)


def decided_network() -> SimNetwork:
    network = SimNetwork(
        2,
        Faults(heal_ms=500, loss_percent=0, crash_interval_ms=0, torn_write_percent=0, partition_interval_ms=0),
    )
    network.run(heights_after_healing=2)
    return network


def final(network: SimNetwork, height: int, value: bytes, *signers: int) -> CertificateMessage:
    """What these signers could send if they all lied."""
    digest = vote_digest(NETWORK, VALIDATORS.hash, VoteKind.PRECOMMIT, height, 0, value)
    shares = [fake_share(VALIDATORS.validators[index].bls_key, digest) for index in signers]
    certificate = Certificate(
        kind=VoteKind.PRECOMMIT,
        height=height,
        round=0,
        value=value,
        validators_hash=VALIDATORS.hash,
        signers=signer_bitmap(signers),
        aggregate=FakeVerifier().aggregate(shares),
    )
    return CertificateMessage(certificate=certificate)


def test_two_final_blocks_of_one_height_stop_the_node() -> None:
    network = decided_network()
    replica = network.nodes[0].replica
    assert replica is not None
    height = replica.chain.height
    for message in (final(network, height, b"w" * 32, 1, 2), final(network, height, replica.chain.parent, 1, 2, 3)):
        replica.receive(KEYS[1], sealed(1, message))
    with pytest.raises(Bug):
        replica.receive(KEYS[1], sealed(1, final(network, height, b"w" * 32, 1, 2, 3)))


def test_a_certificate_without_its_extensions_decides_nothing() -> None:
    replica = fresh()
    message = final(decided_network(), 1, b"v" * 32, 1, 2, 3)
    assert faults(replica.receive(KEYS[1], sealed(1, message))) == ["BAD_EXTENDED_COMMIT"]
    assert replica.run.state.votes.certificate(0, VoteKind.PRECOMMIT, b"v" * 32) is None


def test_a_prevote_certificate_shown_as_final_is_refused() -> None:
    network = decided_network()
    committed = network.nodes[0].committed()[0]
    prevotes = vote_digest(NETWORK, VALIDATORS.hash, VoteKind.PREVOTE, 1, 0, committed.block.header.hash)
    shares = [fake_share(VALIDATORS.validators[index].bls_key, prevotes) for index in (0, 1, 2)]
    polka = msgspec.structs.replace(
        committed.certificate,
        kind=VoteKind.PREVOTE,
        round=0,
        signers=signer_bitmap((0, 1, 2)),
        aggregate=FakeVerifier().aggregate(shares),
    )
    replica = fresh()
    for shown in (polka, msgspec.structs.replace(polka, kind=VoteKind.PRECOMMIT)):
        replica.receive(KEYS[1], sealed(1, Status(height=1)))
        StillClock.now += 2000
        replica.on_timer(TimerKind.SYNC, 0, 0)
        response = BlockResponse(blocks=(msgspec.structs.replace(committed, certificate=shown),))
        replica.receive(KEYS[1], sealed(1, response))
        assert faults(replica.on_timer(TimerKind.APPLY, 0, 0)) != []
        assert replica.chain.height == 0
    replica.receive(KEYS[1], sealed(1, Status(height=1)))
    StillClock.now += 2000
    replica.on_timer(TimerKind.SYNC, 0, 0)
    replica.receive(KEYS[1], sealed(1, BlockResponse(blocks=(committed,))))
    assert faults(replica.on_timer(TimerKind.APPLY, 0, 0)) == []
    assert replica.chain.height == 1


def test_a_fetched_block_with_other_contents_is_its_senders_fault() -> None:
    committed = decided_network().nodes[0].committed()[0]
    replica = fresh()
    replica.receive(KEYS[1], sealed(1, Status(height=1)))
    StillClock.now += 2000
    replica.on_timer(TimerKind.SYNC, 0, 0)
    block = msgspec.structs.replace(committed.block, payload=b"toy:other")
    response = BlockResponse(blocks=(msgspec.structs.replace(committed, block=block),))
    replica.receive(KEYS[1], sealed(1, response))
    assert faults(replica.on_timer(TimerKind.APPLY, 0, 0)) == ["WRONG_PAYLOAD_ROOT"]
    assert replica.chain.height == 0


@pytest.mark.parametrize("nodes", [1, 2, 3, 10])
def test_networks_of_other_sizes_make_heights(nodes: int) -> None:
    network = SimNetwork(1, Faults(nodes=nodes, heal_ms=600, loss_percent=0))
    network.run()


def test_well_signed_nonsense_is_a_fault_or_nothing(traffic: list[tuple[bytes, bytes]]) -> None:
    """A liar signs what it has changed, so that it gets past the envelope."""
    chance = random.Random(2)
    index_of = {key: index for index, key in enumerate(KEYS)}
    replica, refused = fresh(), set()
    for _ in range(3000):
        sender, data = chance.choice(traffic)
        message = changed(chance, read_message(read_envelope(data)), chance.choice((2, 10, 30)))
        StillClock.now += 1000
        refused.update(faults(replica.receive(sender, sealed(index_of[sender], message))))
        assert replica.run.state.round < 2**31
    assert {"MALFORMED", "BAD_EXTENSION", "NOT_A_VALIDATOR"} <= refused


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
