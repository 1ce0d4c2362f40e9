"""The step of the block that governance has of its own, before prices: what is due takes effect, what is over ends.

Rule: at most one change of the terms a block, in order of time and number, each counted again by the set in force then.
Costs nothing where nothing is proposed.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.codes import ClearingCode, reject
from clearing.governance.amendments import VaultDetachment
from clearing.governance.ballots import forget_votes, tally
from clearing.governance.closing import close_refused, enact
from clearing.governance.effects import must_wait
from clearing.governance.halts import end_halts
from clearing.governance.leaving import awaits_withdrawals
from clearing.governance.offences import remove_offenders
from clearing.governance.records import ProposalHeld, Stage
from clearing.run import Run

ENACTED_PER_BLOCK = 1
"""Each judges and builds anew what a whole listing needs."""


def turn_governance(run: Run) -> None:
    """Let halts end, offenders go, and proposals come into force or to their end."""
    end_halts(run)
    remove_offenders(run)
    if run.state.governance.get(0) is None:
        return
    due: list[tuple[int, int, bytes, ProposalHeld]] = []
    closed: set[int] = set()
    for proposal, held in list(run.state.proposals.ordered()):
        if held.stage is Stage.CLOSED:
            if held.not_after_ms < run.time_ms:
                run.state.proposals.remove(proposal)
        elif held.stage is Stage.AGREED and held.effective_ms <= run.time_ms:
            due.append((held.effective_ms, held.number, proposal, held))
        elif held.stage is Stage.OPEN and held.vote_until_ms < run.time_ms:
            close_refused(run, proposal, held, _over(run, held))
            closed.add(held.number)
    done = 0
    for _, number, proposal, held in sorted(due, key=lambda each: each[:2]):
        done += _turn(run, proposal, held) if done < ENACTED_PER_BLOCK else 0
        after = run.state.proposals.get(proposal)
        if after is None or after.stage is Stage.CLOSED:
            closed.add(number)
    forget_votes(run.state, closed)


def _turn(run: Run, proposal: bytes, held: ProposalHeld) -> int:
    """Bring one that is due into force; 1 when that, or its refusal, was judged."""
    if not tally(run.state, held.number).agreed:
        if held.vote_until_ms < run.time_ms:
            close_refused(run, proposal, held, _over(run, held))
        else:
            run.state.proposals.put(proposal, msgspec.structs.replace(held, stage=Stage.OPEN, effective_ms=0))
        return 0
    if isinstance(held.amendment, VaultDetachment) and awaits_withdrawals(run, held.amendment, held.effective_ms):
        return 0
    if held.amendment is not None and must_wait(run.state, held.amendment):
        if run.time_ms <= held.effective_ms + run.terms.genesis.crisis.governance.vote_ms:
            return 0
        # What is under way does not end: whoever still wants the change proposes it again.
        refusal: Rejected | None = _over(run, held)
    else:
        refusal = enact(run, held, proposal)
    if refusal is not None:
        close_refused(run, proposal, held, refusal)
    return 1


def _over(run: Run, held: ProposalHeld) -> Rejected:
    counted = tally(run.state, held.number)
    return reject(
        ClearingCode.VOTING_OVER,
        "proposal",
        approving=counted.approving,
        rejecting=counted.rejecting,
        total=counted.total,
        vote_until_ms=held.vote_until_ms,
    )
