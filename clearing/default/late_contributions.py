"""Late contributions: what is left in the default fund when a default ends that others would otherwise bear.

Rule: the survivors' layer leaves the contributions of members that are in default then to their own losses. These
members, also if their default has ended since or they are readmitted, bear in two steps, each only while something is
owed. Who was a survivor then does not in the first: what it has paid in since is for later losses.

1. Before assessments, the part beyond what the member's own default lacks now.
2. After claims are cut, all that is in the fund, of every member.

What a default may still cost at worse prices keeps nothing back: others pay for one loss or the other, and clients with
covered positions would save their member's contribution. A contribution whose own default is past its allocation keeps
nothing back. Shares are in proportion, in whole micros. What is owed in a group in which cash is lent stays the house's
up to the loans: they come back to it. So no default ends with an unborne loss while the fund has money.
"""

import msgspec

from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import Deficit, account_deficits, net_owed
from clearing.default.estate import pay_deficits
from clearing.default.recovery_claims import note_payers
from clearing.default.waterfall import DefaultLoss, Survivor, run_waterfall
from clearing.default_fund.contributions import contributing_and_owing, contribution_micros, draw_contribution
from clearing.schema.receipts.default import LayerAllocation, LossAllocated, WaterfallLayer
from clearing.schema.records.default import DefaultPhase, DefaultRecord
from clearing.state.ledger import soft_credit_of
from clearing.state.state import State

FUNDED_LAYERS = (WaterfallLayer.OWN_CONTRIBUTION, WaterfallLayer.SURVIVORS)
Allocations = tuple[LayerAllocation, ...]


def use_beyond_present_loss(context: BlockContext, number: int, default: DefaultRecord) -> Allocations:
    """Step 1. Returns what contributions bore."""
    deficits = account_deficits(context.state, (*default.own_accounts, *default.client_accounts))
    return _use(context, number, default, deficits) if deficits else ()


def use_whole_fund(context: BlockContext, number: int, default: DefaultRecord) -> Allocations:
    """Step 2. Returns what contributions bore."""
    deficits = unlent_deficits(context.state, default)
    if not deficits:
        return ()
    state = context.state
    payers = tuple(
        Survivor(member=member, contribution=contribution_micros(state, member), required=0)
        for member in contributing_and_owing(state)
        if member not in (HOUSE_MEMBER, default.member)
    )
    own = contribution_micros(state, default.member)
    return _draw(
        context, number, default, deficits, DefaultLoss(default.member, 0, own_contribution=own, survivors=payers)
    )


def present_loss(state: State, default: DefaultRecord) -> int:
    """Micros that a default's accounts owe now beyond what they have. A client pays only its own debts."""
    own = sum(net_owed(state, account) for account in default.own_accounts)
    clients = sum(max(net_owed(state, account), 0) for account in default.client_accounts)
    return max(own + clients, 0)


def unlent_deficits(state: State, default: DefaultRecord) -> tuple[Deficit, ...]:
    """What a default's accounts owe, in each cash group less what the house has lent there, the first accounts first.

    A loan is repaid to the house out of the deposit that it was for, so it backs as much of what the house owes.
    """
    left = {group: soft_credit_of(state, HOUSE_ACCOUNT, group) for group in state.terms.cash_groups}
    found = []
    for deficit in account_deficits(state, (*default.own_accounts, *default.client_accounts)):
        backed = min(left[deficit.cash_group], deficit.micros)
        left[deficit.cash_group] -= backed
        if deficit.micros > backed:
            found.append(deficit._replace(micros=deficit.micros - backed))
    return tuple(found)


def _use(context: BlockContext, number: int, default: DefaultRecord, deficits: tuple[Deficit, ...]) -> Allocations:
    """Let contributions of members that were in default meanwhile bear it, but for what an open one of theirs lacks."""
    state, payers = context.state, []
    for member in contributing_and_owing(state):
        status, micros = state.member_statuses.get(member), contribution_micros(state, member)
        if status is None or status.default in (0, number) or member in (HOUSE_MEMBER, default.member) or not micros:
            continue
        own, allocated = state.defaults[status.default], default.allocated_height
        # Who was a survivor then has borne its part: what it has paid in since is for later losses.
        if own.declared_height <= allocated and (own.phase is not DefaultPhase.ENDED or own.ended_height >= allocated):
            # Once its loss is allocated, its own contribution has borne all that it had to.
            spare = micros - (min(present_loss(state, own), micros) if own.phase is DefaultPhase.OPEN else 0)
            payers.append(Survivor(member=member, contribution=spare, required=0))
    return _draw(context, number, default, deficits, DefaultLoss(default.member, 0, survivors=tuple(payers)))


def _draw(
    context: BlockContext, number: int, default: DefaultRecord, deficits: tuple[Deficit, ...], payers: DefaultLoss
) -> Allocations:
    """Allocate the deficits to these payers, draw their contributions, and pay what is owed with them."""
    loss = sum(deficit.micros for deficit in deficits)
    steps = run_waterfall(msgspec.structs.replace(payers, loss=loss))
    steps = tuple(step for step in steps if step.layer in FUNDED_LAYERS)
    if not steps:
        return ()
    for step in steps:
        for share in step.shares:
            draw_contribution(context, share.payer, share.amount, default.member)
    pay_deficits(context, number, deficits, sum(step.loss_borne for step in steps))
    context.receipts.append(LossAllocated(number, default.member, loss, deficits, steps, ()))
    note_payers(context, number, steps)
    return steps
