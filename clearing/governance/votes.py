"""Votes: who may vote, how power is counted, and how a proposal is approved or ends.

Rule: a vote belongs to an envelope key and has the power of that key in the set in force. It counts for one proposal,
by hash, and once per revision. It may change until the proposal takes effect. A proposal ends once, and is validated
again in the block in which it would take effect.
"""

from collections.abc import Collection
from typing import NamedTuple

import msgspec

from clearing.base import ed25519
from clearing.base.errors import Rejected
from clearing.base.validators import ValidatorSet
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import check_expiry
from clearing.governance.effects import enact_amendment, validate_amendment
from clearing.schema.blocks.receipt import refused_receipt
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.governance import AmendmentEnacted, ProposalApproved, ProposalClosed, VoteCounted
from clearing.schema.records.governance import GovernanceCounters, ProposalRecord, ProposalStage, VoteRecord
from clearing.schema.requests.governance import URGENT_AMENDMENTS, GovernanceVote, amendment_hash
from clearing.state.state import State
from clearing.validators.validator_sets import set_numbers, stored_set

AT = "vote"


def count_vote(context: BlockContext, index: int, request: GovernanceVote) -> Rejected | None:
    """Count one validator's vote."""
    refusal = check_expiry(context, AT, request.not_after_ms) or check_vote(context.state, request)
    if refusal is not None:
        return refusal
    proposal_record = context.state.proposals[request.proposal]
    voter = voting_set(context.state).validators[request.validator]
    context.state.votes.put((proposal_record.number, voter.envelope_key), VoteRecord(request.approve, request.revision))
    counted = tally_votes(context.state, proposal_record.number)
    context.receipts.append(
        VoteCounted(
            index=index,
            number=proposal_record.number,
            envelope_key=voter.envelope_key,
            approve=request.approve,
            revision=request.revision,
            power=voter.power,
            approving_power=counted.approving,
            rejecting_power=counted.rejecting,
            total_power=counted.total,
        )
    )
    _update_stage(context, request.proposal, proposal_record, counted)
    return None


def check_vote(state: State, request: GovernanceVote) -> Rejected | None:
    """All checks except for time: cheap, and the same for the mempool."""
    if not state.terms.genesis.crisis.governance.enabled:
        return reject(ClearingCode.GOVERNANCE_OFF, AT)
    proposal_record = state.proposals.get(request.proposal)
    if proposal_record is None or proposal_record.amendment is None:
        return reject(ClearingCode.NO_SUCH_PROPOSAL, AT, proposal=request.proposal)
    validators = voting_set(state).validators
    if request.validator >= len(validators):
        return reject(ClearingCode.BAD_APPROVAL, AT, validator=request.validator, validators=len(validators))
    key = validators[request.validator].envelope_key
    before = state.votes.get((proposal_record.number, key))
    last = before.revision if before else 0
    if request.revision <= last:
        return reject(ClearingCode.VOTE_USED, AT, revision=request.revision, last=last)
    if not ed25519.verify(key, request.digest(state.terms.network), request.signature):
        return reject(ClearingCode.BAD_APPROVAL, AT, validator=request.validator)
    return None


class BallotTally(NamedTuple):
    """Powers of the votes on a proposal."""

    approving: int
    rejecting: int
    total: int

    @property
    def agreed(self) -> bool:
        """Whether more than two thirds of the power approve."""
        return 3 * self.approving > 2 * self.total


def _update_stage(context: BlockContext, proposal: bytes, proposal_record: ProposalRecord, tally: BallotTally) -> None:
    """Start the timelock when a proposal is approved, stop it when it no longer is; enact urgent ones at once."""
    if (
        tally.agreed
        and proposal_record.amendment is not None
        and isinstance(proposal_record.amendment, URGENT_AMENDMENTS)
    ):
        refusal = enact_proposal(context, proposal_record, proposal)
        if refusal is not None:
            close_proposal(context, proposal, proposal_record, refusal)
        drop_votes(context.state, {proposal_record.number})
        return
    if tally.agreed and proposal_record.stage is ProposalStage.OPEN:
        effective_ms = context.time_ms + context.terms.genesis.crisis.governance.timelock_ms
        context.state.proposals.put(
            proposal, msgspec.structs.replace(proposal_record, stage=ProposalStage.AGREED, effective_ms=effective_ms)
        )
        context.receipts.append(ProposalApproved(proposal_record.number, tally.approving, tally.total, effective_ms))
    elif not tally.agreed and proposal_record.stage is ProposalStage.AGREED:
        context.state.proposals.put(
            proposal, msgspec.structs.replace(proposal_record, stage=ProposalStage.OPEN, effective_ms=0)
        )


def voting_set(state: State) -> ValidatorSet:
    """The validator set whose votes count."""
    return stored_set(state, set_numbers(state).next)


def tally_votes(state: State, number: int) -> BallotTally:
    """The present powers for and against proposal `number`."""
    validators = voting_set(state)
    powers = {True: 0, False: 0}
    for validator in validators.validators:
        vote_record = state.votes.get((number, validator.envelope_key))
        if vote_record is not None:
            powers[vote_record.approve] += validator.power
    return BallotTally(powers[True], powers[False], validators.total_power)


def drop_votes(state: State, numbers: Collection[int]) -> None:
    """Delete the votes on closed proposals, also of validators that left; in one pass, because there may be many."""
    if numbers:
        for key in [key for key, _ in state.votes.ordered() if key[0] in numbers]:
            state.votes.remove(key)


def enact_proposal(context: BlockContext, proposal_record: ProposalRecord, proposal: bytes) -> Rejected | None:
    """Enact an approved proposal, or return why it is refused; then nothing has changed."""
    if proposal_record.amendment is None:
        return None
    validated = validate_amendment(context.state, proposal_record.amendment)
    if isinstance(validated, Rejected):
        return validated
    approved = tally_votes(context.state, proposal_record.number).approving
    number = enact_amendment(context, proposal_record.amendment, validated, proposal, approved)
    head = (context.state.governance_counters.get(0) or GovernanceCounters()).chain_head
    hashed = amendment_hash(context.terms.network, proposal_record.amendment)
    context.receipts.append(AmendmentEnacted(number, proposal_record.number, hashed, head))
    _end_proposal(context, proposal, proposal_record)
    return None


def close_proposal(context: BlockContext, proposal: bytes, proposal_record: ProposalRecord, refusal: Rejected) -> None:
    """End a proposal without effect."""
    receipt = refused_receipt(0, refusal)
    context.receipts.append(ProposalClosed(proposal_record.number, receipt.code, receipt.at, receipt.values))
    _end_proposal(context, proposal, proposal_record)


def _end_proposal(context: BlockContext, proposal: bytes, proposal_record: ProposalRecord) -> None:
    if proposal_record.not_after_ms < context.time_ms:
        context.state.proposals.remove(proposal)
        return
    closed = msgspec.structs.replace(
        proposal_record, stage=ProposalStage.CLOSED, amendment=None, reason="", effective_ms=0
    )
    context.state.proposals.put(proposal, closed)
