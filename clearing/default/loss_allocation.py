"""Loss allocation: the waterfall executed on the ledger, layer by layer, pro rata inside a layer.

Rule: figures are read from the state, allocated by `run_waterfall`, and moved exactly.

1. Assessments are debited at their deadline, free cash first; a member that cannot pay owes the rest and is called.
2. Gains are cut only from cash above initial margin.
3. Where that does not suffice, the instruments in which the defaulter lost are torn up, which frees margin.
4. The house pays what is left then.
"""

from typing import NamedTuple

import msgspec

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext
from clearing.context.member_status import own_accounts_by_member
from clearing.context.unresolved_losses import account_deficits, available_resources
from clearing.default.declaration import cash_above_initial
from clearing.default.default_auction import contributing_members, surviving_members
from clearing.default.deleveraging import tear_up
from clearing.default.estate import CashPayment, collect_cash, take_unpriced_collateral
from clearing.default.gains_haircut import GainsHaircut
from clearing.default.recovery_claims import note_payers
from clearing.default.variation_gains import gains_since, record_position_changes
from clearing.default.waterfall import DefaultLoss, Survivor, allocate_capped, allocate_collected, run_waterfall
from clearing.default_fund.contributions import contribution_micros, draw_contribution, required_contribution
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
from clearing.state.ledger import balance, cash_currency


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
    default = msgspec.structs.replace(default, loss=whole)
    if not whole:
        return default
    house = sum(balance(context.state, HOUSE_ACCOUNT, cash_currency(group)) for group in context.terms.cash_groups)
    loss = DefaultLoss(
        defaulter=default.member,
        loss=whole,
        own_margin=available_resources(context.state, default.own_accounts),
        own_contribution=contribution_micros(context.state, default.member),
        house_capital=max(min(terms.house_capital_micros, house), 0),
        survivors=_waterfall_survivors(context, default),
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
    used_by_member = tuple(sorted((share.payer, share.amount) for share in used))
    return _with_losses_borne(
        msgspec.structs.replace(default, contributions_used=used_by_member, assessed=assessed), borne
    )


def _waterfall_survivors(context: BlockContext, default: DefaultRecord) -> tuple[Survivor, ...]:
    payers, survivors = (
        contributing_members(context.state, default.member),
        surviving_members(context.state, default.member),
    )
    ranks, own = dict(default.seniority), own_accounts_by_member(context.state) if survivors else {}
    return tuple(
        Survivor(
            member=member,
            contribution=contribution_micros(context.state, member),
            required=required_contribution(context.state, member) if member in own and member in survivors else 0,
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
    """Let the house pay this much of what a default's accounts owe, pro rata (`allocate_collected`)."""
    default = context.state.defaults[number]
    deficits = account_deficits(context.state, (*default.own_accounts, *default.client_accounts))
    parts = allocate_collected(micros, [deficit.micros for deficit in deficits])
    for deficit, part in zip(deficits, parts, strict=True):
        if deficit.account == HOUSE_ACCOUNT:
            continue  # what was collected for the house's own debt is in its account
        currency = cash_currency(deficit.cash_group)
        code = TransferCode.DEFAULT_DEFICIT_PAID
        context.journal.transfer(HOUSE_ACCOUNT, deficit.account, currency, part, code, number)
        context.touched_accounts.update((HOUSE_ACCOUNT, deficit.account))


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
    """Debit the assessments, or pro rata less where less is owed by now."""
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
    """Allocate the rest to gains, after a tear-up if needed; the house pays what is left. Returns the default
    and that rest."""
    cut: dict[int, int] = {}
    default = _allocate_gains_haircut(context, number, default, cut)
    # Tear up only where the freed margin has gains that can bear the loss.
    if _owed_micros(context, default) and GainsHaircut(context, default, cut).gaining_accounts():
        torn = _losing_instruments(context, default)
        for instrument in torn:
            tear_up(context, number, instrument)
        default = _allocate_gains_haircut(context, number, default, cut) if torn else default
    rest = _owed_micros(context, default)
    _pay_deficits(context, number, rest)
    return default, rest


def _owed_micros(context: BlockContext, default: DefaultRecord) -> int:
    deficits = account_deficits(context.state, (*default.own_accounts, *default.client_accounts))
    return sum(deficit.micros for deficit in deficits)


def _allocate_gains_haircut(
    context: BlockContext, number: int, default: DefaultRecord, cut: dict[int, int]
) -> DefaultRecord:
    """Cut gains for what is owed, and add the haircuts to `cut`."""
    deficits = account_deficits(context.state, (*default.own_accounts, *default.client_accounts))
    left = sum(deficit.micros for deficit in deficits)
    if not left:
        return default
    gainers = GainsHaircut(context, default, cut)
    steps = run_waterfall(DefaultLoss(default.member, left, gainers=gainers.gaining_accounts()))
    paid: list[LayerPayment] = []
    for step in steps:
        for share in step.shares:
            for account, micros in gainers.cash_payers(share.payer, share.amount):
                paid += _haircut_cash(context, number, account, micros)
            cut[share.payer] = cut.get(share.payer, 0) + share.amount
    _pay_deficits(context, number, sum(step.loss_borne for step in steps))
    context.receipts.append(LossAllocated(number, default.member, left, deficits, steps, tuple(paid)))
    note_payers(context, number, steps)
    return _with_losses_borne(default, steps)


def _losing_instruments(context: BlockContext, default: DefaultRecord) -> tuple[int, ...]:
    """Instruments in which the defaulter and its clients lost since it was last fully margined."""
    record_position_changes(context)
    accounts = {*default.own_accounts, *default.client_accounts}
    lost = []
    for instrument, gains in gains_since(
        context.state, default.last_margined_height, default.last_margined_marks
    ).items():
        if sum(gains.get(account, 0) for account in accounts) < 0:
            lost.append(instrument)
    return tuple(lost)


def _haircut_cash(context: BlockContext, number: int, account: int, micros: int) -> list[LayerPayment]:
    """Debit a haircut from an account's cash, group by group."""
    paid, left = [], micros
    for group in context.terms.cash_groups:
        part = min(max(balance(context.state, account, cash_currency(group)), 0), left)
        if part:
            context.journal.transfer(account, HOUSE_ACCOUNT, cash_currency(group), part, TransferCode.GAINS_CUT, number)
            paid.append(LayerPayment(int(WaterfallLayer.GAINS), account, group, part))
            left -= part
    context.touched_accounts.update((account, HOUSE_ACCOUNT))
    return paid
