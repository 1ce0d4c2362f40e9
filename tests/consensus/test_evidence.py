"""What proves misbehaviour, what does not, and that each offence is told to the application once."""

from dataclasses import replace
from functools import partial

import msgspec
import pytest

from clearing.base import bls
from clearing.base.certificate import NIL, Certificate, VoteKind, signer_bitmap, vote_digest
from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from clearing.base.hashing import sha256
from clearing.base.validators import Validator, ValidatorSet
from clearing.validators.validator_sets import EVIDENCE_HEIGHTS
from consensus.application import MisbehaviourKind
from consensus.blocks.store import MemoryBlockStore
from consensus.chain_state import ChainState, chain_at
from consensus.codes import ConsensusCode
from consensus.core.votes import VoteKeeper
from consensus.evidence.accountability import FOUND_MAX, contradictions
from consensus.evidence.attack import LightClientAttack
from consensus.evidence.judge import (
    EVIDENCE_CHECKS_MAX,
    POOL_MAX,
    EvidenceJudge,
    EvidencePool,
    as_evidence,
    duplicate_vote,
)
from consensus.evidence.offences import Proof, checks_of
from consensus.light_client import LightBlock
from consensus.messages import (
    EVIDENCE_BYTES_MAX,
    EVIDENCE_PER_BLOCK_MAX,
    EVIDENCE_POLKAS_MAX,
    EXTENSION_DATA_MAX,
    BadShare,
    ConflictingSignatures,
    Evidence,
    EvidenceMessage,
    Extension,
    ForeignCertificate,
    MessageKind,
    SignedExtension,
    Vote,
    envelope_digest,
    read_envelope,
    read_message,
)
from consensus.outputs import Broadcast, Lane, Output, PeerFault
from consensus.replica.inbox import EVIDENCE_CHECKS_AT_ONCE
from consensus.replica.replica import Replica, ReplicaConfig
from consensus.signing import CurveVerifier, seal
from consensus.timeouts import TimerKind
from node.signer.sign_state import SignGuard
from tests.kit.consensus.crypto import (
    FakeSigner,
    FakeVerifier,
    fake_share,
    fake_signature,
    secrets_of,
    validator_set,
)
from tests.kit.consensus.toy import ToyApplication
from tests.sim.consensus.house import ToyHouse
from tests.sim.consensus.network import GENESIS_MS, NETWORK, Faults, SimNetwork
from tests.sim.consensus.node import SimNode
from tests.sim.consensus.scenarios import faults_of

VALIDATORS = validator_set(4)
KEYS = [validator.envelope_key for validator in VALIDATORS.validators]
V, W = b"v" * 32, b"w" * 32
PREVOTE, PRECOMMIT = VoteKind.PREVOTE, VoteKind.PRECOMMIT


class StillClock:
    now = 0

    def wall_ms(self) -> int:
        return GENESIS_MS + self.now

    def steady_ms(self) -> int:
        return self.now


def replica_of(own: int = 0) -> Replica:
    application = ToyApplication(VALIDATORS, own)
    replica = Replica(
        chain_at(NETWORK, GENESIS_MS, application.position, None),
        application,
        MemoryBlockStore(),
        FakeSigner(NETWORK, VALIDATORS.validators[own], SignGuard()),
        FakeVerifier(),
        StillClock(),
        ReplicaConfig(),
        lambda: True,
    )
    replica.start()
    replica.on_timer(TimerKind.HEARTBEAT, 1, 0)
    return replica


def judged(application: ToyApplication | None = None) -> tuple[EvidenceJudge, ChainState]:
    application = application or ToyApplication(VALIDATORS, 0)
    return EvidenceJudge(application, FakeVerifier()), chain_at(NETWORK, GENESIS_MS, application.position, None)


