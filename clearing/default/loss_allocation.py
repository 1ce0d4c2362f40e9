"""Loss allocation: the waterfall executed on the ledger, layer by layer, pro rata inside a layer.

Rule: figures are read from the state, allocated by `run_waterfall`, and moved exactly.

1. Assessments are debited at their deadline, free cash first; a member that cannot pay owes the rest and is called.
2. Gains are cut as they were fixed at the declaration, from equity, margin included. An account that lacks margin then
   has the fewest positions torn up that restore it.
3. What is left then is cut from all claims, in the same block: the default ends with nothing owed.
"""

from typing import NamedTuple

import msgspec

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext, ValueMoved
from clearing.context.member_status import own_accounts_by_member
from clearing.context.unresolved_losses import account_deficits, available_resources
from clearing.default.auction_duty import charged_first, used_by_member
from clearing.default.claims_haircut import check_loss_borne, cut_claims, cut_other_claims
from clearing.default.declaration import cash_above_initial
from clearing.default.default_auction import contributing_members, surviving_members
from clearing.default.estate import CashPayment, collect_cash, pay_deficits, take_unpriced_collateral
from clearing.default.gains_liabilities import GainsHaircut, drop_gains, use_gains
from clearing.default.late_contributions import use_beyond_present_loss, use_whole_fund
from clearing.default.partial_tear_up import restore_margins
from clearing.default.recovery_claims import note_payers
from clearing.default.waterfall import DefaultLoss, Survivor, allocate_capped, run_waterfall
from clearing.default_fund.contributions import contribution_micros, draw_contribution
from clearing.schema.receipts.default import (
    AssessmentsCalled,
    AssessmentTaken,
    LayerAllocation,
    LossAllocated,
    LossShare,
    WaterfallLayer,
)
from clearing.schema.records.default import AssessmentRecord, DefaultRecord
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import CLEARING_ACCOUNT, balance, cash_currency
from clearing.withdrawals.foreseen_assessments import liable_micros


class LayerPayment(NamedTuple):
    """Micros that an account pays for a layer, in a cash group."""

    layer: int
    account: int
    cash_group: int
    micros: int


FUNDED_LAYERS = (WaterfallLayer.OWN_CONTRIBUTION, WaterfallLayer.SURVIVORS)


def allocate_funded_layers(context: BlockContext, number: int, default: DefaultRecord) -> DefaultRecord:
    """Allocate the loss to own margin, own contribution, the house and the survivors; assess members for the rest."""
    terms = context.terms.crisis.default
    deficits = account_deficits(context.state, (*default.own_accounts, *default.client_accounts))
    whole = sum(deficit.micros for deficit in deficits)
    default = msgspec.structs.replace(default, loss=whole, allocated_height=context.block.height)
    if not whole:
        return default
    house = sum(balance(context.state, HOUSE_ACCOUNT, cash_currency(group)) for group in context.terms.cash_groups)
    loss = DefaultLoss(
        defaulter=default.member,
        loss=whole,
        own_margin=available_resources(context.state, default.own_accounts),
        own_contribution=contribution_micros(context.state, default.member),
        house_capital=max(min(terms.house_capital_micros, house), 0),
        survivors=charged_first(default, _waterfall_survivors(context, default)),
        assessment_ppm=terms.assessment_ppm,
    )
    steps = tuple(step for step in run_waterfall(loss) if step.layer <= WaterfallLayer.ASSESSMENTS)
    assessed = tuple(
        (share.payer, share.amount)
        for step in steps
        if step.layer is WaterfallLayer.ASSESSMENTS
        for share in step.shares
        if share.amount
    )
    borne = tuple(step for step in steps if step.layer < WaterfallLayer.ASSESSMENTS)
    paid = _collect_layers(context, number, default, borne)
    if whole > loss.own_margin:
        take_unpriced_collateral(context, number, default.own_accounts)
    _pay_deficits(context, number, sum(step.loss_borne for step in borne))
    context.receipts.append(LossAllocated(number, default.member, whole, deficits, steps, paid))
    note_payers(context, number, borne)
    used = [share for step in borne if step.layer is WaterfallLayer.SURVIVORS for share in step.shares if share.amount]
    contributions_used = used_by_member([(share.payer, share.amount) for share in used])
    return _with_losses_borne(
        msgspec.structs.replace(default, contributions_used=contributions_used, assessed=assessed), borne
    )


def _waterfall_survivors(context: BlockContext, default: DefaultRecord) -> tuple[Survivor, ...]:
    payers, survivors = (
        contributing_members(context.state, default.member),
        surviving_members(context.state, default.member),
    )
    ranks, own = dict(default.seniority), own_accounts_by_member(context.state) if survivors else {}
    liable = liable_micros(context.state, default)
    return tuple(
        Survivor(
            member=member,
            contribution=contribution_micros(context.state, member),
            required=liable.get(member, 0) if member in own and member in survivors else 0,
            seniority=ranks.get(member, 0),
            assessed=_assessed_so_far(context, member).micros,
        )
        for member in payers
    )


