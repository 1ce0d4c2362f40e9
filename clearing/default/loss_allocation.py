"""Loss allocation: the waterfall executed on the ledger, layer by layer, pro rata inside a layer.

Rule: figures are read off the state, allocated by `run_waterfall`, and moved to the unit. Assessments are taken at
their deadline, free cash first; a member that cannot pay owes it and is called. Gains are cut only out of cash above
initial margin. Where that is not enough, the instruments that the defaulter lost in are torn up, which frees margin.
What is left then is the house's.
"""

import msgspec

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext
from clearing.context.member_status import own_accounts_by_member
from clearing.context.unresolved_losses import account_deficits, available_resources
from clearing.default.declaration import cash_above_initial
from clearing.default.default_auction import contributing_members, surviving_members
from clearing.default.deleveraging import tear_up
from clearing.default.estate import collect_cash, take_unpriced_collateral
from clearing.default.gains_haircut import GainsHaircut
from clearing.default.variation_gains import gains_since, record_position_changes
from clearing.default.waterfall import DefaultLoss, Survivor, allocate_capped, allocate_collected, run_waterfall
from clearing.default_fund.contributions import contribution_micros, draw_contribution, required_contribution
from clearing.schema.receipts.default import (
    AssessmentsCalled,
    AssessmentTaken,
    LayerAllocation,
    LossAllocated,
    WaterfallLayer,
)
from clearing.schema.records.default import AssessmentRecord, DefaultRecord
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import balance, cash_currency

LayerPayments = tuple[tuple[int, int, int, int], ...]
"""(layer, account, cash group, micros)."""

FUNDED_LAYERS = (WaterfallLayer.OWN_CONTRIBUTION, WaterfallLayer.SURVIVORS)


