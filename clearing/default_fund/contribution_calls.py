"""Contribution calls: missing contributions are collected at the deadline, and positions reduced after it.

Rule: at its deadline a call takes what the member's own accounts can spare. What is then missing restricts the member
for the grace period. After it, where genesis says so, the rest is debited down to maintenance margin and positions
are sold for it; a debit counts at the worst where prices are not open. What is still missing is a failure, for
default to resolve. A deadline moves on by a block while the prices that it depends on are not open.
"""

import msgspec

from clearing.base.units import allocate
from clearing.context.block_context import BlockContext
from clearing.context.liquidation_progress import Failure, FailureReason
from clearing.context.member_status import own_accounts_by_member, restrict_member
from clearing.default_fund.contributions import (
    can_members_pay,
    contribution_account,
    current_fund_size,
    is_contributing,
)
from clearing.default_fund.payments import certain_free_cash, certain_margin, move_into_fund, possible_free_cash
from clearing.liquidation.stages import open_sale
from clearing.liquidation.takeover import has_unpriced_holdings, may_liquidate
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.margin_calls.cash_calls import exceeds_cash_limit
from clearing.margin_calls.margin_calls import call_margin
from clearing.schema.receipts.collateral import ClaimConverted
from clearing.schema.receipts.default_fund import (
    NOT_REQUESTED,
    FundDebited,
    FundPaid,
    FundReductionStarted,
    FundReturned,
    ReturnCause,
)
from clearing.schema.records.default import ContributionRecord
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import Holdings, current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import FUND_ACCOUNT, token_currency


def convert_contributions(run: BlockContext) -> None:
    """After tokens have left the fund's cash group: every part gives up cash in proportion, and is paid the token."""
    if run.state.fund_sizes.get(0) is not None:
        left = [each for each in run.receipts if isinstance(each, ClaimConverted) and each.account == FUND_ACCOUNT]
        for each in left:
            _convert_token(run, run.terms.collateral_after_leaving[each.asset].id, each.given_micros, each.units)


def _convert_token(run: BlockContext, token: int, micros: int, units: int) -> None:
    """Share what the fund gave up of its cash, and the token that it has instead, by what each part is."""
    state, currency = run.state, token_currency(token)
    parts = [(member, record) for member, record in state.contributions.ordered() if record.micros]
    weights = [record.micros for _, record in parts]
    shares = zip(parts, allocate(micros, weights), allocate(units, weights), strict=True)
    for (member, record), given_up, paid in shares:
        account = contribution_account(state, member, record.account) or record.account
        left = record.micros - given_up
        state.contributions.put(member, msgspec.structs.replace(record, micros=left))
        run.journal.transfer(FUND_ACCOUNT, account, currency, paid, TransferCode.FUND_TOKEN_RETURNED, member)
        run.touched_accounts.add(account)
        cause = ReturnCause.TOKEN_LEFT_GROUP
        run.receipts.append(FundReturned(member, account, currency, paid, left, record.required, cause, given_up))


def collect_contribution_calls(run: BlockContext) -> None:
    """Step 6, before defaults: take what is due; `update_fund` of the same block finds what is next."""
    size = current_fund_size(run.state)
    if not size.next_review_height or run.block.height < size.next_review_height:
        return
    parts = run.state.contributions.ordered()
    due = [each for each in parts if each[1].reduction_started or 0 < each[1].deadline <= run.block.height]
    if due and not can_members_pay(run.state):
        extend_calls(run, due)
        return
    own = own_accounts_by_member(run.state) if due else {}
    for member, record in due:
        _collect_call(run, member, record, own.get(member, ()))


def extend_calls(run: BlockContext, due: list[tuple[int, ContributionRecord]]) -> None:
    """Give calls as long again that nobody can meet: no token of the fund's cash group is left."""
    later = run.block.height + run.terms.crisis.fund.call_blocks
    for member, record in due:
        run.state.contributions.put(member, msgspec.structs.replace(record, deadline=later))