def _assessed_so_far(context: BlockContext, member: int) -> AssessmentRecord:
    """What a member was assessed in the current assessment period; a new period starts at zero."""
    record = context.state.assessments.get(member)
    if (
        record is None
        or context.block.height >= record.since_height + context.terms.crisis.default.assessment_period_blocks
    ):
        return AssessmentRecord(context.block.height, 0)
    return record


def _collect_layers(
    context: BlockContext, number: int, default: DefaultRecord, allocations: tuple[LayerAllocation, ...]
) -> tuple[LayerPayment, ...]:
    """Move what the first layers bear to the house; the house's own capital is there already."""
    payments: list[LayerPayment] = []
    for step in allocations:
        if step.layer is WaterfallLayer.OWN_MARGIN:
            payments += [
                LayerPayment(int(step.layer), *payment)
                for payment in collect_cash(context, number, default.own_accounts, step.loss_borne)
            ]
        elif step.layer in FUNDED_LAYERS:
            for share in step.shares:
                draw_contribution(context, share.payer, share.amount, default.member)
    return tuple(payments)


def _pay_deficits(context: BlockContext, number: int, micros: int) -> None:
    """Let the house pay this much of what a default's accounts owe."""
    default = context.state.defaults[number]
    deficits = account_deficits(context.state, (*default.own_accounts, *default.client_accounts))
    pay_deficits(context, number, deficits, micros)


def _with_losses_borne(default: DefaultRecord, allocations: tuple[LayerAllocation, ...]) -> DefaultRecord:
    sums = dict(default.borne_by_layer)
    for step in allocations:
        if step.loss_borne:
            sums[int(step.layer)] = sums.get(int(step.layer), 0) + step.loss_borne
    return msgspec.structs.replace(default, loss_borne=sum(sums.values()), borne_by_layer=tuple(sorted(sums.items())))


def call_assessments(context: BlockContext, number: int, default: DefaultRecord) -> None:
    """Call members for their assessments, and count these against their caps."""
    for member, micros in default.assessed:
        before = _assessed_so_far(context, member)
        context.state.assessments.put(member, AssessmentRecord(before.since_height, before.micros + micros))
    context.receipts.append(AssessmentsCalled(number, default.assessment_height, default.assessed))


def allocate_late_estate(context: BlockContext, number: int, default: DefaultRecord) -> DefaultRecord:
    """Allocate what the defaulter's own accounts received since they were closed, before anybody else pays."""
    deficits = account_deficits(context.state, (*default.own_accounts, *default.client_accounts))
    left, own = sum(deficit.micros for deficit in deficits), available_resources(context.state, default.own_accounts)
    if left > own:
        take_unpriced_collateral(context, number, default.own_accounts)
    if not left or not own:
        return default
    steps = run_waterfall(DefaultLoss(default.member, left, own_margin=own))
    borne = tuple(step for step in steps if step.layer is WaterfallLayer.OWN_MARGIN)
    paid = _collect_layers(context, number, default, borne)
    _pay_deficits(context, number, sum(step.loss_borne for step in borne))
    context.receipts.append(LossAllocated(number, default.member, left, deficits, borne, paid))
    note_payers(context, number, borne)
    return _with_losses_borne(default, borne)


def collect_assessments(context: BlockContext, number: int, default: DefaultRecord) -> DefaultRecord:
    """Debit the assessments, or pro rata less where less is owed by now, after contributions that are free by now."""
    default = _with_losses_borne(default, use_beyond_present_loss(context, number, default))
    if not default.assessed:
        return default
    owed = _owed_micros(context, default)
    asked = [micros for _, micros in default.assessed]
    taken = allocate_capped(owed, asked, asked)
    own = own_accounts_by_member(context.state)
    # A member without own accounts has nothing to debit: the next layer bears it.
    taken = [micros if member in own else 0 for (member, _), micros in zip(default.assessed, taken, strict=True)]
    for (member, _), micros in zip(default.assessed, taken, strict=True):
        if micros:
            paid = _debit_member(context, number, own[member], micros)
            context.receipts.append(AssessmentTaken(number, member, micros, paid))
    _pay_deficits(context, number, sum(taken))
    step = LayerAllocation(WaterfallLayer.ASSESSMENTS, owed, sum(taken), ())
    shares = zip(default.assessed, taken, strict=True)
    paid_by = tuple(LossShare(member, whole, whole, micros) for (member, whole), micros in shares)
    note_payers(context, number, (msgspec.structs.replace(step, shares=paid_by),))
    return _with_losses_borne(msgspec.structs.replace(default, assessed=()), (step,))