def at_height(height: int, change: tuple[int, ValidatorSet] | None = None) -> tuple[EvidenceJudge, ChainState]:
    """As if `height` blocks were decided."""
    application = ToyApplication(VALIDATORS, 0, change=change)
    application.height = height
    chain = chain_at(NETWORK, GENESIS_MS, replace(application.position, height=0), None)
    return EvidenceJudge(application, FakeVerifier()), replace(chain, height=height)


def signed(
    kind: VoteKind, round_: int, value: bytes, *signers: int, height: int = 1, validators: ValidatorSet = VALIDATORS
) -> Certificate:
    """What these validators signed, summed: a quorum's certificate or less."""
    digest = vote_digest(NETWORK, validators.hash, kind, height, round_, value)
    shares = [fake_share(validators.validators[index].bls_key, digest) for index in signers]
    return Certificate(
        kind=kind,
        height=height,
        round=round_,
        value=value,
        validators_hash=validators.hash,
        signers=signer_bitmap(signers),
        aggregate=FakeVerifier().aggregate(shares),
    )


def vote(voter: int, kind: VoteKind, round_: int, value: bytes, height: int = 1, share: bytes = b"") -> Vote:
    digest = vote_digest(NETWORK, VALIDATORS.hash, kind, height, round_, value)
    good = fake_share(VALIDATORS.validators[voter].bls_key, digest)
    return Vote(kind=kind, height=height, round=round_, value=value, validator=voter, share=share or good)


def enveloped(made: Vote) -> BadShare:
    key = KEYS[made.validator]
    return BadShare(made, fake_signature(key, envelope_digest(NETWORK, key, MessageKind.VOTE, encode(made))))


def refusal(proof: Proof, judge: EvidenceJudge, chain: ChainState) -> str:
    try:
        judge.check_proof(chain, proof)
    except RemoteFault as fault:
        return fault.code.name
    return "proven"


LOCK = signed(PRECOMMIT, 0, V, 1, 2, 3)
pair = ConflictingSignatures
prevote, precommit = partial(signed, PREVOTE), partial(signed, PRECOMMIT)
DOUBLE, TWICE, AMNESIA = "DUPLICATE_VOTE", "CONFLICTING_CERTIFICATES", "AMNESIA"
CONFLICTS: list[tuple[str, ConflictingSignatures, tuple[str, set[int]] | None]] = [
    ("one voted beside a polka that it is in", pair(prevote(0, V, 1), prevote(0, W, 0, 1, 2)), (DOUBLE, {1})),
    ("two polkas of a round", pair(prevote(0, V, 0, 1, 3), prevote(0, W, 0, 1, 2)), (TWICE, {0, 1})),
    ("nil and a value", pair(precommit(0, NIL, 2), precommit(0, V, 2, 3)), (DOUBLE, {2})),
    ("the higher value first", pair(prevote(0, W, 1), prevote(0, V, 1)), None),
    ("one value", pair(prevote(0, V, 1), prevote(0, V, 1, 2)), None),
    ("nobody in both", pair(prevote(0, V, 1), prevote(0, W, 0, 2, 3)), None),
    ("two kinds of one round", pair(prevote(0, V, 1), precommit(0, W, 1)), None),
    ("values of two heights", pair(prevote(0, V, 1), prevote(0, W, 1, height=2)), None),
    ("a polka beside one step", pair(prevote(0, V, 1), prevote(0, W, 1), (prevote(0, V, 1, 2, 3),)), None),
    ("a prevote against the lock of the round before", pair(precommit(0, V, 1), prevote(1, W, 1)), (AMNESIA, {1})),
    ("two certificates across rounds", pair(LOCK, prevote(1, W, 0, 1, 2)), (AMNESIA, {1, 2})),
    (
        "with polkas of all rounds between",
        pair(LOCK, prevote(3, W, 3), (prevote(1, NIL, 0, 1, 2), prevote(2, V, 1, 2, 3))),
        (AMNESIA, {3}),
    ),
    ("a round between without a polka", pair(LOCK, prevote(3, W, 3), (prevote(1, V, 0, 1, 2),)), None),
    ("a polka between that opened the lock", pair(LOCK, prevote(2, W, 3), (prevote(1, W, 0, 1, 2),)), None),
    ("too few for a polka between", pair(LOCK, prevote(2, W, 3), (prevote(1, V, 0, 1),)), None),
    ("a precommit of another round between", pair(LOCK, prevote(2, W, 3), (precommit(1, V, 0, 1, 2),)), None),
    ("a precommit of another value in a later round", pair(LOCK, precommit(1, W, 3)), None),
    ("a prevote before the lock", pair(precommit(1, V, 1), prevote(0, W, 1)), None),
    ("a prevote of nil against a lock", pair(LOCK, prevote(1, NIL, 1)), None),
    ("a nil precommit is no lock", pair(precommit(0, NIL, 1), prevote(1, W, 1)), None),
    ("the locked value again", pair(LOCK, prevote(1, V, 1)), None),
    (
        "a signature that is not theirs",
        pair(msgspec.structs.replace(LOCK, signers=signer_bitmap((0, 1, 2))), prevote(1, W, 0)),
        None,
    ),
    (
        "a signer that is not in the set",
        pair(msgspec.structs.replace(LOCK, signers=signer_bitmap((1, 2, 9))), prevote(1, W, 1)),
        None,
    ),
]


