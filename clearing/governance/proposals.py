"""Proposals: who may propose, the checks, the number at a time, and the admission checks of the mempool.

Rule: a proposer is a validator of the set in force or the house. The amendment must already pass every check now. The
mempool makes the same checks as the block, except for those that only a block can do.
"""

from typing import TypeAlias

from clearing.base import ed25519
from clearing.base.codec import encode
from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.base.validators import ValidatorSet
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import check_expiry, check_signature_by
from clearing.governance.effects import validate_amendment
from clearing.governance.votes import check_vote, voting_set
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.governance import ProposalMade
from clearing.schema.records.governance import GovernanceCounters, ProposalRecord, ProposalStage
from clearing.schema.requests.governance import (
    AMENDMENT_BYTES_MAX,
    HOUSE_PROPOSER,
    GovernanceProposal,
    GovernanceVote,
    amendment_hash,
)
from clearing.schema.requests.validators import ValidatorChange
from clearing.state.state import State
from clearing.validators.set_changes import validate_change

AT = "proposal"
VALIDATED_PER_BLOCK = 2
"""Limit of validated proposals in a block. Validation rebuilds risk arrays, some 50 ms for 600 options. Further
proposals are refused without validation and can be sent again. One more is validated for the proposer whose turn the
block is, so that nobody can silence the others by filling blocks."""

NO_PROPOSER = bytes(32)


def propose_amendment(context: BlockContext, index: int, request: GovernanceProposal) -> Rejected | None:
    """Open an amendment for voting."""
    refusal = check_expiry(context, AT, request.not_after_ms) or check_proposal(context.state, request)
    if refusal is not None:
        return refusal
    if request.proposer == _proposer_in_turn(context) and not context.validated_in_turn:
        context.validated_in_turn = True
    elif context.validated_proposals >= VALIDATED_PER_BLOCK:
        return reject(
            ClearingCode.TOO_MANY_PROPOSALS, AT, in_block=context.validated_proposals, limit=VALIDATED_PER_BLOCK
        )
    else:
        context.validated_proposals += 1
    validated = validate_amendment(context.state, request.amendment)
    if isinstance(validated, Rejected):
        return validated
    network, terms = context.terms.network, context.terms.genesis.crisis.governance
    content = request.content(network)
    clock = context.state.governance_counters.get(0) or GovernanceCounters()
    number = clock.proposals + 1
    context.state.governance_counters.put(0, GovernanceCounters(number, clock.amendments, clock.chain_head))
    proposal_record = ProposalRecord(
        number=number,
        proposer=_proposer_key(voting_set(context.state), request),
        seat=request.proposer,
        amendment=request.amendment,
        reason=request.reason,
        proposed_height=context.block.height,
        vote_until_ms=context.time_ms + terms.vote_ms,
        not_after_ms=request.not_after_ms,
    )
    context.state.proposals.put(content, proposal_record)
    context.receipts.append(
        ProposalMade(
            index=index,
            number=number,
            proposal=content,
            amendment=amendment_hash(network, request.amendment),
            proposer=proposal_record.proposer,
            vote_until_ms=proposal_record.vote_until_ms,
        )
    )
    return None


def _proposer_in_turn(context: BlockContext) -> int:
    """The proposer whose turn this block is: the validators in order, then the house."""
    seats = len(voting_set(context.state).validators)
    turn = context.block.height % (seats + 1)
    return turn if turn < seats else HOUSE_PROPOSER


def check_proposal(state: State, request: GovernanceProposal) -> Rejected | None:
    """All checks except for time and the amendment itself: cheap, and the same for the mempool."""
    terms, validators = state.terms.genesis.crisis.governance, voting_set(state)
    if not terms.enabled:
        return reject(ClearingCode.GOVERNANCE_OFF, AT)
    if request.proposer != HOUSE_PROPOSER and request.proposer >= len(validators.validators):
        return reject(
            ClearingCode.BAD_APPROVAL,
            f"{AT}.proposer",
            proposer=request.proposer,
            validators=len(validators.validators),
        )
    size = len(encode(request.amendment))
    if size > AMENDMENT_BYTES_MAX:
        # A block proposer may include a request that no mempool accepts.
        return reject(ClearingCode.AMENDMENT_REFUSED, f"{AT}.bytes", bytes=size, limit=AMENDMENT_BYTES_MAX)
    refusal = _check_signature(state, validators, request)
    if refusal is not None:
        return refusal
    content, key = request.content(state.terms.network), _proposer_key(validators, request)
    if content in state.proposals:
        return reject(ClearingCode.PROPOSAL_KNOWN, AT, proposal=content)
    under_way = sum(
        proposal_record.proposer == key and proposal_record.stage is not ProposalStage.CLOSED
        for _, proposal_record in state.proposals.ordered()
    )
    if under_way >= terms.open_proposals:
        return reject(ClearingCode.TOO_MANY_PROPOSALS, AT, under_way=under_way, limit=terms.open_proposals)
    return None


def _proposer_key(validators: ValidatorSet, request: GovernanceProposal) -> bytes:
    """The proposer's envelope key; zeros for the house."""
    house = request.proposer == HOUSE_PROPOSER
    return NO_PROPOSER if house else validators.validators[request.proposer].envelope_key


def _check_signature(state: State, validators: ValidatorSet, request: GovernanceProposal) -> Rejected | None:
    digest = request.digest(state.terms.network)
    if request.proposer == HOUSE_PROPOSER:
        if len(request.signature) != 65:
            return reject(ClearingCode.WRONG_SIGNER, AT, signature=request.signature)
        return check_signature_by(AT, state.members[HOUSE_MEMBER].trade_address, digest, request.signature)
    key = validators.validators[request.proposer].envelope_key
    if len(request.signature) != 64 or not ed25519.verify(key, digest, request.signature):
        return reject(ClearingCode.BAD_APPROVAL, AT, proposer=request.proposer)
    return None


AdmittedRequest: TypeAlias = ValidatorChange | GovernanceProposal | GovernanceVote
"""Requests by validators and the house, which the mempool admits only after these checks."""


def check_admission(state: State, request: AdmittedRequest) -> Rejected | None:
    """Check whether the state would process such a request."""
    if isinstance(request, ValidatorChange):
        planned = validate_change(state, request)
        return planned if isinstance(planned, Rejected) else None
    if isinstance(request, GovernanceProposal):
        return check_proposal(state, request)
    return check_vote(state, request)
