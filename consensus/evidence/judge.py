"""Evidence of misbehaviour: what blocks may carry, and the pool of proofs that wait for a block.

Rule: a function of the decided chain, the application's decided state and the evidence alone, so that all validators
judge alike. Every proof in a block proves something new: one offence is recorded once. A pool is bounded and holds
checked proofs.
"""

from collections import OrderedDict
from collections.abc import Container
from operator import attrgetter

from clearing.base.errors import RemoteFault
from clearing.base.validators import ValidatorSet
from consensus.application import Application, Misbehaviour, MisbehaviourKind
from consensus.chain_state import ChainState
from consensus.codes import ConsensusCode
from consensus.evidence.offences import Proof, Sets, accused_by, checks_of, verify_proof
from consensus.messages import (
    EVIDENCE_PER_BLOCK_MAX,
    BadShare,
    ConflictingSignatures,
    DuplicateProposal,
    DuplicateVote,
    Evidence,
    ForeignCertificate,
    Vote,
)
from consensus.signing import Verifier

POOL_MAX = 64
"""Of each kind of proof."""
DONE_MAX = 1024
VERIFIED_MAX = 256
EVIDENCE_CHECKS_MAX = 160
"""Signature checks that one block's evidence may cost, 0.24 s if nothing of it was seen before."""

Identity = tuple[bytes, int, MisbehaviourKind]


def duplicate_vote(validators_hash: bytes, first: Vote, second: Vote) -> DuplicateVote:
    """Evidence out of two votes; the lower value first, so that it has one form."""
    low, high = sorted((first, second), key=lambda vote: vote.value)
    return DuplicateVote(
        validators_hash=validators_hash,
        kind=low.kind,
        height=low.height,
        round=low.round,
        validator=low.validator,
        first_value=low.value,
        first_share=low.share,
        second_value=high.value,
        second_share=high.share,
    )


def as_evidence(*proofs: Proof) -> Evidence:
    """These proofs, each where a block holds its kind; at most as many of a kind as a block holds."""
    return Evidence(
        votes=tuple(proof for proof in proofs if isinstance(proof, DuplicateVote)),
        proposals=tuple(proof for proof in proofs if isinstance(proof, DuplicateProposal)),
        shares=tuple(proof for proof in proofs if isinstance(proof, BadShare)),
        conflicts=tuple(proof for proof in proofs if isinstance(proof, ConflictingSignatures)),
        foreign=tuple(proof for proof in proofs if isinstance(proof, ForeignCertificate)),
    )


def proofs_in(evidence: Evidence) -> tuple[Proof, ...]:
    """All of a block's, in the order in which they are judged."""
    return (*evidence.votes, *evidence.proposals, *evidence.shares, *evidence.conflicts, *evidence.foreign)


