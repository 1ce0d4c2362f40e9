"""Proofs of misbehaviour: made from what was received, checked when a block carries them, pooled until one does.

Rule: evidence convinces a stranger: two signatures by one key on two values of one step, under a set that the chain
knows. A pool is bounded and holds one piece per validator, height, round and step.
"""

from itertools import pairwise

from clearing.base.certificate import vote_digest
from clearing.base.errors import RemoteFault
from clearing.base.validators import ValidatorSet
from consensus.chain import Chain
from consensus.codes import ConsensusCode
from consensus.messages import (
    EVIDENCE_PER_BLOCK_MAX,
    DuplicateProposal,
    DuplicateVote,
    Evidence,
    Vote,
    proposal_digest,
)
from consensus.signing import Verifier

POOL_MAX = 64


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


def check_evidence(verifier: Verifier, chain: Chain, evidence: Evidence) -> None:
    """Check everything that a block at chain.height + 1 reports, each offence once. Raises RemoteFault BAD_EVIDENCE."""
    steps = ([_vote_key(item) for item in evidence.votes], [_proposal_key(item) for item in evidence.proposals])
    if any(low >= high for keys in steps for low, high in pairwise(keys)):
        raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "order", height=chain.height + 1)
    for vote in evidence.votes:
        check_duplicate_vote(verifier, chain, vote)
    for proposal in evidence.proposals:
        check_duplicate_proposal(verifier, chain, proposal)


def _vote_key(item: DuplicateVote) -> tuple[int, ...]:
    return item.height, item.round, int(item.kind), item.validator


def _proposal_key(item: DuplicateProposal) -> tuple[int, ...]:
    return item.height, item.round, item.validator


def check_duplicate_vote(verifier: Verifier, chain: Chain, item: DuplicateVote) -> None:
    """Both shares verify, the values differ, in order. Raises RemoteFault BAD_EVIDENCE."""
    validators = _set(chain, item.validators_hash, item.height, item.validator)
    key = validators.validators[item.validator].bls_key
    good = item.first_value < item.second_value and all(
        verifier.verify_shares(
            [key],
            vote_digest(chain.network, item.validators_hash, item.kind, item.height, item.round, value),
            share,
        )
        for value, share in ((item.first_value, item.first_share), (item.second_value, item.second_share))
    )
    if not good:
        raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "duplicate vote", validator=item.validator, height=item.height)


def check_duplicate_proposal(verifier: Verifier, chain: Chain, item: DuplicateProposal) -> None:
    """Both proposal signatures verify, the values differ, in order. Raises RemoteFault BAD_EVIDENCE."""
    validators = _set(chain, item.validators_hash, item.height, item.validator)
    key = validators.validators[item.validator].envelope_key
    pairs = (
        (item.first_pol_round, item.first_value, item.first_signature),
        (item.second_pol_round, item.second_value, item.second_signature),
    )
    good = item.first_value < item.second_value and all(
        verifier.verify_ed25519(
            key, proposal_digest(chain.network, item.validators_hash, item.height, item.round, pol, value), signature
        )
        for pol, value, signature in pairs
    )
    if not good:
        raise RemoteFault(
            ConsensusCode.BAD_EVIDENCE, "duplicate proposal", validator=item.validator, height=item.height
        )


def _set(chain: Chain, validators_hash: bytes, height: int, validator: int) -> ValidatorSet:
    """The set that evidence names: the last, this or the next one, and for a height not ahead of the chain."""
    for validators in (chain.last_validators, chain.validators):
        if validators.hash == validators_hash and validator < len(validators.validators):
            if height > chain.height + 1:
                break
            return validators
    raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "set", hash=validators_hash, validator=validator, height=height)


class EvidencePool:
    """Verified evidence that no block has carried yet."""

    def __init__(self) -> None:
        self._votes: dict[tuple[int, ...], DuplicateVote] = {}
        self._proposals: dict[tuple[int, ...], DuplicateProposal] = {}

    def add_vote(self, item: DuplicateVote) -> bool:
        """Keep checked evidence; False when it is known or the pool is full."""
        key = _vote_key(item)
        if key in self._votes or len(self._votes) >= POOL_MAX:
            return False
        self._votes[key] = item
        return True

    def add_proposal(self, item: DuplicateProposal) -> bool:
        """Keep checked evidence; False when it is known or the pool is full."""
        key = _proposal_key(item)
        if key in self._proposals or len(self._proposals) >= POOL_MAX:
            return False
        self._proposals[key] = item
        return True

    def pick(self, chain: Chain) -> Evidence:
        """What the next block can carry; evidence about sets that the chain no longer knows is dropped."""
        known = {chain.last_validators.hash, chain.validators.hash}
        self._votes = {key: item for key, item in self._votes.items() if item.validators_hash in known}
        self._proposals = {key: item for key, item in self._proposals.items() if item.validators_hash in known}
        return Evidence(
            votes=tuple(self._votes[key] for key in sorted(self._votes)[:EVIDENCE_PER_BLOCK_MAX]),
            proposals=tuple(self._proposals[key] for key in sorted(self._proposals)[:EVIDENCE_PER_BLOCK_MAX]),
        )

    def forget(self, included: Evidence) -> None:
        """Drop what a decided block carries."""
        for vote in included.votes:
            self._votes.pop(_vote_key(vote), None)
        for proposal in included.proposals:
            self._proposals.pop(_proposal_key(proposal), None)
