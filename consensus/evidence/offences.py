"""Offences: what each kind of proof proves about whom, and which signatures must verify for that.

Rule: a proof convinces a stranger who knows the sets of the chain, and no honest validator can be accused by one while
less than a third of the power is faulty. A set is found by the height of the offence, never by what the proof states:
an honest vote read under another set would look like a bad share. Knows no pool and no state of the application.

Certificates cannot prove, so nobody is charged with: a prevote across a lock with a round between the two for which
no polka is included. The validator may have seen one there that opened its lock.
"""

from collections.abc import Callable
from typing import TypeAlias

from clearing.base.certificate import NIL, Certificate, VoteKind, signer_indices, vote_digest
from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from clearing.base.validators import VALIDATORS_MAX, ValidatorSet
from consensus.application import Misbehaviour, MisbehaviourKind
from consensus.codes import ConsensusCode
from consensus.messages import (
    BadShare,
    ConflictingSignatures,
    DuplicateProposal,
    DuplicateVote,
    ForeignCertificate,
    MessageKind,
    Vote,
    envelope_digest,
    proposal_digest,
)
from consensus.signing import Verifier

Proof: TypeAlias = DuplicateVote | DuplicateProposal | BadShare | ConflictingSignatures | ForeignCertificate
Sets: TypeAlias = Callable[[int], ValidatorSet]
"""The set of a height. Raises RemoteFault EVIDENCE_OUT_OF_TIME for one that is not known."""


def accused_by(proof: Proof, sets: Sets) -> tuple[Misbehaviour, ...]:
    """The accusations of a proof, by index, if its signatures verify; at least one.

    Raises RemoteFault BAD_EVIDENCE, EVIDENCE_OUT_OF_TIME.
    """
    match proof:
        case DuplicateVote():
            _require(proof.first_value < proof.second_value, "duplicate vote", proof.height)
            return _one(MisbehaviourKind.DUPLICATE_VOTE, proof, _named(proof, sets))
        case DuplicateProposal():
            _require(proof.first_value < proof.second_value, "duplicate proposal", proof.height)
            return _one(MisbehaviourKind.DUPLICATE_PROPOSAL, proof, _named(proof, sets))
        case BadShare(vote):
            return _one(MisbehaviourKind.BAD_SHARE, vote, sets(vote.height))
        case ConflictingSignatures():
            return _both(proof, sets)
        case ForeignCertificate():
            return _foreign(proof, sets)


def verify_proof(proof: Proof, sets: Sets, network: bytes, verifier: Verifier) -> None:
    """Check the signatures of a proof that `accused_by` accepted. Raises RemoteFault BAD_EVIDENCE."""
    match proof:
        case DuplicateVote():
            good = _duplicate_vote_holds(proof, sets(proof.height), network, verifier)
        case DuplicateProposal():
            good = _duplicate_proposal_holds(proof, sets(proof.height), network, verifier)
        case BadShare():
            good = _share_is_bad(proof, sets(proof.vote.height), network, verifier)
        case ConflictingSignatures(first, second, polkas):
            good = all(
                _sum_holds(certificate, sets(certificate.height), network, verifier)
                for certificate in (first, second, *polkas)
            )
        case ForeignCertificate():
            good = _foreign_holds(proof, network, verifier)
    if not good:
        raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "signature", kind=type(proof).__name__)


def checks_of(proof: Proof) -> int:
    """How many signature checks `verify_proof` may make, about 1.5 ms each."""
    match proof:
        case ConflictingSignatures(_, _, polkas):
            return 2 + len(polkas)
        case ForeignCertificate(_, certificate):
            return 1 + len(signer_indices(certificate.signers))
        case _:
            return 2


def _one(
    kind: MisbehaviourKind, at: DuplicateVote | DuplicateProposal | Vote, validators: ValidatorSet
) -> tuple[Misbehaviour, ...]:
    if at.validator >= len(validators.validators):
        raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "validator", validator=at.validator, height=at.height)
    validator = validators.validators[at.validator]
    return (Misbehaviour(kind, at.height, at.round, validator.envelope_key, validator.power),)


def _named(proof: DuplicateVote | DuplicateProposal, sets: Sets) -> ValidatorSet:
    """The set of the height, which the proof must name: the signed bytes contain it."""
    validators = sets(proof.height)
    if proof.validators_hash != validators.hash:
        raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "set", hash=proof.validators_hash, height=proof.height)
    return validators


def _both(proof: ConflictingSignatures, sets: Sets) -> tuple[Misbehaviour, ...]:
    first, second = proof.first, proof.second
    validators = sets(first.height)
    for certificate in (first, second, *proof.polkas):
        same = certificate.height == first.height and certificate.validators_hash == validators.hash
        _require(same and _within(certificate, validators), "conflicting signatures", first.height)
    same_step = (first.kind, first.round) == (second.kind, second.round)
    if same_step:
        _require(first.value < second.value and not proof.polkas, "values of one step", first.height)
    else:
        _require_broken_lock(proof, validators)
    signed = sorted(set(signer_indices(first.signers)) & set(signer_indices(second.signers)))
    _require(bool(signed), "signers", first.height)
    quorums = all(validators.is_quorum(_power(certificate, validators)) for certificate in (first, second))
    kind = MisbehaviourKind.CONFLICTING_CERTIFICATES if quorums else MisbehaviourKind.DUPLICATE_VOTE
    accused = [validators.validators[index] for index in signed]
    return tuple(
        Misbehaviour(
            kind if same_step else MisbehaviourKind.AMNESIA,
            first.height,
            second.round,
            validator.envelope_key,
            validator.power,
        )
        for validator in accused
    )


