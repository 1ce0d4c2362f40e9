"""Executing the waterfall on the ledger: what each layer bears moves to the house, which pays what is owed with it.

Rule: figures are read off the state, shared by `run_waterfall`, and moved as it says, to the unit. What members are
assessed is taken at its deadline, free cash first; whoever cannot bring it owes it, like any payment, and is called.
Gains are cut only out of cash above initial margin; where that is not enough, the instruments that the defaulter lost
in are torn up, which frees margin. What then is left is the house's.
"""

import msgspec

from clearing.accounts.by_member import own_accounts_by_member
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.default.auction import payers_of, survivors_of
from clearing.default.close_out import tear_up
from clearing.default.declare import free_cash
from clearing.default.estate import take, take_worthless
from clearing.default.gainers import Gainers
from clearing.default.gains import all_gains, note_shifts
from clearing.default.means import available, deficits_of
from clearing.default.receipts import AssessmentsCalled, AssessmentTaken, LossShared
from clearing.default.records import Assessed, DefaultHeld
from clearing.default.sharing import allocate_capped, share_collected
from clearing.default.waterfall import Layer, Loss, Step, Survivor, run_waterfall
from clearing.fund.use import contribution, draw, required
from clearing.ledger import balance, cash_currency
from clearing.run import Run
from clearing.transfers import TransferCode

Told = tuple[tuple[int, int, int, int], ...]
"""(layer, account, cash group, micros)."""
FUNDED = (Layer.OWN_CONTRIBUTION, Layer.SURVIVORS)


def share_first(run: Run, number: int, held: DefaultHeld) -> DefaultHeld:
    """Let own margin, own contribution, the house and the survivors bear the loss; assess members for more."""
    terms = run.terms.crisis.default
    deficits = deficits_of(run.state, (*held.own, *held.clients))
    whole = sum(micros for _, _, micros in deficits)
    held = msgspec.structs.replace(held, loss=whole)
    if not whole:
        return held
    house = sum(balance(run.state, HOUSE_ACCOUNT, cash_currency(group)) for group in run.terms.cash_groups)
    loss = Loss(
        defaulter=held.member,
        loss=whole,
        own_margin=available(run.state, held.own),
        own_contribution=contribution(run.state, held.member),
        house_capital=max(min(terms.house_capital_micros, house), 0),
        survivors=_survivors(run, held),
        assessment_ppm=terms.assessment_ppm,
    )
    steps = tuple(step for step in run_waterfall(loss) if step.layer <= Layer.ASSESSMENTS)
    assessed = tuple(
        (share.payer, share.amount)
        for step in steps
        if step.layer is Layer.ASSESSMENTS
        for share in step.shares
        if share.amount
    )
    borne = tuple(step for step in steps if step.layer < Layer.ASSESSMENTS)
    paid = _take_first(run, number, held, borne)
    if whole > loss.own_margin:
        take_worthless(run, number, held.own)
    _pay_deficits(run, number, sum(step.borne for step in borne))
    run.receipts.append(LossShared(number, held.member, whole, deficits, steps, paid))
    used = [share for step in borne if step.layer is Layer.SURVIVORS for share in step.shares if share.amount]
    told = tuple(sorted((share.payer, share.amount) for share in used))
    return _with_borne(msgspec.structs.replace(held, used=told, assessed=assessed), borne)


def _survivors(run: Run, held: DefaultHeld) -> tuple[Survivor, ...]:
    payers, standing = payers_of(run.state, held.member), survivors_of(run.state, held.member)
    ranks, own = dict(held.seniority), own_accounts_by_member(run.state) if standing else {}
    return tuple(
        Survivor(
            member=member,
            contribution=contribution(run.state, member),
            required=required(run.state, member) if member in own and member in standing else 0,
            seniority=ranks.get(member, 0),
            assessed=assessed_so_far(run, member).micros,
        )
        for member in payers
    )