@pytest.mark.parametrize(("made", "proven"), [case[1:] for case in CONFLICTS], ids=[case[0] for case in CONFLICTS])
def test_signatures_that_no_honest_validator_gives_together(
    made: ConflictingSignatures, proven: tuple[str, set[int]] | None
) -> None:
    judge, chain = judged()
    if proven is None:
        assert refusal(made, judge, chain) == "BAD_EVIDENCE"
        return
    offences = judge.check_proof(chain, made)
    assert {offence.kind.name for offence in offences} == {proven[0]}
    assert {KEYS.index(offence.envelope_key) for offence in offences} == proven[1]
    assert {offence.power for offence in offences} == {10}


def test_a_bad_share_in_a_good_envelope_convicts_its_sender_and_nothing_else_does() -> None:
    judge, chain = judged()
    bad = vote(2, PREVOTE, 0, V, share=b"\x01" * 96)
    (offence,) = judge.check_proof(chain, enveloped(bad))
    assert (offence.kind, offence.envelope_key) == (MisbehaviourKind.BAD_SHARE, KEYS[2])
    assert refusal(enveloped(vote(2, PREVOTE, 0, V)), judge, chain) == "BAD_EVIDENCE", "the share is good"
    forged = msgspec.structs.replace(enveloped(bad), signature=fake_signature(KEYS[1], b"x"))
    assert refusal(forged, judge, chain) == "BAD_EVIDENCE", "anybody can write a vote"
    stray = msgspec.structs.replace(bad, validator=9)
    assert refusal(BadShare(stray, bytes(64)), judge, chain) == "BAD_EVIDENCE"


def test_an_honest_vote_under_an_older_set_is_read_under_that_set() -> None:
    """Under the set of now its share would not verify, and its index may be another's."""
    after = validator_set(4, (10, 10, 30, 1))
    judge, chain = at_height(20, (10, after))
    honest = enveloped(vote(1, PRECOMMIT, 0, NIL, height=5))
    assert refusal(honest, judge, chain) == "BAD_EVIDENCE"
    double = duplicate_vote(VALIDATORS.hash, vote(1, PREVOTE, 0, V, height=5), vote(1, PREVOTE, 0, W, height=5))
    assert refusal(double, judge, chain) == "proven"
    assert refusal(msgspec.structs.replace(double, validators_hash=after.hash), judge, chain) == "BAD_EVIDENCE"
    later = [msgspec.structs.replace(made, height=12) for made in (vote(1, PREVOTE, 0, V), vote(1, PREVOTE, 0, W))]
    assert refusal(duplicate_vote(VALIDATORS.hash, *later), judge, chain) == "BAD_EVIDENCE"