def _debit_member(
    context: BlockContext, number: int, own_accounts: tuple[int, ...], micros: int
) -> tuple[CashPayment, ...]:
    """Debit `micros` from a member's own accounts: free cash, then any cash, then credit of the first account."""
    paid: dict[tuple[int, int], int] = {}
    left = micros
    for free_only in (True, False):
        for account in own_accounts:
            limit = cash_above_initial(context.state, account) if free_only else left
            for group in context.terms.cash_groups:
                part = min(max(balance(context.state, account, cash_currency(group)), 0), limit, left)
                if part:
                    _pay_assessment(context, number, account, group, part)
                    paid[(account, group)] = paid.get((account, group), 0) + part
                    limit, left = limit - part, left - part
    if left:
        group = context.terms.crisis.fund.cash_group or context.terms.cash_groups[0]
        _pay_assessment(context, number, own_accounts[0], group, left)
        paid[(own_accounts[0], group)] = paid.get((own_accounts[0], group), 0) + left
    context.touched_accounts.update(own_accounts)
    return tuple(CashPayment(*key, part) for key, part in sorted(paid.items()))


def _pay_assessment(context: BlockContext, number: int, account: int, group: int, micros: int) -> None:
    context.journal.transfer(account, HOUSE_ACCOUNT, cash_currency(group), micros, TransferCode.ASSESSMENT, number)


def allocate_remainder(context: BlockContext, number: int, default: DefaultRecord) -> tuple[DefaultRecord, int]:
    """Allocate the rest to gains, whose payers' positions end as far as they need, then to all claims and the fund.

    Returns the default, and what claims cannot bear because they are lent: the house owes it.
    """
    default, payers = _allocate_gains_haircut(context, number, default)
    restore_margins(context, number, default, payers)
    default = _with_losses_borne(default, cut_claims(context, number, default))
    default = _with_losses_borne(default, use_whole_fund(context, number, default))
    default = _with_losses_borne(default, cut_other_claims(context, number, default))
    check_loss_borne(context, number, default)
    rest = _owed_micros(context, default)
    _pay_deficits(context, number, rest)
    drop_gains(context, number)
    return default, rest


def _owed_micros(context: BlockContext, default: DefaultRecord) -> int:
    deficits = account_deficits(context.state, (*default.own_accounts, *default.client_accounts))
    return sum(deficit.micros for deficit in deficits)


def _allocate_gains_haircut(
    context: BlockContext, number: int, default: DefaultRecord
) -> tuple[DefaultRecord, list[int]]:
    """Cut gains for what is owed. Returns the default, and the accounts that paid."""
    deficits = account_deficits(context.state, (*default.own_accounts, *default.client_accounts))
    left = sum(deficit.micros for deficit in deficits)
    if not left:
        return default, []
    gainers = GainsHaircut(context, number, default)
    steps = run_waterfall(DefaultLoss(default.member, left, gainers=gainers.gaining_accounts()))
    steps = tuple(step for step in steps if step.layer is WaterfallLayer.GAINS)
    paid: list[LayerPayment] = []
    for step in steps:
        for share in step.shares:
            for account, micros in gainers.payers(share.payer, share.amount):
                paid += _haircut_cash(context, number, account, micros)
            use_gains(context.state, share.payer, share.amount)
            # Nor are they gains any more for a default that is declared later.
            context.values_moved.append(ValueMoved(share.payer, CLEARING_ACCOUNT, share.amount, own=False))
    _pay_deficits(context, number, sum(step.loss_borne for step in steps))
    if steps:
        context.receipts.append(LossAllocated(number, default.member, left, deficits, steps, tuple(paid)))
        note_payers(context, number, steps)
    return _with_losses_borne(default, steps), sorted({payment.account for payment in paid})


def _haircut_cash(context: BlockContext, number: int, account: int, micros: int) -> list[LayerPayment]:
    """Debit a haircut from an account's cash, group by group; what it has in other things it owes in cash."""
    paid, left = [], micros
    for group in context.terms.cash_groups:
        part = min(max(balance(context.state, account, cash_currency(group)), 0), left)
        if part:
            paid.append(_cut_gains(context, number, account, group, part))
            left -= part
    if left:
        group = context.terms.crisis.fund.cash_group or context.terms.cash_groups[0]
        paid.append(_cut_gains(context, number, account, group, left))
    context.touched_accounts.update((account, HOUSE_ACCOUNT))
    return paid


def _cut_gains(context: BlockContext, number: int, account: int, group: int, micros: int) -> LayerPayment:
    """Pay the house; what it gained itself is there already."""
    if account != HOUSE_ACCOUNT:
        code = TransferCode.GAINS_CUT
        context.journal.transfer(account, HOUSE_ACCOUNT, cash_currency(group), micros, code, number)
    return LayerPayment(int(WaterfallLayer.GAINS), account, group, micros)