def allocate_funded_layers(run: BlockContext, number: int, held: DefaultRecord) -> DefaultRecord:
    """Let own margin, own contribution, the house and the survivors bear the loss; assess members for more."""
    terms = run.terms.crisis.default
    deficits = account_deficits(run.state, (*held.own_accounts, *held.client_accounts))
    whole = sum(micros for _, _, micros in deficits)
    held = msgspec.structs.replace(held, loss=whole)
    if not whole:
        return held
    house = sum(balance(run.state, HOUSE_ACCOUNT, cash_currency(group)) for group in run.terms.cash_groups)
    loss = DefaultLoss(
        defaulter=held.member,
        loss=whole,
        own_margin=available_resources(run.state, held.own_accounts),
        own_contribution=contribution_micros(run.state, held.member),
        house_capital=max(min(terms.house_capital_micros, house), 0),
        survivors=_waterfall_survivors(run, held),
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
    paid = _collect_layers(run, number, held, borne)
    if whole > loss.own_margin:
        take_unpriced_collateral(run, number, held.own_accounts)
    _pay_deficits(run, number, sum(step.loss_borne for step in borne))
    run.receipts.append(LossAllocated(number, held.member, whole, deficits, steps, paid))
    used = [share for step in borne if step.layer is WaterfallLayer.SURVIVORS for share in step.shares if share.amount]
    told = tuple(sorted((share.payer, share.amount) for share in used))
    return _with_losses_borne(msgspec.structs.replace(held, used=told, assessed=assessed), borne)


def _waterfall_survivors(run: BlockContext, held: DefaultRecord) -> tuple[Survivor, ...]:
    payers, standing = contributing_members(run.state, held.member), surviving_members(run.state, held.member)
    ranks, own = dict(held.seniority), own_accounts_by_member(run.state) if standing else {}
    return tuple(
        Survivor(
            member=member,
            contribution=contribution_micros(run.state, member),
            required=required_contribution(run.state, member) if member in own and member in standing else 0,
            seniority=ranks.get(member, 0),
            assessed=assessed_so_far(run, member).micros,
        )
        for member in payers
    )


def assessed_so_far(run: BlockContext, member: int) -> AssessmentRecord:
    """What a member was assessed in the period that the cap is for, which begins anew after its time."""
    record = run.state.assessments.get(member)
    if record is None or run.block.height >= record.since_height + run.terms.crisis.default.assessment_period_blocks:
        return AssessmentRecord(run.block.height, 0)
    return record


def _collect_layers(
    run: BlockContext, number: int, held: DefaultRecord, steps: tuple[LayerAllocation, ...]
) -> LayerPayments:
    """Move what the first layers bear to the house; its own capital is there already."""
    told: list[tuple[int, int, int, int]] = []
    for step in steps:
        if step.layer is WaterfallLayer.OWN_MARGIN:
            told += [(int(step.layer), *each) for each in collect_cash(run, number, held.own_accounts, step.loss_borne)]
        elif step.layer in FUNDED_LAYERS:
            for share in step.shares:
                draw_contribution(run, share.payer, share.amount, held.member)
    return tuple(told)


def _pay_deficits(run: BlockContext, number: int, micros: int) -> None:
    """Let the house pay so much of what a default's accounts owe, in proportion (`allocate_collected`)."""
    held = run.state.defaults[number]
    deficits = account_deficits(run.state, (*held.own_accounts, *held.client_accounts))
    parts = allocate_collected(micros, [owed for _, _, owed in deficits])
    for (account, group, _), part in zip(deficits, parts, strict=True):
        run.journal.transfer(
            HOUSE_ACCOUNT, account, cash_currency(group), part, TransferCode.DEFAULT_DEFICIT_PAID, number
        )
        run.touched_accounts.update((HOUSE_ACCOUNT, account))


def _with_losses_borne(held: DefaultRecord, steps: tuple[LayerAllocation, ...]) -> DefaultRecord:
    sums = dict(held.borne_by_layer)
    for step in steps:
        if step.loss_borne:
            sums[int(step.layer)] = sums.get(int(step.layer), 0) + step.loss_borne
    return msgspec.structs.replace(held, borne=sum(sums.values()), by_layer=tuple(sorted(sums.items())))


def call_assessments(run: BlockContext, number: int, held: DefaultRecord) -> None:
    """Tell members what they have to bring, and count it against their caps."""
    for member, micros in held.assessed:
        before = assessed_so_far(run, member)
        run.state.assessments.put(member, AssessmentRecord(before.since_height, before.micros + micros))
    run.receipts.append(AssessmentsCalled(number, held.assessment_height, held.assessed))


def allocate_late_estate(run: BlockContext, number: int, held: DefaultRecord) -> DefaultRecord:
    """Let the defaulter's own accounts bear what came to them since they were closed, before anybody else is asked."""
    deficits = account_deficits(run.state, (*held.own_accounts, *held.client_accounts))
    left, own = sum(micros for _, _, micros in deficits), available_resources(run.state, held.own_accounts)
    if left > own:
        take_unpriced_collateral(run, number, held.own_accounts)
    if not left or not own:
        return held
    steps = run_waterfall(DefaultLoss(held.member, left, own_margin=own))
    borne = tuple(step for step in steps if step.layer is WaterfallLayer.OWN_MARGIN)
    paid = _collect_layers(run, number, held, borne)
    _pay_deficits(run, number, sum(step.loss_borne for step in borne))
    run.receipts.append(LossAllocated(number, held.member, left, deficits, borne, paid))
    return _with_losses_borne(held, borne)


def collect_assessments(run: BlockContext, number: int, held: DefaultRecord) -> DefaultRecord:
    """Take what was assessed, or in proportion less where less is owed by now."""
    if not held.assessed:
        return held
    owed = _owed_micros(run, held)
    asked = [micros for _, micros in held.assessed]
    taken = allocate_capped(owed, asked, asked)
    own = own_accounts_by_member(run.state)
    # Whose last own account was closed meanwhile has nothing to take it from: the next layer bears it.
    taken = [micros if member in own else 0 for (member, _), micros in zip(held.assessed, taken, strict=True)]
    for (member, _), micros in zip(held.assessed, taken, strict=True):
        if micros:
            paid = _debit_member(run, number, own[member], micros)
            run.receipts.append(AssessmentTaken(number, member, micros, paid))
    _pay_deficits(run, number, sum(taken))
    step = LayerAllocation(WaterfallLayer.ASSESSMENTS, owed, sum(taken), ())
    return _with_losses_borne(msgspec.structs.replace(held, assessed=()), (step,))


def _debit_member(
    run: BlockContext, number: int, own: tuple[int, ...], micros: int
) -> tuple[tuple[int, int, int], ...]:
    """Take `micros` of a member's own accounts: what is free, then any cash, then on credit of the first account."""
    paid: dict[tuple[int, int], int] = {}
    left = micros
    for free_only in (True, False):
        for account in own:
            limit = cash_above_initial(run.state, account) if free_only else left
            for group in run.terms.cash_groups:
                part = min(max(balance(run.state, account, cash_currency(group)), 0), limit, left)
                if part:
                    _pay_assessment(run, number, account, group, part)
                    paid[(account, group)] = paid.get((account, group), 0) + part
                    limit, left = limit - part, left - part
    if left:
        group = run.terms.crisis.fund.cash_group or run.terms.cash_groups[0]
        _pay_assessment(run, number, own[0], group, left)
        paid[(own[0], group)] = paid.get((own[0], group), 0) + left
    run.touched_accounts.update(own)
    return tuple((*key, part) for key, part in sorted(paid.items()))


def _pay_assessment(run: BlockContext, number: int, account: int, group: int, micros: int) -> None:
    run.journal.transfer(account, HOUSE_ACCOUNT, cash_currency(group), micros, TransferCode.ASSESSMENT, number)


def allocate_remainder(run: BlockContext, number: int, held: DefaultRecord) -> tuple[DefaultRecord, int]:
    """Let gains bear what is left, after a tear-up if need be; what even that leaves the house pays. Also: how much."""
    cut: dict[int, int] = {}
    held = _allocate_gains_haircut(run, number, held, cut)
    # Positions end only where the margin that they free has gains to bear the loss for.
    if _owed_micros(run, held) and GainsHaircut(run, held, cut).gaining_accounts():
        torn = _losing_instruments(run, held)
        for instrument in torn:
            tear_up(run, number, instrument)
        held = _allocate_gains_haircut(run, number, held, cut) if torn else held
    rest = _owed_micros(run, held)
    _pay_deficits(run, number, rest)
    return held, rest


def _owed_micros(run: BlockContext, held: DefaultRecord) -> int:
    return sum(micros for _, _, micros in account_deficits(run.state, (*held.own_accounts, *held.client_accounts)))


def _allocate_gains_haircut(run: BlockContext, number: int, held: DefaultRecord, cut: dict[int, int]) -> DefaultRecord:
    """Cut gains for what is owed, and note in `cut` how much of whose."""
    deficits = account_deficits(run.state, (*held.own_accounts, *held.client_accounts))
    left = sum(micros for _, _, micros in deficits)
    if not left:
        return held
    gainers = GainsHaircut(run, held, cut)
    steps = run_waterfall(DefaultLoss(held.member, left, gainers=gainers.gaining_accounts()))
    paid: list[tuple[int, int, int, int]] = []
    for step in steps:
        for share in step.shares:
            for account, micros in gainers.cash_payers(share.payer, share.amount):
                paid += _haircut_cash(run, number, account, micros)
            cut[share.payer] = cut.get(share.payer, 0) + share.amount
    _pay_deficits(run, number, sum(step.loss_borne for step in steps))
    run.receipts.append(LossAllocated(number, held.member, left, deficits, steps, tuple(paid)))
    return _with_losses_borne(held, steps)


def _losing_instruments(run: BlockContext, held: DefaultRecord) -> tuple[int, ...]:
    """Instruments in which the defaulter and its clients lost since it was last fully margined."""
    record_position_changes(run)
    accounts = {*held.own_accounts, *held.client_accounts}
    lost = []
    for instrument, gains in gains_since(run.state, held.last_margined_height, held.last_margined_marks).items():
        if sum(gains.get(account, 0) for account in accounts) < 0:
            lost.append(instrument)
    return tuple(lost)


def _haircut_cash(run: BlockContext, number: int, account: int, micros: int) -> list[tuple[int, int, int, int]]:
    """Take a cut of an account's cash, group by group."""
    paid, left = [], micros
    for group in run.terms.cash_groups:
        part = min(max(balance(run.state, account, cash_currency(group)), 0), left)
        if part:
            run.journal.transfer(account, HOUSE_ACCOUNT, cash_currency(group), part, TransferCode.GAINS_CUT, number)
            paid.append((int(WaterfallLayer.GAINS), account, group, part))
            left -= part
    run.touched_accounts.update((account, HOUSE_ACCOUNT))
    return paid