@pytest.mark.parametrize(
    ("height", "told"),
    [
        (0, "EVIDENCE_OUT_OF_TIME"),
        (EVIDENCE_HEIGHTS - 1, "EVIDENCE_OUT_OF_TIME"),
        (EVIDENCE_HEIGHTS, "proven"),
        (2 * EVIDENCE_HEIGHTS, "proven"),
        (2 * EVIDENCE_HEIGHTS + 1, "proven"),
        (2 * EVIDENCE_HEIGHTS + 2, "EVIDENCE_OUT_OF_TIME"),
    ],
)
def test_evidence_has_its_time(height: int, told: str) -> None:
    judge, chain = at_height(2 * EVIDENCE_HEIGHTS)
    pair = [vote(1, PREVOTE, 0, value, height=height) for value in (V, W)]
    assert refusal(duplicate_vote(VALIDATORS.hash, *pair), judge, chain) == told


def lunatic(*people: int, known_at: int = 1, height: int = 1) -> ForeignCertificate:
    """Three of seven strangers and these of the chain certified something under a set of their own."""
    strangers = [v for v in validator_set(11).validators if v.envelope_key not in KEYS]
    mixed = sorted(
        (*strangers, *(VALIDATORS.validators[index] for index in people)), key=lambda each: each.envelope_key
    )
    shown = ValidatorSet(validators=tuple(mixed))
    everybody = range(len(mixed))
    return ForeignCertificate(known_at, signed(PRECOMMIT, 0, V, *everybody, height=height, validators=shown), shown)


def test_signing_for_a_set_that_the_height_never_had_is_an_attack() -> None:
    judge, chain = judged()
    offences = judge.check_proof(chain, lunatic(1, 3))
    assert {KEYS.index(offence.envelope_key) for offence in offences} == {1, 3}
    assert {offence.kind for offence in offences} == {MisbehaviourKind.LIGHT_CLIENT_ATTACK}
    real = ForeignCertificate(1, signed(PRECOMMIT, 0, V, 0, 1, 2), VALIDATORS)
    assert refusal(real, judge, chain) == "BAD_EVIDENCE", "that is the height's own set"
    assert refusal(lunatic(), judge, chain) == "BAD_EVIDENCE", "strangers may sign what they like"
    other = msgspec.structs.replace(lunatic(1), validators=validator_set(7))
    assert refusal(other, judge, chain) == "BAD_EVIDENCE", "another set than the certificate's"
    assert refusal(lunatic(1, known_at=3, height=2), judge, chain) == "EVIDENCE_OUT_OF_TIME"


def test_who_left_is_answerable_for_what_it_signs_afterwards() -> None:
    judge, chain = at_height(20, (10, ValidatorSet(validators=VALIDATORS.validators[:3])))
    proof = ForeignCertificate(9, signed(PRECOMMIT, 0, V, 0, 1, 3, height=15), VALIDATORS)
    assert {KEYS.index(each.envelope_key) for each in judge.check_proof(chain, proof)} == {0, 1, 3}
    assert refusal(msgspec.structs.replace(proof, known_at=16), judge, chain) == "BAD_EVIDENCE"


def test_a_key_made_up_to_cancel_anothers_convicts_nobody() -> None:
    """On the real curve: the sum of an honest key and a rogue one is a key whose secret the liar has."""
    honest, (_, secret) = VALIDATORS.validators[0], secrets_of(4)[1]
    own = bls.decode_key(bls.public_key(secret))
    rogue = (own - bls.decode_key(honest.bls_key)).to_compressed_bytes()
    made = Validator(envelope_key=b"\xff" * 32, bls_key=rogue, power=10, possession=bls.prove_possession(secret))
    shown = ValidatorSet(validators=(honest, made))
    digest = vote_digest(NETWORK, shown.hash, PRECOMMIT, 1, 0, V)
    forged = Certificate(
        kind=PRECOMMIT,
        height=1,
        round=0,
        value=V,
        validators_hash=shown.hash,
        signers=signer_bitmap((0, 1)),
        aggregate=bls.sign(secret, digest),
    )
    assert CurveVerifier().verify_shares([honest.bls_key, rogue], digest, forged.aggregate)
    application = ToyApplication(VALIDATORS, 0)
    judge = EvidenceJudge(application, CurveVerifier())
    chain = chain_at(NETWORK, GENESIS_MS, application.position, None)
    assert refusal(ForeignCertificate(1, forged, shown), judge, chain) == "BAD_EVIDENCE"


