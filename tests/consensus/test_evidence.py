"""What proves misbehaviour, what does not, and that each offence is told to the application once."""

from dataclasses import dataclass, replace
from functools import partial

import msgspec
import pytest

from clearing.base import bls
from clearing.base.certificate import NIL, Certificate, signer_bitmap, vote_digest
from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from clearing.base.validators import ValidatorSet
from clearing.validators.evidence_age import EVIDENCE_HEIGHTS
from consensus.application import MisbehaviourKind
from consensus.chain_state import ChainState
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
from consensus.leaders import Leaders
from consensus.light_client import LightBlock
from consensus.messages import (
    EVIDENCE_BYTES_MAX,
    EVIDENCE_PER_BLOCK_MAX,
    EVIDENCE_POLKAS_MAX,
    EXTENSION_DATA_MAX,
    BadShare,
    ConflictingSignatures,
    DuplicateVote,
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
from consensus.outputs import Broadcast, Lane
from consensus.replica.inbox import EVIDENCE_CHECKS_AT_ONCE
from consensus.replica.replica import Replica
from consensus.signing import CurveVerifier
from consensus.turns import turns_of
from tests.kit.consensus.core import PRECOMMIT, PREVOTE, V, W
from tests.kit.consensus.crypto import KEYS, VALIDATORS, FakeVerifier, fake_signature, secrets_of, validator_set
from tests.kit.consensus.replicas import (
    NETWORK,
    certificate,
    faults,
    genesis_chain,
    make_replica,
    messages_of,
    receive,
    sealed,
    vote,
)
from tests.kit.consensus.toy import ToyApplication
from tests.kit.refusals import refused
from tests.kit.validator_records import made_validator
from tests.sim.consensus.house import ToyHouse
from tests.sim.consensus.network import Faults, SimNetwork
from tests.sim.consensus.node import SimNode
from tests.sim.consensus.scenarios import toy_faults_of

change = msgspec.structs.replace
prevote, precommit = partial(certificate, PREVOTE), partial(certificate, PRECOMMIT)
pair = ConflictingSignatures
REWEIGHTED = validator_set(4, (10, 10, 30, 1))
LOCK = precommit(0, V, 1, 2, 3)
SPOILED = b"\x01" * 96


def judged(
    height: int = 0, sets: tuple[int, ValidatorSet] | None = None
) -> tuple[EvidenceJudge, ChainState, ToyApplication]:
    """As if `height` blocks were decided; `sets`: from this height on, another set."""
    application = ToyApplication(VALIDATORS, 0, change=sets)
    chain = genesis_chain(application)
    application.height = height
    return EvidenceJudge(application, FakeVerifier()), replace(chain, height=height), application


def enveloped(made: Vote) -> BadShare:
    key = KEYS[made.validator]
    return BadShare(made, fake_signature(key, envelope_digest(NETWORK, key, MessageKind.VOTE, encode(made))))


def double(voter: int, round_: int = 0, height: int = 1) -> DuplicateVote:
    """Two prevotes of one step."""
    return duplicate_vote(VALIDATORS.hash, *(vote(voter, PREVOTE, round_, value, height) for value in (V, W)))


def lunatic(*people: int, known_at: int = 1, height: int = 1) -> ForeignCertificate:
    """Three of seven strangers and these of the chain certified something under a set of their own."""
    strangers = [v for v in validator_set(11).validators if v.envelope_key not in KEYS]
    mixed = [*strangers, *(VALIDATORS.validators[index] for index in people)]
    shown = ValidatorSet(validators=tuple(sorted(mixed, key=lambda validator: validator.envelope_key)))
    return ForeignCertificate(known_at, precommit(0, V, *range(len(mixed)), height=height, validators=shown), shown)


Verdict = str | tuple[str, set[int]]
"""The code of its refusal, or the offence and the validators that are convicted of it."""


def verdict(proof: Proof, judge: EvidenceJudge, chain: ChainState) -> Verdict:
    try:
        offences = judge.check_proof(chain, proof)
    except RemoteFault as fault:
        return fault.code.name
    ((kind, power),) = {(offence.kind.name, offence.power) for offence in offences}
    assert power == 10
    return kind, {KEYS.index(offence.envelope_key) for offence in offences}


@dataclass
class Case:
    """By default nothing is proven."""

    proof: Proof
    verdict: Verdict = "BAD_EVIDENCE"
    height: int = 0
    sets: tuple[int, ValidatorSet] | None = None


DOUBLE, TWICE, AMNESIA, ATTACK = "DUPLICATE_VOTE", "CONFLICTING_CERTIFICATES", "AMNESIA", "LIGHT_CLIENT_ATTACK"
LATE = "EVIDENCE_OUT_OF_TIME"
SPOILED_VOTE = vote(2, PREVOTE, 0, V, share=SPOILED)
OLD_NIL = enveloped(vote(1, PRECOMMIT, 0, NIL, height=5))
SHRUNK = ValidatorSet(validators=VALIDATORS.validators[:3])
OF_WHO_LEFT = ForeignCertificate(9, precommit(0, V, 0, 1, 3, height=15), VALIDATORS)
CASES = {
    "one_voted_beside_a_polka_that_it_is_in": Case(pair(prevote(0, V, 1), prevote(0, W, 0, 1, 2)), (DOUBLE, {1})),
    "two_polkas_of_a_round": Case(pair(prevote(0, V, 0, 1, 3), prevote(0, W, 0, 1, 2)), (TWICE, {0, 1})),
    "nil_and_a_value": Case(pair(precommit(0, NIL, 2), precommit(0, V, 2, 3)), (DOUBLE, {2})),
    "the_higher_value_first": Case(pair(prevote(0, W, 1), prevote(0, V, 1))),
    "one_value": Case(pair(prevote(0, V, 1), prevote(0, V, 1, 2))),
    "nobody_in_both": Case(pair(prevote(0, V, 1), prevote(0, W, 0, 2, 3))),
    "two_kinds_of_one_round": Case(pair(prevote(0, V, 1), precommit(0, W, 1))),
    "values_of_two_heights": Case(pair(prevote(0, V, 1), prevote(0, W, 1, height=2))),
    "a_polka_beside_one_step": Case(pair(prevote(0, V, 1), prevote(0, W, 1), (prevote(0, V, 1, 2, 3),))),
    "a_prevote_against_the_lock_of_the_round_before": Case(pair(precommit(0, V, 1), prevote(1, W, 1)), (AMNESIA, {1})),
    "two_certificates_across_rounds": Case(pair(LOCK, prevote(1, W, 0, 1, 2)), (AMNESIA, {1, 2})),
    "with_polkas_of_all_rounds_between": Case(
        pair(LOCK, prevote(3, W, 3), (prevote(1, NIL, 0, 1, 2), prevote(2, V, 1, 2, 3))), (AMNESIA, {3})
    ),
    "a_round_between_without_a_polka": Case(pair(LOCK, prevote(3, W, 3), (prevote(1, V, 0, 1, 2),))),
    "a_polka_between_that_opened_the_lock": Case(pair(LOCK, prevote(2, W, 3), (prevote(1, W, 0, 1, 2),))),
    "too_few_for_a_polka_between": Case(pair(LOCK, prevote(2, W, 3), (prevote(1, V, 0, 1),))),
    "a_precommit_of_another_round_between": Case(pair(LOCK, prevote(2, W, 3), (precommit(1, V, 0, 1, 2),))),
    "a_precommit_of_another_value_in_a_later_round": Case(pair(LOCK, precommit(1, W, 3))),
    "a_prevote_before_the_lock": Case(pair(precommit(1, V, 1), prevote(0, W, 1))),
    "a_prevote_of_nil_against_a_lock": Case(pair(LOCK, prevote(1, NIL, 1))),
    "a_nil_precommit_is_no_lock": Case(pair(precommit(0, NIL, 1), prevote(1, W, 1))),
    "the_locked_value_again": Case(pair(LOCK, prevote(1, V, 1))),
    "a_signature_that_is_not_theirs": Case(pair(change(LOCK, signers=signer_bitmap((0, 1, 2))), prevote(1, W, 0))),
    "a_signer_that_is_not_in_the_set": Case(pair(change(LOCK, signers=signer_bitmap((1, 2, 9))), prevote(1, W, 1))),
    "a_bad_share_in_a_good_envelope_convicts_its_sender": Case(enveloped(SPOILED_VOTE), ("BAD_SHARE", {2})),
    "a_good_share_convicts_nobody": Case(enveloped(vote(2, PREVOTE, 0, V))),
    "anybody_can_write_a_vote": Case(change(enveloped(SPOILED_VOTE), signature=fake_signature(KEYS[1], b"x"))),
    "a_bad_share_of_nobody": Case(BadShare(change(SPOILED_VOTE, validator=9), bytes(64))),
    # Under the set of now an older vote's share would not verify, and its index may be another's.
    "an_honest_vote_is_read_under_its_own_set": Case(OLD_NIL, height=20, sets=(10, REWEIGHTED)),
    "two_votes_are_read_under_their_own_set": Case(double(1, height=5), (DOUBLE, {1}), 20, (10, REWEIGHTED)),
    "two_old_votes_under_the_new_set": Case(
        change(double(1, height=5), validators_hash=REWEIGHTED.hash), height=20, sets=(10, REWEIGHTED)
    ),
    "two_votes_after_their_set": Case(change(double(1), height=12), height=20, sets=(10, REWEIGHTED)),
    **{
        f"{'too_late' if late else 'in_time'}_for_height_{height}": Case(
            double(1, height=height), LATE if late else (DOUBLE, {1}), 2 * EVIDENCE_HEIGHTS
        )
        for height, late in (
            (0, True),
            (EVIDENCE_HEIGHTS - 1, True),
            (EVIDENCE_HEIGHTS, False),
            (2 * EVIDENCE_HEIGHTS, False),
            (2 * EVIDENCE_HEIGHTS + 1, False),
            (2 * EVIDENCE_HEIGHTS + 2, True),
        )
    },
    "signing_for_a_set_that_the_height_never_had_is_an_attack": Case(lunatic(1, 3), (ATTACK, {1, 3})),
    "a_certificate_of_the_heights_own_set": Case(ForeignCertificate(1, precommit(0, V, 0, 1, 2), VALIDATORS)),
    "strangers_may_sign_what_they_like": Case(lunatic()),
    "another_set_than_the_certificates": Case(change(lunatic(1), validators=validator_set(7))),
    "a_foreign_certificate_known_too_late": Case(lunatic(1, known_at=3, height=2), LATE),
    "who_left_is_answerable_for_what_it_signs_afterwards": Case(OF_WHO_LEFT, (ATTACK, {0, 1, 3}), 20, (10, SHRUNK)),
    "known_only_after_it_was_signed": Case(change(OF_WHO_LEFT, known_at=16), height=20, sets=(10, SHRUNK)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_evidence_convicts_exactly_who_signed_what_no_honest_validator_signs(case: Case) -> None:
    judge, chain, _ = judged(case.height, case.sets)
    assert verdict(case.proof, judge, chain) == case.verdict


def test_a_key_made_up_to_cancel_anothers_convicts_nobody() -> None:
    """On the real curve: the sum of an honest key and a rogue one is a key whose secret the liar has."""
    honest, (_, secret) = VALIDATORS.validators[0], secrets_of(4)[1]
    own = bls.decode_key(bls.public_key(secret))
    rogue = (own - bls.decode_key(honest.bls_key)).to_compressed_bytes()
    made = change(made_validator(b"\xff" * 32, secret, 10), bls_key=rogue)
    shown = ValidatorSet(validators=(honest, made))
    digest = vote_digest(NETWORK, shown.hash, PRECOMMIT, 1, 0, V)
    forged = change(precommit(0, V, 0, 1, validators=shown), aggregate=bls.sign(secret, digest))
    assert CurveVerifier().verify_shares([honest.bls_key, rogue], digest, forged.aggregate)
    _, chain, application = judged()
    judge = EvidenceJudge(application, CurveVerifier())
    assert verdict(ForeignCertificate(1, forged, shown), judge, chain) == "BAD_EVIDENCE"


def test_an_offence_is_told_once_in_a_block_and_never_again() -> None:
    judge, chain, application = judged()
    both = pair(prevote(0, V, 1, 2), prevote(0, W, 1, 2))
    with refused(ConsensusCode.EVIDENCE_REPEATED):
        judge.check(chain, as_evidence(double(1), double(1, round_=3)))
    offences = judge.check(chain, as_evidence(double(1), both))
    assert [offence.envelope_key for offence in offences] == sorted(KEYS[1:3])
    for offence in offences:
        application.reported[(offence.envelope_key, offence.height, offence.kind)] = offence
    for proof in (double(1), double(1, round_=3), both):
        assert verdict(proof, judge, chain) == "EVIDENCE_REPEATED"


def test_a_pool_offers_what_a_block_may_hold() -> None:
    judge, chain, application = judged(50)
    pool = EvidencePool()
    for height in range(1, 50):
        for voter in range(4):
            pool.add(double(voter, height=height))
    assert len(pool.proofs) == POOL_MAX
    pool.add(enveloped(vote(1, PREVOTE, 0, V, share=SPOILED)))
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
    judge, chain, _ = judged()
    everybody = precommit(0, V, *range(4))
    polkas = tuple(prevote(round_, V, 1, 2, 3) for round_ in range(1, 1 + EVIDENCE_POLKAS_MAX))
    pairs = [pair(everybody, prevote(5, W, index), polkas) for index in range(4)]
    shares = [enveloped(vote(index, PREVOTE, 0, V, share=SPOILED)) for index in range(4)]
    proofs: list[Proof] = [*pairs, *shares]
    assert sum(checks_of(proof) for proof in proofs) <= EVIDENCE_CHECKS_MAX
    assert len(judge.check(chain, as_evidence(*proofs))) == 8
    shown = ValidatorSet(validators=VALIDATORS.validators * 31)
    heavy = ForeignCertificate(1, change(everybody, signers=signer_bitmap(range(124))), shown)
    with refused(ConsensusCode.BAD_EVIDENCE) as caught:
        judge.check(chain, as_evidence(heavy, *pairs, pairs[0], *shares))
    assert caught.value.at == "checks"


def test_the_largest_evidence_fits_its_message() -> None:
    longest = SignedExtension(
        validator=2**32 - 1, extension=Extension(time_ms=2**62, data=bytes(EXTENSION_DATA_MAX)), signature=bytes(64)
    )
    big = change(vote(1, PRECOMMIT, 2**31 - 1, V, 2**62), extension=longest)
    wide = change(LOCK, height=2**62, round=2**31 - 1)
    n = EVIDENCE_PER_BLOCK_MAX
    evidence = Evidence(
        votes=(duplicate_vote(VALIDATORS.hash, big, big),) * n,
        shares=(BadShare(big, bytes(64)),) * n,
        conflicts=(pair(wide, wide, (wide,) * EVIDENCE_POLKAS_MAX),) * n,
        foreign=(ForeignCertificate(2**62, wide, ValidatorSet(validators=VALIDATORS.validators[:1] * 127)),),
    )
    assert len(encode(EvidenceMessage(evidence))) < EVIDENCE_BYTES_MAX - 8 * 500
    assert read_message(read_envelope(sealed(0, EvidenceMessage(evidence)))) == EvidenceMessage(evidence)


def keeper(*parts: Vote | Certificate, validators: ValidatorSet = VALIDATORS) -> VoteKeeper:
    made = VoteKeeper(validators)
    for part in parts:
        if isinstance(part, Vote):
            made.add(part, 0)
        else:
            made.add_certificate(part)
    return made


FORGOTTEN = (vote(1, PRECOMMIT, 0, V), vote(1, PREVOTE, 2, W))
NIL_POLKA = prevote(1, NIL, 0, 2, 3)
CONTRADICTIONS = {
    "votes_and_their_certificate": (
        [*(vote(index, PREVOTE, 0, V) for index in range(4)), prevote(0, V, 0, 1, 2)],
        [],
    ),
    "a_vote_beside_a_polka_of_another_value": (
        [vote(1, PREVOTE, 0, V), prevote(0, W, 0, 1, 2)],
        [pair(prevote(0, V, 1), prevote(0, W, 0, 1, 2))],
    ),
    "the_first_vote_against_a_lock": (
        [vote(1, PRECOMMIT, 0, V), vote(1, PREVOTE, 1, W), vote(1, PREVOTE, 2, W)],
        [pair(precommit(0, V, 1), prevote(1, W, 1))],
    ),
    "no_polka_of_the_round_between": (FORGOTTEN, []),
    "the_polka_of_the_round_between": (
        [*FORGOTTEN, NIL_POLKA],
        [pair(precommit(0, V, 1), prevote(2, W, 1), (NIL_POLKA,))],
    ),
}


@pytest.mark.parametrize(("parts", "found"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradictions_in_a_height_are_found_once_for_each_signer_and_convince(
    parts: list[Vote | Certificate], found: list[ConflictingSignatures]
) -> None:
    assert contradictions(keeper(*parts)) == found
    judge, chain, _ = judged()
    assert all(len(judge.check_proof(chain, proof)) == 1 for proof in found)


def test_contradictions_of_one_height_are_bounded() -> None:
    people = validator_set(40)
    votes = [
        vote(index, *step, share=bytes(96), validators=people)
        for index in range(40)
        for step in ((PRECOMMIT, 0, V), (PREVOTE, 1, W))
    ]
    assert len(contradictions(keeper(*votes, validators=people))) == FOUND_MAX


def test_a_replica_tells_all_of_a_bad_share_that_spoiled_a_quorum() -> None:
    replica = make_replica()
    outputs = []
    for index, share in ((1, b""), (2, SPOILED), (3, b"")):
        outputs += receive(replica, index, vote(index, PREVOTE, 7, V, share=share))
    assert faults(outputs) == ["BAD_SHARE"]
    data_lane = [output for output in outputs if isinstance(output, Broadcast) and output.lane is Lane.DATA]
    (message,) = (message for message in messages_of(data_lane) if isinstance(message, EvidenceMessage))
    assert [proof.vote.validator for proof in message.evidence.shares] == [2]
    assert replica.context.evidence.proofs == message.evidence.shares


def test_evidence_from_a_peer_is_kept_when_it_proves_and_blamed_when_it_does_not() -> None:
    replica = make_replica()
    good = EvidenceMessage(as_evidence(double(3)))
    for sender in (1, 2):
        answers = receive(replica, sender, good)
        assert messages_of(answers) == []
        assert faults(answers) == []
        assert replica.context.evidence.proofs == (double(3),)
    bad = EvidenceMessage(as_evidence(change(double(3), first_share=bytes(96))))
    assert faults(receive(replica, 1, bad)) == ["BAD_EVIDENCE"]
    early = EvidenceMessage(as_evidence(double(3, height=9)))
    assert receive(replica, 1, early) == [], "who is behind blames nobody"


def test_evidence_costs_its_sender_no_more_than_its_share_of_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    replica = make_replica()
    asked = []
    monkeypatch.setattr(replica.context.executor.judge._verifier, "verify_shares", lambda *_: not asked.append(1))
    for round_ in range(2000):
        receive(replica, 2, EvidenceMessage(as_evidence(double(1, round_))))
    assert 0 < len(asked) <= EVIDENCE_CHECKS_AT_ONCE + 2


def attack(replica: Replica, validators: ValidatorSet, round_: int = 0) -> LightClientAttack:
    """Two certified headers of height 1: the chain's first block, and one more under this set."""
    proposal = replica.run.outbox.proposal(0)
    assert proposal is not None
    header = proposal.block.header
    shared = LightBlock(change(header, height=0), precommit(0, V, 0, 1, 2), VALIDATORS, VALIDATORS)
    first = LightBlock(header, precommit(0, header.hash, 0, 1, 2), VALIDATORS, VALIDATORS)
    other = change(header, time_ms=header.time_ms + 1, validators_hash=validators.hash)
    second = LightBlock(other, precommit(round_, other.hash, 1, 2, 3, validators=validators), validators, VALIDATORS)
    return LightClientAttack(shared, *sorted((first, second), key=lambda block: block.header.hash))


def test_an_attack_that_a_light_client_saw_comes_before_the_validators() -> None:
    replica = make_replica(turns_of(VALIDATORS, 1, Leaders()).proposer(0))
    accused, outputs = replica.submit_attack(attack(replica, REWEIGHTED))
    assert {(offence.kind.name, offence.envelope_key) for offence in accused} == {(ATTACK, key) for key in KEYS[1:]}
    assert any(isinstance(output, Broadcast) and output.lane is Lane.DATA for output in outputs)
    accused, _ = replica.submit_attack(attack(replica, VALIDATORS))
    assert {(offence.kind.name, offence.envelope_key) for offence in accused} == {(TWICE, key) for key in KEYS[1:3]}
    with refused(ConsensusCode.BAD_EVIDENCE):
        replica.submit_attack(attack(replica, VALIDATORS, round_=1))


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
    reported = [reported_by(node) for node in network.honest]
    least = min(node.height for node in network.honest) - 3
    early = [{offence for offence in found if offence[1] < least} for found in reported]
    assert early[0]
    assert all(found == early[0] for found in early)
    assert {KEYS.index(key) for found in reported for key, _, _ in found} == {1}
    assert {kind for found in reported for _, _, kind in found} <= LIES[lie]


def test_no_honest_validator_is_accused_under_any_fault() -> None:
    """Crashes, torn logs, partitions and liars of every kind: only liars are accused."""
    accused = 0
    for seed in range(24):
        network = SimNetwork(seed, toy_faults_of(seed))
        network.run()
        liars = {network.nodes[index].key for index, _ in network.faults.liars}
        for node in network.honest:
            found = {key for key, _, _ in reported_by(node)}
            assert found <= liars, seed
            accused += bool(found)
    assert accused > 10
