"""Foreseen assessments: what a member may still be assessed for losses that are not allocated yet.

Rule: from the declaration of a default until its loss is allocated, a member keeps the most that it could be assessed:

1. the loss is at most what the defaulter's accounts owe beyond their cash at the worst prices (`worst_moves`). What a
   client with a key of its own may withdraw counts as gone: it may leave after the members;
2. the defaulter's contribution, the house's stated capital and the other contributions bear it first. Contributions
   of other members in default do not: they bear their own losses. The house's cash counts once over all defaults,
   without what its inventory may cost at the worst prices;
3. the rest is a member's in proportion to its required contribution at the declaration or now, whichever is more,
   rounded up, with what the other members cannot surely pay of theirs, and at most what its cap for the period has
   left. What members cannot pay of an assessment is such a loss, too (`unpaid_assessments`).

So a default that the fund surely covers retains nothing. It moves no money.
"""

from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.base.units import PPM, mul_div_down
from clearing.context.block_context import BlockContext
from clearing.context.member_status import member_status
from clearing.context.unresolved_losses import defaults_under_way
from clearing.schema.records.default import DefaultPhase, DefaultRecord, MemberStatus
from clearing.state.ledger import balance, cash_currency
from clearing.state.state import State
from clearing.withdrawals.unpaid_assessments import ForeseenLoss, ForeseenShares, unpaid_assessments
from clearing.withdrawals.worst_moves import largest_rises_ppm, worst_account_loss, worst_side_loss


def foreseen_assessment(context: BlockContext, member: int) -> int:
    """Micros that a member may be assessed for losses that are not allocated; 0 where the terms hold nothing."""
    if not context.terms.crisis.default.hold_assessments:
        return 0
    open_defaults = defaults_under_way(context.state)
    key = tuple((number, default.phase) for number, default in open_defaults)
    if context.foreseen_assessments is None or context.foreseen_assessments[0] != key:
        context.foreseen_assessments = key, _foreseen(context, [default for _, default in open_defaults])
    return context.foreseen_assessments[1].get(member, 0)


def liable_micros(state: State, default: DefaultRecord) -> dict[int, int]:
    """The contribution that counts for a member's assessment: the required one at the declaration or now, whichever is
    more. Who reduced its positions after the declaration bears no less."""
    liable = dict(default.liable)
    for member, record in state.contributions.ordered():
        liable[member] = max(liable.get(member, 0), record.required)
    return liable


def room_for_assessments(context: BlockContext, member: int, liable: int) -> int:
    """How much of its cap a member may still be assessed in this period; rounded down."""
    terms, record = context.terms.crisis.default, context.state.assessments.get(member)
    current = record is not None and context.block.height < record.since_height + terms.assessment_period_blocks
    before = record.micros if record is not None and current else 0
    return max(mul_div_down(liable, terms.assessment_ppm, PPM) - before, 0)


def _foreseen(context: BlockContext, open_defaults: list[DefaultRecord]) -> dict[int, int]:
    """By member, over all losses that are not allocated."""
    state, terms = context.state, context.terms.crisis.default
    losses = (*_open_losses(context, open_defaults), *unpaid_assessments(context, open_defaults))
    if not losses:
        return {}
    own = {member: record.micros for member, record in state.contributions.ordered()}
    contributions = {
        member: micros
        for member, micros in own.items()
        if member != HOUSE_MEMBER and member_status(state, member) is not MemberStatus.DEFAULTING
    }
    cash = sum(balance(state, HOUSE_ACCOUNT, cash_currency(group)) for group in context.terms.cash_groups)
    house = max(cash - worst_account_loss(state, HOUSE_ACCOUNT, largest_rises_ppm(state)), 0)
    foreseen = ForeseenShares(context)
    for loss in losses:
        left = max(loss.micros - own.get(loss.member, 0), 0)
        capital = min(left, terms.house_capital_micros, house)
        left, house = left - capital, house - capital
        funded = min(left, sum(contributions.values()))
        left, contributions = left - funded, _without(contributions, funded)
        if left and (liable := _assessable(context, loss)):
            rooms = {member: room_for_assessments(context, member, micros) for member, micros in liable.items()}
            foreseen.add(left, liable, rooms)
    return foreseen.micros()


def _open_losses(context: BlockContext, open_defaults: list[DefaultRecord]) -> list[ForeseenLoss]:
    """The worst losses of the defaults whose loss is not known yet."""
    return [
        ForeseenLoss(default.member, worst_loss(context, default), liable_micros(context.state, default))
        for default in open_defaults
        if default.phase is DefaultPhase.OPEN
    ]


def _assessable(context: BlockContext, loss: ForeseenLoss) -> dict[int, int]:
    """The members that may be assessed, and what counts of each."""
    surviving = (MemberStatus.ACTIVE, MemberStatus.RESTRICTED)
    return {
        member: micros
        for member, micros in loss.liable.items()
        if member not in (loss.member, HOUSE_MEMBER)
        and member_status(context.state, member) in surviving
        and room_for_assessments(context, member, micros)
    }


def _without(contributions: dict[int, int], used: int) -> dict[int, int]:
    """The contributions after so much was used: a later default finds less."""
    left = dict(contributions)
    for member in sorted(left):
        taken = min(left[member], used)
        left[member], used = left[member] - taken, used - taken
    return left


def worst_loss(context: BlockContext, default: DefaultRecord) -> int:
    """Micros: what the accounts owe beyond their cash at the worst prices (`worst_side_loss`)."""
    return worst_side_loss(context.state, default.own_accounts, default.client_accounts)