def test_an_offence_is_told_once_in_a_block_and_never_again() -> None:
    application = ToyApplication(VALIDATORS, 0)
    judge, chain = judged(application)
    one = duplicate_vote(VALIDATORS.hash, vote(1, PREVOTE, 0, V), vote(1, PREVOTE, 0, W))
    later = duplicate_vote(VALIDATORS.hash, vote(1, PREVOTE, 3, V), vote(1, PREVOTE, 3, W))
    pair = ConflictingSignatures(signed(PREVOTE, 0, V, 1, 2), signed(PREVOTE, 0, W, 1, 2))
    with pytest.raises(RemoteFault) as repeated:
        judge.check(chain, as_evidence(one, later))
    assert repeated.value.code is ConsensusCode.EVIDENCE_REPEATED
    told = judge.check(chain, as_evidence(one, pair))
    assert [KEYS.index(each.envelope_key) for each in told] == sorted([1, 2], key=lambda index: KEYS[index])
    for offence in told:
        application.reported[(offence.envelope_key, offence.height, offence.kind)] = offence
    for proof in (one, later, pair):
        assert refusal(proof, judge, chain) == "EVIDENCE_REPEATED"


def test_a_pool_offers_what_a_block_may_hold() -> None:
    application = ToyApplication(VALIDATORS, 0)
    judge, chain = judged(application)
    pool = EvidencePool()
    chain = replace(chain, height=50)
    application.height = 50
    for height in range(1, 50):
        for voter in range(4):
            pool.add(
                duplicate_vote(VALIDATORS.hash, vote(voter, PREVOTE, 0, V, height), vote(voter, PREVOTE, 0, W, height))
            )
    assert len(pool.proofs) == POOL_MAX
    pool.add(enveloped(vote(1, PREVOTE, 0, V, share=b"\x02" * 96)))
    evidence = judge.pick(chain, pool)
    assert (len(evidence.votes), len(evidence.shares)) == (EVIDENCE_PER_BLOCK_MAX, 1)
    assert len(judge.check(chain, evidence)) == EVIDENCE_PER_BLOCK_MAX + 1
    pool.forget(evidence)
    assert not set(judge.pick(chain, pool).votes) & set(evidence.votes)
    assert not pool.add(evidence.votes[0]), "what was in a block does not come back"
    application.height = 3 * EVIDENCE_HEIGHTS
    assert judge.pick(replace(chain, height=3 * EVIDENCE_HEIGHTS), pool) == Evidence()
    assert pool.proofs == (), "too old"


def test_a_block_with_more_to_verify_than_is_allowed_is_refused() -> None:
    judge, chain = judged()
    many = signed(PRECOMMIT, 0, V, *range(4))
    polkas = tuple(signed(PREVOTE, round_, V, 1, 2, 3) for round_ in range(1, 1 + EVIDENCE_POLKAS_MAX))
    pairs = [ConflictingSignatures(many, signed(PREVOTE, 5, W, index), polkas) for index in range(4)]
    shares = [enveloped(vote(index, PREVOTE, 0, V, share=b"\x01" * 96)) for index in range(4)]
    evidence = as_evidence(*pairs, *shares)
    proofs: list[Proof] = [*pairs, *shares]
    assert sum(checks_of(proof) for proof in proofs) <= EVIDENCE_CHECKS_MAX
    assert len(judge.check(chain, evidence)) == 8
    big = validator_set(4)
    shown = ValidatorSet(validators=big.validators * 31)
    heavy = ForeignCertificate(1, msgspec.structs.replace(many, signers=signer_bitmap(range(124))), shown)
    with pytest.raises(RemoteFault) as refused:
        judge.check(chain, as_evidence(heavy, *pairs, pairs[0], *shares))
    assert (refused.value.code, refused.value.at) == (ConsensusCode.BAD_EVIDENCE, "checks")


