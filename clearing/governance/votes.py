"""Voting, and what follows when enough have voted.

Rule: a vote counts for one proposal, by hash, and once per revision; it may be changed until the proposal takes effect,
so the timelock is also time to think again. What is agreed waits for its timelock, but for what is urgent.
"""

import msgspec

from clearing.base import ed25519
from clearing.base.errors import Rejected
from clearing.codes import ClearingCode, reject
from clearing.governance.amendments import URGENT
from clearing.governance.ballots import Tally, forget_votes, in_force, tally
from clearing.governance.closing import close_refused, enact
from clearing.governance.receipts import ProposalAgreed, VoteCounted
from clearing.governance.records import ProposalHeld, Stage, VoteHeld
from clearing.governance.requests import GovernanceVote
from clearing.requests import check_time
from clearing.run import Run
from clearing.state.state import State

AT = "vote"


def vote(run: Run, index: int, request: GovernanceVote) -> Rejected | None:
    """Count one validator's vote."""
    refusal = check_time(run, AT, request.not_after_ms) or check_vote(run.state, request)
    if refusal is not None:
        return refusal
    held = run.state.proposals[request.proposal]
    voter = in_force(run.state).validators[request.validator]
    run.state.votes.put((held.number, voter.envelope_key), VoteHeld(request.approve, request.revision))
    counted = tally(run.state, held.number)
    run.receipts.append(
        VoteCounted(
            index=index,
            number=held.number,
            envelope_key=voter.envelope_key,
            approve=request.approve,
            revision=request.revision,
            power=voter.power,
            approving_power=counted.approving,
            rejecting_power=counted.rejecting,
            total_power=counted.total,
        )
    )
    settle_stage(run, request.proposal, held, counted)
    return None


def check_vote(state: State, request: GovernanceVote) -> Rejected | None:
    """All but time: cheap, and the same for whoever takes votes in."""
    if not state.terms.genesis.crisis.governance.enabled:
        return reject(ClearingCode.GOVERNANCE_OFF, AT)
    held = state.proposals.get(request.proposal)
    if held is None or held.amendment is None:
        return reject(ClearingCode.NO_SUCH_PROPOSAL, AT, proposal=request.proposal)
    validators = in_force(state).validators
    if request.validator >= len(validators):
        return reject(ClearingCode.BAD_APPROVAL, AT, validator=request.validator, validators=len(validators))
    key = validators[request.validator].envelope_key
    before = state.votes.get((held.number, key))
    last = before.revision if before else 0
    if request.revision <= last:
        return reject(ClearingCode.VOTE_USED, AT, revision=request.revision, last=last)
    if not ed25519.verify(key, request.digest(state.terms.network), request.signature):
        return reject(ClearingCode.BAD_APPROVAL, AT, validator=request.validator)
    return None


def settle_stage(run: Run, proposal: bytes, held: ProposalHeld, counted: Tally) -> None:
    """Let the timelock begin when a proposal is agreed, or end when it is so no longer; urgent ones take effect."""
    if counted.agreed and held.amendment is not None and isinstance(held.amendment, URGENT):
        refusal = enact(run, held, proposal)
        if refusal is not None:
            close_refused(run, proposal, held, refusal)
        forget_votes(run.state, {held.number})
        return
    if counted.agreed and held.stage is Stage.OPEN:
        effective_ms = run.time_ms + run.terms.genesis.crisis.governance.timelock_ms
        run.state.proposals.put(proposal, msgspec.structs.replace(held, stage=Stage.AGREED, effective_ms=effective_ms))
        run.receipts.append(ProposalAgreed(held.number, counted.approving, counted.total, effective_ms))
    elif not counted.agreed and held.stage is Stage.AGREED:
        run.state.proposals.put(proposal, msgspec.structs.replace(held, stage=Stage.OPEN, effective_ms=0))
