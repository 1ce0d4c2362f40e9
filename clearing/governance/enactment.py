"""Enactment: due amendments take effect, expired proposals end, and offenders are removed from the validator set.

Rule: at most one change of the terms per block, in order of time and number; each is tallied again under the set in
force. It runs before prices. Once consensus has proven enough offences of one kind against a key, the key leaves with
the next possible change, within the limits of every change. A vote may readmit it.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.context.block_context import BlockContext
from clearing.governance.effects import NO_REQUEST_INDEX, must_be_postponed
from clearing.governance.halts import end_due_halts
from clearing.governance.votes import close_proposal, drop_votes, enact_proposal, tally_votes
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.governance import ValidatorRemoved
from clearing.schema.records.governance import ProposalRecord, ProposalStage, RemovedOffencesRecord
from clearing.schema.requests.governance import VaultDetachment
from clearing.state.state import State
from clearing.validators.set_changes import begin_change, plan_change
from clearing.validators.validator_sets import set_numbers, stored_set
from clearing.withdrawals.detached_vaults import awaits_vault_payments

ENACTED_PER_BLOCK = 1
"""Each one validates and rebuilds everything that depends on the listing."""


def enact_governance(context: BlockContext) -> None:
    """End due halts, remove offenders, and enact or close proposals."""
    end_due_halts(context)
    _remove_offenders(context)
    if context.state.governance_counters.get(0) is None:
        return
    due: list[tuple[int, int, bytes, ProposalRecord]] = []
    closed: set[int] = set()
    for proposal, record in list(context.state.proposals.ordered()):
        if record.stage is ProposalStage.CLOSED:
            if record.not_after_ms < context.time_ms:
                context.state.proposals.remove(proposal)
        elif record.stage is ProposalStage.AGREED and record.effective_ms <= context.time_ms:
            due.append((record.effective_ms, record.number, proposal, record))
        elif record.stage is ProposalStage.OPEN and record.vote_until_ms < context.time_ms:
            close_proposal(context, proposal, record, _voting_over(context, record))
            closed.add(record.number)
    done = 0
    for _, number, proposal, record in sorted(due, key=lambda item: item[:2]):
        done += _process_due(context, proposal, record) if done < ENACTED_PER_BLOCK else 0
        after = context.state.proposals.get(proposal)
        if after is None or after.stage is ProposalStage.CLOSED:
            closed.add(number)
    drop_votes(context.state, closed)


def _process_due(context: BlockContext, proposal: bytes, proposal_record: ProposalRecord) -> int:
    """Process one due proposal. Returns 1 when it was enacted, or refused after validation."""
    if not tally_votes(context.state, proposal_record.number).agreed:
        if proposal_record.vote_until_ms < context.time_ms:
            close_proposal(context, proposal, proposal_record, _voting_over(context, proposal_record))
        else:
            context.state.proposals.put(
                proposal, msgspec.structs.replace(proposal_record, stage=ProposalStage.OPEN, effective_ms=0)
            )
        return 0
    if isinstance(proposal_record.amendment, VaultDetachment) and awaits_vault_payments(
        context, proposal_record.amendment, proposal_record.effective_ms
    ):
        return 0
    if proposal_record.amendment is not None and must_be_postponed(context.state, proposal_record.amendment):
        if context.time_ms <= proposal_record.effective_ms + context.terms.genesis.crisis.governance.vote_ms:
            return 0
        # The blocking process did not end in time: the change can be proposed again.
        refusal: Rejected | None = _voting_over(context, proposal_record)
    else:
        refusal = enact_proposal(context, proposal_record, proposal)
    if refusal is not None:
        close_proposal(context, proposal, proposal_record, refusal)
    return 1


def _voting_over(context: BlockContext, proposal_record: ProposalRecord) -> Rejected:
    counted = tally_votes(context.state, proposal_record.number)
    return reject(
        ClearingCode.VOTING_OVER,
        "proposal",
        approving=counted.approving,
        rejecting=counted.rejecting,
        total=counted.total,
        vote_until_ms=proposal_record.vote_until_ms,
    )


def _remove_offenders(context: BlockContext) -> None:
    """Begin the change that removes the first offender that can be removed."""
    limit = context.terms.genesis.crisis.governance.removal_offences
    if not limit or context.state.set_changes.get(0) is not None:
        return
    seated = {
        validator.envelope_key: validator.power
        for validator in stored_set(context.state, set_numbers(context.state).next).validators
    }
    for (key, kind), offences in context.state.offences.ordered():
        if key not in seated or offences.count - removed_offences(context.state, key, kind) < limit:
            continue
        planned = plan_change(context.state, (key,), ())
        if isinstance(planned, Rejected):
            # It has more than a third of the power: only those validators themselves can change that.
            continue
        context.receipts.append(ValidatorRemoved(key, kind, offences.count, seated[key]))
        _record_removal(context.state, key)
        begin_change(context, NO_REQUEST_INDEX, planned, 0)
        return


def removed_offences(state: State, key: bytes, kind: int) -> int:
    """Offences for which this key was already removed."""
    removed = state.removed_offences.get((key, kind))
    return removed.count if removed else 0


def _record_removal(state: State, key: bytes) -> None:
    """Record that all offences of this key so far led to its removal."""
    for (offender, kind), offences in list(state.offences.ordered()):
        if offender == key:
            state.removed_offences.put((key, kind), RemovedOffencesRecord(offences.count))