def _require_broken_lock(proof: ConflictingSignatures, validators: ValidatorSet) -> None:
    """A precommit locks; a later prevote of another value needs a polka for it, of the lock's round or a later one.

    The lock's own round can't have it, or the polka that locked was one of two in a round. Each round between must
    have a polka of something else for the same reason. (A later *precommit* proves nothing: L36 asks for no old lock.)
    """
    first, second = proof.first, proof.second
    kinds = (first.kind, second.kind) == (VoteKind.PRECOMMIT, VoteKind.PREVOTE)
    values = NIL not in (first.value, second.value) and first.value != second.value
    between = tuple(range(first.round + 1, second.round))
    _require(kinds and values and first.round < second.round, "steps", first.height)
    _require(tuple(polka.round for polka in proof.polkas) == between, "rounds between", first.height)
    for polka in proof.polkas:
        good = polka.kind is VoteKind.PREVOTE and polka.value != second.value
        _require(good and validators.is_quorum(_power(polka, validators)), "polka", first.height)


def _foreign(proof: ForeignCertificate, sets: Sets) -> tuple[Misbehaviour, ...]:
    certificate, foreign = proof.certificate, proof.validators
    real, known = sets(certificate.height), sets(proof.known_at)
    _require(0 < len(foreign.validators) <= VALIDATORS_MAX, "shown set", certificate.height)
    stated = certificate.validators_hash == foreign.hash and certificate.validators_hash != real.hash
    _require(stated and proof.known_at <= certificate.height, "foreign set", certificate.height)
    _require(_within(certificate, foreign), "signers", certificate.height)
    keys = {foreign.validators[index].bls_key for index in signer_indices(certificate.signers)}
    accused = [validator for validator in known.validators if validator.bls_key in keys]
    _require(bool(accused), "nobody of the chain", certificate.height)
    kind = MisbehaviourKind.LIGHT_CLIENT_ATTACK
    return tuple(
        Misbehaviour(kind, certificate.height, certificate.round, validator.envelope_key, validator.power)
        for validator in accused
    )


def _duplicate_vote_holds(proof: DuplicateVote, validators: ValidatorSet, network: bytes, verifier: Verifier) -> bool:
    key = validators.validators[proof.validator].bls_key
    return all(
        verifier.verify_shares(
            [key], vote_digest(network, validators.hash, proof.kind, proof.height, proof.round, value), share
        )
        for value, share in ((proof.first_value, proof.first_share), (proof.second_value, proof.second_share))
    )


def _duplicate_proposal_holds(
    proof: DuplicateProposal, validators: ValidatorSet, network: bytes, verifier: Verifier
) -> bool:
    key = validators.validators[proof.validator].envelope_key
    signed = (
        (proof.first_pol_round, proof.first_value, proof.first_signature),
        (proof.second_pol_round, proof.second_value, proof.second_signature),
    )
    return all(
        verifier.verify_ed25519(
            key, proposal_digest(network, validators.hash, proof.height, proof.round, pol, value), signature
        )
        for pol, value, signature in signed
    )


def _share_is_bad(proof: BadShare, validators: ValidatorSet, network: bytes, verifier: Verifier) -> bool:
    vote, validator = proof.vote, validators.validators[proof.vote.validator]
    sent = envelope_digest(network, validator.envelope_key, MessageKind.VOTE, encode(vote))
    if not verifier.verify_ed25519(validator.envelope_key, sent, proof.signature):
        return False
    digest = vote_digest(network, validators.hash, vote.kind, vote.height, vote.round, vote.value)
    return not verifier.verify_shares([validator.bls_key], digest, vote.share)


def _sum_holds(statement: Certificate, validators: ValidatorSet, network: bytes, verifier: Verifier) -> bool:
    """Whether all named signers signed, be they a quorum or one."""
    keys = [validators.validators[index].bls_key for index in signer_indices(statement.signers)]
    digest = vote_digest(network, validators.hash, statement.kind, statement.height, statement.round, statement.value)
    return verifier.verify_shares(keys, digest, statement.aggregate)


def _foreign_holds(proof: ForeignCertificate, network: bytes, verifier: Verifier) -> bool:
    """The sum first: it is one check. Then possession of each key in it, or one made up could cancel the others."""
    signers = [proof.validators.validators[index] for index in signer_indices(proof.certificate.signers)]
    return _sum_holds(proof.certificate, proof.validators, network, verifier) and all(
        verifier.verify_possession(validator.bls_key, validator.possession) for validator in signers
    )


def _within(statement: Certificate, validators: ValidatorSet) -> bool:
    signers = signer_indices(statement.signers)
    return bool(signers) and signers[-1] < len(validators.validators)


def _power(statement: Certificate, validators: ValidatorSet) -> int:
    return sum(validators.validators[index].power for index in signer_indices(statement.signers))


def _require(good: bool, at: str, height: int) -> None:
    if not good:
        raise RemoteFault(ConsensusCode.BAD_EVIDENCE, at, height=height)