def _collect_call(run: BlockContext, member: int, record: ContributionRecord, own: tuple[int, ...]) -> None:
    """Take what is there; restrict the member, or hand it on as failed, for what is not."""
    state, terms = run.state, run.terms.crisis.fund
    if not is_contributing(state, member):
        state.contributions.put(member, msgspec.structs.replace(record, called=0, deadline=0, reducing=False))
        return
    if own and record.account not in own:  # closed meanwhile
        record = msgspec.structs.replace(record, account=own[0])
    payers = sorted(own, key=lambda each: (each != record.account, each))
    record = _debit_accounts(run, member, record, payers)
    first = terms.grace_blocks > 0 and not record.lapsed
    if record.called and _is_over(run, record) and _could_pay(run, record, payers):
        state.contributions.put(member, msgspec.structs.replace(record, deadline=run.block.height + 1))
        return
    if record.called and payers and not first and (record.reduction_started or terms.reduce_blocks):
        record = _reduce_forcibly(run, member, record, payers)
    if not record.called or not _is_over(run, record):
        return
    deadline = run.block.height + (terms.grace_blocks if first else terms.call_blocks)
    record = msgspec.structs.replace(record, lapsed=True, deadline=deadline, reducing=False)
    state.contributions.put(member, record)
    run.receipts.append(FundPaid(NOT_REQUESTED, member, record.account, 0, record.micros, record.called, lapsed=True))
    restrict_member(run, member)
    if payers and not first and run.terms.crisis.default.enabled:
        run.failures.append(Failure(record.account, FailureReason.CALL_LAPSED))


def _is_over(run: BlockContext, record: ContributionRecord) -> bool:
    return run.block.height >= record.deadline


def _could_pay(run: BlockContext, record: ContributionRecord, own: list[int]) -> bool:
    return sum(possible_free_cash(run, account) for account in own) >= record.called


def _reduce_forcibly(run: BlockContext, member: int, record: ContributionRecord, own: list[int]) -> ContributionRecord:
    """Debit what is missing and sell for it; where nothing is left to sell its time is over."""
    record = reduce_member(
        run, member, record if record.reduction_started else begin_reduction(run, member, record), own
    )
    if record.called:
        restrict_member(run, member)
        if not is_reducible(run, own):
            record = msgspec.structs.replace(record, deadline=run.block.height)
    return record


def _debit_accounts(run: BlockContext, member: int, record: ContributionRecord, own: list[int]) -> ContributionRecord:
    """Debit the account that the member pays from, then its others of its own, the lowest first: so they come here."""
    for account in own:
        micros = min(certain_free_cash(run, account), record.called)
        if micros:
            after = move_into_fund(run, member, msgspec.structs.replace(record, account=account), micros)
            record = msgspec.structs.replace(after, account=record.account)
            run.state.contributions.put(member, record)
    return record


def begin_reduction(run: BlockContext, member: int, record: ContributionRecord) -> ContributionRecord:
    """The grace is over: from now on it is debited and sold for, until a height that is told."""
    until = run.block.height + run.terms.crisis.fund.reduce_blocks
    record = msgspec.structs.replace(record, lapsed=True, reducing=True, deadline=until)
    run.state.contributions.put(member, record)
    run.receipts.append(FundReductionStarted(member, record.account, record.called, record.micros, until))
    return record


def reduce_member(run: BlockContext, member: int, record: ContributionRecord, own: list[int]) -> ContributionRecord:
    """One block of it, for a member's own accounts in the order in which they pay; what is then still called for."""
    for account in own:
        record = _debit_above_maintenance(run, member, record, account)
    for account in own:
        held = current_holdings(run.state, account)
        margin = holdings_margin(current_arrays(run.state), held)
        if not margin.initial_ok or exceeds_cash_limit(run, held.cash):
            call_margin(run, account, margin)
        if not margin.initial_ok:
            _open_reduction_sale(run, account, held, margin)
    return record


def is_reducible(run: BlockContext, own: list[int]) -> bool:
    """Whether anything is left to sell, or to wait for: a price that is not open."""
    return any(
        any(held.lots) or has_unpriced_holdings(run, held)
        for held in (current_holdings(run.state, each) for each in own)
    )


def _debit_above_maintenance(
    run: BlockContext, member: int, record: ContributionRecord, account: int
) -> ContributionRecord:
    """Take all that leaves maintenance margin covered; what the account has no cash for it owes."""
    margin = certain_margin(run, account)
    if margin is None:
        return record
    micros = min(margin.equity - margin.maintenance, record.called)
    if micros <= 0:
        return record
    told = (member, account, micros, record.called, margin.equity, margin.initial, margin.maintenance)
    run.receipts.append(FundDebited(*told))
    after = move_into_fund(run, member, msgspec.structs.replace(record, account=account), micros)
    record = msgspec.structs.replace(after, account=record.account)
    run.state.contributions.put(member, record)
    return record


def _open_reduction_sale(run: BlockContext, account: int, held: Holdings, margin: AccountMargin) -> None:
    """Have an account sold until it is back at initial margin, unless that is under way."""
    under_way = account in run.state.liquidations or certain_margin(run, account) is None
    if not under_way and any(held.lots) and may_liquidate(run, held):
        open_sale(run, account, held, margin)