class EvidenceJudge:
    """Judges proofs by one application's decided state. Remembers signatures that verified."""

    def __init__(self, application: Application, verifier: Verifier) -> None:
        self._application = application
        self._verifier = verifier
        self._verified: OrderedDict[Proof, None] = OrderedDict()

    def accused(self, chain: ChainState, evidence: Evidence) -> tuple[Misbehaviour, ...]:
        """The accusations that a block at chain.height + 1 with this evidence brings. No signature is verified.

        Raises RemoteFault BAD_EVIDENCE, EVIDENCE_OUT_OF_TIME, EVIDENCE_REPEATED.
        """
        if sum(checks_of(proof) for proof in proofs_in(evidence)) > EVIDENCE_CHECKS_MAX:
            raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "checks", height=chain.height + 1)
        found: dict[Identity, Misbehaviour] = {}
        for proof in proofs_in(evidence):
            for offence in self._new(chain, proof, found):
                found[_identity(offence)] = offence
        return tuple(sorted(found.values(), key=attrgetter("envelope_key", "height", "round", "kind")))

    def check(self, chain: ChainState, evidence: Evidence) -> tuple[Misbehaviour, ...]:
        """The same with all signatures verified. Raises RemoteFault."""
        accused = self.accused(chain, evidence)
        for proof in proofs_in(evidence):
            self._verify(chain, proof)
        return accused

    def check_proof(self, chain: ChainState, proof: Proof) -> tuple[Misbehaviour, ...]:
        """The accusations of one proof alone. Raises RemoteFault."""
        accused = self._new(chain, proof, ())
        self._verify(chain, proof)
        return accused

    def pick(self, chain: ChainState, pool: "EvidencePool") -> Evidence:
        """Proofs that the next block can carry; recorded or outdated ones leave the pool."""
        found: dict[Identity, Misbehaviour] = {}
        picked: list[Proof] = []
        room = dict(_ROOM)
        checks = EVIDENCE_CHECKS_MAX
        for proof in sorted(pool.proofs, key=lambda proof: list(_ROOM).index(type(proof))):
            try:
                offences = self._new(chain, proof, ())
            except RemoteFault:
                pool.drop(proof)
                continue
            new = {_identity(offence): offence for offence in offences}
            if room[type(proof)] and checks_of(proof) <= checks and not new.keys() <= found.keys():
                found |= new
                picked.append(proof)
                room[type(proof)] -= 1
                checks -= checks_of(proof)
        return as_evidence(*picked)

    def sets(self, chain: ChainState) -> Sets:
        """The sets that evidence at chain.height + 1 may be about."""

        def set_at(height: int) -> ValidatorSet:
            if height == chain.height + 1:
                return chain.validators
            found = self._application.validators_at(height) if 0 < height <= chain.height else None
            if found is None:
                raise RemoteFault(ConsensusCode.EVIDENCE_OUT_OF_TIME, "height", height=height, decided=chain.height)
            return found

        return set_at

    def _new(self, chain: ChainState, proof: Proof, known: Container[Identity]) -> tuple[Misbehaviour, ...]:
        new = tuple(
            offence
            for offence in accused_by(proof, self.sets(chain))
            if _identity(offence) not in known and not self._application.is_reported(*_identity(offence))
        )
        if not new:
            raise RemoteFault(ConsensusCode.EVIDENCE_REPEATED, type(proof).__name__, height=chain.height + 1)
        return new

    def _verify(self, chain: ChainState, proof: Proof) -> None:
        if proof in self._verified:
            return
        verify_proof(proof, self.sets(chain), chain.network, self._verifier)
        self._verified[proof] = None
        if len(self._verified) > VERIFIED_MAX:
            self._verified.popitem(last=False)


class EvidencePool:
    """Checked proofs that no block has carried yet, the oldest first."""

    def __init__(self) -> None:
        self._proofs: dict[Proof, None] = {}
        self._done: OrderedDict[Proof, None] = OrderedDict()

    @property
    def proofs(self) -> tuple[Proof, ...]:
        """In order of arrival."""
        return tuple(self._proofs)

    def knows(self, proof: Proof) -> bool:
        """Whether it is here, or was."""
        return proof in self._proofs or proof in self._done

    def add(self, proof: Proof) -> bool:
        """Keep a checked proof; False when it is known or there is no room."""
        if self.knows(proof) or sum(type(kept) is type(proof) for kept in self._proofs) >= POOL_MAX:
            return False
        self._proofs[proof] = None
        return True

    def drop(self, proof: Proof) -> None:
        """It will not be needed again."""
        self._proofs.pop(proof, None)
        self._done[proof] = None
        if len(self._done) > DONE_MAX:
            self._done.popitem(last=False)

    def forget(self, included: Evidence) -> None:
        """Drop what a decided block carries."""
        for proof in proofs_in(included):
            self.drop(proof)


_ROOM: dict[type[Proof], int] = {
    DuplicateVote: EVIDENCE_PER_BLOCK_MAX,
    DuplicateProposal: EVIDENCE_PER_BLOCK_MAX,
    BadShare: EVIDENCE_PER_BLOCK_MAX,
    ConflictingSignatures: EVIDENCE_PER_BLOCK_MAX,
    ForeignCertificate: 1,
}
"""In the order of the fields of `Evidence`."""


def _identity(offence: Misbehaviour) -> Identity:
    return offence.envelope_key, offence.height, offence.kind