def test_the_largest_evidence_fits_its_message() -> None:
    longest = SignedExtension(
        validator=2**32 - 1, extension=Extension(time_ms=2**62, data=bytes(EXTENSION_DATA_MAX)), signature=bytes(64)
    )
    big = msgspec.structs.replace(vote(1, PRECOMMIT, 2**31 - 1, V, 2**62), extension=longest)
    share = BadShare(big, bytes(64))
    wide = msgspec.structs.replace(LOCK, height=2**62, round=2**31 - 1)
    pair = ConflictingSignatures(wide, wide, (wide,) * EVIDENCE_POLKAS_MAX)
    double = duplicate_vote(VALIDATORS.hash, big, big)
    foreign = ForeignCertificate(2**62, wide, ValidatorSet(validators=VALIDATORS.validators[:1] * 127))
    n = EVIDENCE_PER_BLOCK_MAX
    evidence = Evidence(votes=(double,) * n, shares=(share,) * n, conflicts=(pair,) * n, foreign=(foreign,))
    assert len(encode(EvidenceMessage(evidence))) < EVIDENCE_BYTES_MAX - 8 * 500
    data = seal(FakeSigner(NETWORK, VALIDATORS.validators[0], None), EvidenceMessage(evidence))
    assert read_message(read_envelope(data)) == EvidenceMessage(evidence)


def keeper(*votes: Vote, certificates: tuple[Certificate, ...] = ()) -> VoteKeeper:
    made = VoteKeeper(VALIDATORS)
    for each in votes:
        made.add(each, 0)
    for certificate in certificates:
        made.add_certificate(certificate)
    return made


def test_contradictions_in_a_height_are_found_once_for_each_signer() -> None:
    quiet = keeper(*(vote(index, PREVOTE, 0, V) for index in range(4)), certificates=(signed(PREVOTE, 0, V, 0, 1, 2),))
    assert contradictions(quiet) == []
    hidden = keeper(vote(1, PREVOTE, 0, V), certificates=(signed(PREVOTE, 0, W, 0, 1, 2),))
    assert contradictions(hidden) == [ConflictingSignatures(signed(PREVOTE, 0, V, 1), signed(PREVOTE, 0, W, 0, 1, 2))]
    forgot = keeper(vote(1, PRECOMMIT, 0, V), vote(1, PREVOTE, 1, W), vote(1, PREVOTE, 2, W))
    assert contradictions(forgot) == [ConflictingSignatures(signed(PRECOMMIT, 0, V, 1), signed(PREVOTE, 1, W, 1))]
    unproven = keeper(vote(1, PRECOMMIT, 0, V), vote(1, PREVOTE, 2, W))
    assert contradictions(unproven) == []
    polka = signed(PREVOTE, 1, NIL, 0, 2, 3)
    shown = keeper(vote(1, PRECOMMIT, 0, V), vote(1, PREVOTE, 2, W), certificates=(polka,))
    (pair,) = contradictions(shown)
    assert pair.polkas == (polka,)
    judge, chain = judged()
    assert len(judge.check_proof(chain, pair)) == 1


def test_contradictions_of_one_height_are_bounded() -> None:
    people = validator_set(40)
    made = VoteKeeper(people)
    for index in range(40):
        made.add(vote_in(people, index, PRECOMMIT, 0, V), 0)
        made.add(vote_in(people, index, PREVOTE, 1, W), 0)
    assert len(contradictions(made)) == FOUND_MAX


