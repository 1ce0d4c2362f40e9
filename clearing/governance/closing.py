"""The end of a proposal: it takes effect, or it does not and says why.

Rule: a proposal ends once. It is judged again in the block in which it would take effect, for the state has moved on;
what then may not be is closed with the refusal, as if it had been asked for now. The caller drops the votes; the
proposal's hash stays until nobody can show the request again.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.governance.amendments import amendment_hash
from clearing.governance.ballots import tally
from clearing.governance.effects import judge, take_effect
from clearing.governance.receipts import AmendmentInForce, ProposalClosed
from clearing.governance.records import GovernanceClock, ProposalHeld, Stage
from clearing.receipts import refused
from clearing.run import Run


def enact(run: Run, held: ProposalHeld, proposal: bytes) -> Rejected | None:
    """Let an agreed proposal take effect, or give the reason why it cannot; then nothing has changed."""
    if held.amendment is None:
        return None
    judged = judge(run.state, held.amendment)
    if isinstance(judged, Rejected):
        return judged
    approved = tally(run.state, held.number).approving
    number = take_effect(run, held.amendment, judged, proposal, approved)
    head = (run.state.governance.get(0) or GovernanceClock()).head
    hashed = amendment_hash(run.terms.network, held.amendment)
    run.receipts.append(AmendmentInForce(number, held.number, hashed, head))
    _close(run, proposal, held)
    return None


def close_refused(run: Run, proposal: bytes, held: ProposalHeld, refusal: Rejected) -> None:
    """End a proposal without effect."""
    told = refused(0, refusal)
    run.receipts.append(ProposalClosed(held.number, told.code, told.at, told.values))
    _close(run, proposal, held)


def _close(run: Run, proposal: bytes, held: ProposalHeld) -> None:
    if held.not_after_ms < run.time_ms:
        run.state.proposals.remove(proposal)
        return
    closed = msgspec.structs.replace(held, stage=Stage.CLOSED, amendment=None, reason="", effective_ms=0)
    run.state.proposals.put(proposal, closed)