def assessed_so_far(run: Run, member: int) -> Assessed:
    """What a member was assessed in the period that the cap is for, which begins anew after its time."""
    record = run.state.assessments.get(member)
    if record is None or run.block.height >= record.since_height + run.terms.crisis.default.assessment_period_blocks:
        return Assessed(run.block.height, 0)
    return record


def _take_first(run: Run, number: int, held: DefaultHeld, steps: tuple[Step, ...]) -> Told:
    """Move what the first layers bear to the house; its own capital is there already."""
    told: list[tuple[int, int, int, int]] = []
    for step in steps:
        if step.layer is Layer.OWN_MARGIN:
            told += [(int(step.layer), *each) for each in take(run, number, held.own, step.borne)]
        elif step.layer in FUNDED:
            for share in step.shares:
                draw(run, share.payer, share.amount, held.member)
    return tuple(told)


def _pay_deficits(run: Run, number: int, micros: int) -> None:
    """Let the house pay so much of what a default's accounts owe, in proportion (`share_collected`)."""
    held = run.state.defaults[number]
    deficits = deficits_of(run.state, (*held.own, *held.clients))
    parts = share_collected(micros, [owed for _, _, owed in deficits])
    for (account, group, _), part in zip(deficits, parts, strict=True):
        run.journal.transfer(
            HOUSE_ACCOUNT, account, cash_currency(group), part, TransferCode.DEFAULT_DEFICIT_PAID, number
        )
        run.touched.update((HOUSE_ACCOUNT, account))


def _with_borne(held: DefaultHeld, steps: tuple[Step, ...]) -> DefaultHeld:
    sums = dict(held.by_layer)
    for step in steps:
        if step.borne:
            sums[int(step.layer)] = sums.get(int(step.layer), 0) + step.borne
    return msgspec.structs.replace(held, borne=sum(sums.values()), by_layer=tuple(sorted(sums.items())))


def call_assessments(run: Run, number: int, held: DefaultHeld) -> None:
    """Tell members what they have to bring, and count it against their caps."""
    for member, micros in held.assessed:
        before = assessed_so_far(run, member)
        run.state.assessments.put(member, Assessed(before.since_height, before.micros + micros))
    run.receipts.append(AssessmentsCalled(number, held.assessment_height, held.assessed))


def share_late(run: Run, number: int, held: DefaultHeld) -> DefaultHeld:
    """Let the defaulter's own accounts bear what came to them since they were closed, before anybody else is asked."""
    deficits = deficits_of(run.state, (*held.own, *held.clients))
    left, own = sum(micros for _, _, micros in deficits), available(run.state, held.own)
    if left > own:
        take_worthless(run, number, held.own)
    if not left or not own:
        return held
    steps = run_waterfall(Loss(held.member, left, own_margin=own))
    borne = tuple(step for step in steps if step.layer is Layer.OWN_MARGIN)
    paid = _take_first(run, number, held, borne)
    _pay_deficits(run, number, sum(step.borne for step in borne))
    run.receipts.append(LossShared(number, held.member, left, deficits, borne, paid))
    return _with_borne(held, borne)


def take_assessments(run: Run, number: int, held: DefaultHeld) -> DefaultHeld:
    """Take what was assessed, or in proportion less where less is owed by now."""
    if not held.assessed:
        return held
    owed = _owed(run, held)
    asked = [micros for _, micros in held.assessed]
    taken = allocate_capped(owed, asked, asked)
    own = own_accounts_by_member(run.state)
    # Whose last own account was closed meanwhile has nothing to take it from: the next layer bears it.
    taken = [micros if member in own else 0 for (member, _), micros in zip(held.assessed, taken, strict=True)]
    for (member, _), micros in zip(held.assessed, taken, strict=True):
        if micros:
            paid = _debit(run, number, own[member], micros)
            run.receipts.append(AssessmentTaken(number, member, micros, paid))
    _pay_deficits(run, number, sum(taken))
    step = Step(Layer.ASSESSMENTS, owed, sum(taken), ())
    return _with_borne(msgspec.structs.replace(held, assessed=()), (step,))