def vote_in(validators: ValidatorSet, voter: int, kind: VoteKind, round_: int, value: bytes) -> Vote:
    return Vote(kind=kind, height=1, round=round_, value=value, validator=voter, share=bytes(96))


def outputs_of(outputs: list[Output]) -> tuple[list[Proof], list[str]]:
    """Evidence that was told to all, and faults."""
    told: list[Proof] = []
    faults = []
    for output in outputs:
        if isinstance(output, PeerFault):
            faults.append(output.fault.code.name)
        elif isinstance(output, Broadcast):
            message = read_message(read_envelope(output.data))
            if isinstance(message, EvidenceMessage):
                assert output.lane is Lane.DATA
                told += [*message.evidence.votes, *message.evidence.shares, *message.evidence.conflicts]
    return told, faults


def sealed(sender: int, message: Vote | EvidenceMessage) -> bytes:
    return seal(FakeSigner(NETWORK, VALIDATORS.validators[sender], None), message)


def test_a_replica_tells_all_of_a_bad_share_that_spoiled_a_quorum() -> None:
    replica = replica_of(0)
    outputs: list[Output] = []
    for index, share in ((1, b""), (2, b"\x01" * 96), (3, b"")):
        outputs += replica.receive(KEYS[index], sealed(index, vote(index, PREVOTE, 7, V, share=share)))
    told, faults = outputs_of(outputs)
    assert faults == ["BAD_SHARE"]
    assert [proof.vote.validator for proof in told if isinstance(proof, BadShare)] == [2]
    assert replica.context.evidence.proofs == tuple(told)


def test_evidence_from_a_peer_is_kept_when_it_proves_and_blamed_when_it_does_not() -> None:
    replica = replica_of(0)
    good = duplicate_vote(VALIDATORS.hash, vote(3, PREVOTE, 0, V), vote(3, PREVOTE, 0, W))
    assert outputs_of(replica.receive(KEYS[1], sealed(1, EvidenceMessage(as_evidence(good))))) == ([], [])
    assert replica.context.evidence.proofs == (good,)
    replica.receive(KEYS[2], sealed(2, EvidenceMessage(as_evidence(good))))
    assert replica.context.evidence.proofs == (good,)
    bad = msgspec.structs.replace(good, first_share=bytes(96))
    assert outputs_of(replica.receive(KEYS[1], sealed(1, EvidenceMessage(as_evidence(bad)))))[1] == ["BAD_EVIDENCE"]
    ahead = [vote(3, PREVOTE, 0, value, height=9) for value in (V, W)]
    early = EvidenceMessage(as_evidence(duplicate_vote(VALIDATORS.hash, *ahead)))
    assert outputs_of(replica.receive(KEYS[1], sealed(1, early))) == ([], []), "who is behind blames nobody"


def test_evidence_costs_its_sender_no_more_than_its_share_of_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    replica = replica_of(0)
    asked = 0
    verifier = replica.context.executor.judge._verifier

    def counted(*_: object) -> bool:
        nonlocal asked
        asked += 1
        return True

    monkeypatch.setattr(verifier, "verify_shares", counted)
    for round_ in range(2000):
        pair = [vote(1, PREVOTE, round_, value) for value in (V, W)]
        replica.receive(KEYS[2], sealed(2, EvidenceMessage(as_evidence(duplicate_vote(VALIDATORS.hash, *pair)))))
    assert 0 < asked <= EVIDENCE_CHECKS_AT_ONCE + 2


def light_block(certificate: Certificate, validators: ValidatorSet, like: LightBlock) -> LightBlock:
    header = msgspec.structs.replace(like.header, payload_root=sha256(certificate.value))
    return LightBlock(header, msgspec.structs.replace(certificate, value=header.hash), validators, validators)


