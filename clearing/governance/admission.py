"""What a node asks of requests by validators and about rules before it lets them wait for a block.

Rule: the same checks as in the block, without those whose work only a block bounds. Nobody pays for these requests, so
only what a validator, a quorum or the house has signed is worth a place.
"""

from typing import TypeAlias

from clearing.base.errors import Rejected
from clearing.governance.proposals import check_proposal
from clearing.governance.requests import GovernanceProposal, GovernanceVote
from clearing.governance.votes import check_vote
from clearing.state.state import State
from clearing.validators.changes import judge_change
from clearing.validators.requests import ValidatorChange

Ruling: TypeAlias = ValidatorChange | GovernanceProposal | GovernanceVote
"""Who makes the rules makes these."""


def judge_ruling(state: State, request: Ruling) -> Rejected | None:
    """Whether the state would look at such a request at all."""
    if isinstance(request, ValidatorChange):
        judged = judge_change(state, request)
        return judged if isinstance(judged, Rejected) else None
    if isinstance(request, GovernanceProposal):
        return check_proposal(state, request)
    return check_vote(state, request)