def _debit(run: Run, number: int, own: tuple[int, ...], micros: int) -> tuple[tuple[int, int, int], ...]:
    """Take `micros` of a member's own accounts: what is free, then any cash, then on credit of the first account."""
    paid: dict[tuple[int, int], int] = {}
    left = micros
    for free_only in (True, False):
        for account in own:
            limit = free_cash(run.state, account) if free_only else left
            for group in run.terms.cash_groups:
                part = min(max(balance(run.state, account, cash_currency(group)), 0), limit, left)
                if part:
                    _pay(run, number, account, group, part)
                    paid[(account, group)] = paid.get((account, group), 0) + part
                    limit, left = limit - part, left - part
    if left:
        group = run.terms.crisis.fund.cash_group or run.terms.cash_groups[0]
        _pay(run, number, own[0], group, left)
        paid[(own[0], group)] = paid.get((own[0], group), 0) + left
    run.touched.update(own)
    return tuple((*key, part) for key, part in sorted(paid.items()))


def _pay(run: Run, number: int, account: int, group: int, micros: int) -> None:
    run.journal.transfer(account, HOUSE_ACCOUNT, cash_currency(group), micros, TransferCode.ASSESSMENT, number)


def share_rest(run: Run, number: int, held: DefaultHeld) -> tuple[DefaultHeld, int]:
    """Let gains bear what is left, after a tear-up if need be; what even that leaves the house pays. Also: how much."""
    cut: dict[int, int] = {}
    held = _share_gains(run, number, held, cut)
    # Positions end only where the margin that they free has gains to bear the loss for.
    if _owed(run, held) and Gainers(run, held, cut).asked():
        torn = _lost_in(run, held)
        for instrument in torn:
            tear_up(run, number, instrument)
        held = _share_gains(run, number, held, cut) if torn else held
    rest = _owed(run, held)
    _pay_deficits(run, number, rest)
    return held, rest


def _owed(run: Run, held: DefaultHeld) -> int:
    return sum(micros for _, _, micros in deficits_of(run.state, (*held.own, *held.clients)))


def _share_gains(run: Run, number: int, held: DefaultHeld, cut: dict[int, int]) -> DefaultHeld:
    """Cut gains for what is owed, and note in `cut` how much of whose."""
    deficits = deficits_of(run.state, (*held.own, *held.clients))
    left = sum(micros for _, _, micros in deficits)
    if not left:
        return held
    gainers = Gainers(run, held, cut)
    steps = run_waterfall(Loss(held.member, left, gainers=gainers.asked()))
    paid: list[tuple[int, int, int, int]] = []
    for step in steps:
        for share in step.shares:
            for account, micros in gainers.payers(share.payer, share.amount):
                paid += _cut(run, number, account, micros)
            cut[share.payer] = cut.get(share.payer, 0) + share.amount
    _pay_deficits(run, number, sum(step.borne for step in steps))
    run.receipts.append(LossShared(number, held.member, left, deficits, steps, tuple(paid)))
    return _with_borne(held, steps)


def _lost_in(run: Run, held: DefaultHeld) -> tuple[int, ...]:
    """Instruments in which the defaulter and its clients lost since it was last fully margined."""
    note_shifts(run)
    accounts = {*held.own, *held.clients}
    lost = []
    for instrument, gains in all_gains(run.state, held.margined_height, held.marks).items():
        if sum(gains.get(account, 0) for account in accounts) < 0:
            lost.append(instrument)
    return tuple(lost)


def _cut(run: Run, number: int, account: int, micros: int) -> list[tuple[int, int, int, int]]:
    """Take a cut of an account's cash, group by group."""
    paid, left = [], micros
    for group in run.terms.cash_groups:
        part = min(max(balance(run.state, account, cash_currency(group)), 0), left)
        if part:
            run.journal.transfer(account, HOUSE_ACCOUNT, cash_currency(group), part, TransferCode.GAINS_CUT, number)
            paid.append((int(Layer.GAINS), account, group, part))
            left -= part
    run.touched.update((account, HOUSE_ACCOUNT))
    return paid