def attack(replica: Replica, validators: ValidatorSet, round_: int = 0) -> LightClientAttack:
    """Two certified headers of height 1: the chain's first block, and one more under this set."""
    proposal = replica.run.outbox.proposal(0)
    assert proposal is not None
    header = proposal.block.header
    shared = LightBlock(
        msgspec.structs.replace(header, height=0), signed(PRECOMMIT, 0, V, 0, 1, 2), VALIDATORS, VALIDATORS
    )
    first = LightBlock(header, signed(PRECOMMIT, 0, header.hash, 0, 1, 2), VALIDATORS, VALIDATORS)
    other = msgspec.structs.replace(header, time_ms=header.time_ms + 1, validators_hash=validators.hash)
    certificate = signed(PRECOMMIT, round_, other.hash, 1, 2, 3, validators=validators)
    second = LightBlock(other, certificate, validators, VALIDATORS)
    low, high = sorted((first, second), key=lambda block: block.header.hash)
    return LightClientAttack(shared, low, high)


def proposer_replica() -> Replica:
    for own in range(4):
        replica = replica_of(own)
        if replica.run.outbox.proposal(0) is not None:
            return replica
    raise AssertionError


def test_an_attack_that_a_light_client_saw_comes_before_the_validators() -> None:
    replica = proposer_replica()
    accused, outputs = replica.submit_attack(attack(replica, validator_set(4, (10, 10, 30, 1))))
    assert {each.kind for each in accused} == {MisbehaviourKind.LIGHT_CLIENT_ATTACK}
    assert {KEYS.index(each.envelope_key) for each in accused} == {1, 2, 3}
    assert any(isinstance(output, Broadcast) and output.lane is Lane.DATA for output in outputs)
    accused, _ = replica.submit_attack(attack(replica, VALIDATORS))
    assert {each.kind for each in accused} == {MisbehaviourKind.CONFLICTING_CERTIFICATES}
    assert {KEYS.index(each.envelope_key) for each in accused} == {1, 2}
    with pytest.raises(RemoteFault) as nobody:
        replica.submit_attack(attack(replica, VALIDATORS, round_=1))
    assert nobody.value.code is ConsensusCode.BAD_EVIDENCE


def reported_by(node: SimNode) -> set[tuple[bytes, int, MisbehaviourKind]]:
    """What the application of a node was told."""
    assert isinstance(node.house, ToyHouse)
    return set(node.house.application.reported)


LIES = {
    "equivocator": {MisbehaviourKind.DUPLICATE_VOTE, MisbehaviourKind.DUPLICATE_PROPOSAL, MisbehaviourKind.AMNESIA},
    "double-voter": {MisbehaviourKind.DUPLICATE_VOTE, MisbehaviourKind.AMNESIA},
    "bad-share": {MisbehaviourKind.BAD_SHARE},
}


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_liars_offences_reach_every_application_and_no_honest_one_is_accused(lie: str) -> None:
    network = SimNetwork(
        3, Faults(liars=((1, lie),), heal_ms=3000, loss_percent=0, crash_interval_ms=0, torn_write_percent=0)
    )
    network.run(heights_after_healing=8)
    shown = [reported_by(node) for node in network.honest]
    least = min(node.height for node in network.honest) - 3
    early = [{identity for identity in found if identity[1] < least} for found in shown]
    assert early[0]
    assert all(found == early[0] for found in early)
    assert {KEYS.index(key) for found in shown for key, _, _ in found} == {1}
    assert {kind for found in shown for _, _, kind in found} <= LIES[lie]


def test_no_honest_validator_is_accused_under_any_fault() -> None:
    """Crashes, torn logs, partitions and liars of every kind: whoever is accused is one of the liars."""
    accused = 0
    for seed in range(24):
        network = SimNetwork(seed, replace(faults_of(seed), clearing=False, swaps=(), outside=()))
        network.run()
        liars = {network.nodes[index].key for index, _ in network.faults.liars}
        for node in network.honest:
            found = {key for key, _, _ in reported_by(node)}
            assert found <= liars, seed
            accused += bool(found)
    assert accused > 10
