"""Contribution calls: members are called for what is missing of their contributions, and debited at the deadline.

Rule: stages in order:

1. At its deadline a call debits what the member's own accounts can spare.
2. What is then missing restricts the member for the grace period.
3. After it, where genesis says so, the rest is debited down to maintenance margin and positions are sold for it. A
   debit assumes the worst case where prices are not open.
4. What is still missing is a failure, for the default rules.

A deadline moves on by a block while the prices that it depends on are not open.
"""

import msgspec

from clearing.base.units import allocate
from clearing.context.block_context import BlockContext, Failure, FailureReason
from clearing.context.member_status import own_accounts_by_member, restrict_member
from clearing.default_fund.contributions import (
    can_members_pay,
    certain_free_cash,
    certain_margin,
    contribution_account,
    current_fund_size,
    is_contributing,
    move_into_fund,
    possible_free_cash,
)
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


def convert_contributions(context: BlockContext) -> None:
    """After tokens left the fund's cash group: every contribution gives up cash pro rata, and is paid the token."""
    if context.state.fund_sizes.get(0) is not None:
        conversions = [
            receipt
            for receipt in context.receipts
            if isinstance(receipt, ClaimConverted) and receipt.account == FUND_ACCOUNT
        ]
        for conversion in conversions:
            _convert_token(
                context,
                context.terms.collateral_after_leaving[conversion.asset].id,
                conversion.given_micros,
                conversion.units,
            )


def _convert_token(context: BlockContext, token: int, micros: int, units: int) -> None:
    """Distribute the cash that the fund gave up, and the token that it received, over the contributions."""
    state, currency = context.state, token_currency(token)
    parts = [(member, record) for member, record in state.contributions.ordered() if record.micros]
    weights = [record.micros for _, record in parts]
    shares = zip(parts, allocate(micros, weights), allocate(units, weights), strict=True)
    for (member, record), given_up, paid in shares:
        account = contribution_account(state, member, record.account) or record.account
        left = record.micros - given_up
        state.contributions.put(member, msgspec.structs.replace(record, micros=left))
        context.journal.transfer(FUND_ACCOUNT, account, currency, paid, TransferCode.FUND_TOKEN_RETURNED, member)
        context.touched_accounts.add(account)
        cause = ReturnCause.TOKEN_LEFT_GROUP
        context.receipts.append(FundReturned(member, account, currency, paid, left, record.required, cause, given_up))


def collect_contribution_calls(context: BlockContext) -> None:
    """Phase 11, before defaults: collect what is due. `update_fund` of the same block finds the next review height."""
    size = current_fund_size(context.state)
    if not size.next_review_height or context.block.height < size.next_review_height:
        return
    parts = context.state.contributions.ordered()
    due = [part for part in parts if part[1].reduction_started or 0 < part[1].deadline <= context.block.height]
    if due and not can_members_pay(context.state):
        _extend_calls(context, due)
        return
    own = own_accounts_by_member(context.state) if due else {}
    for member, record in due:
        _collect_call(context, member, record, own.get(member, ()))


def _extend_calls(context: BlockContext, due: list[tuple[int, ContributionRecord]]) -> None:
    """Extend calls that nobody can pay, because no token of the fund's cash group is left."""
    later = context.block.height + context.terms.crisis.fund.call_blocks
    for member, record in due:
        context.state.contributions.put(member, msgspec.structs.replace(record, deadline=later))


def _collect_call(
    context: BlockContext, member: int, contribution: ContributionRecord, own_accounts: tuple[int, ...]
) -> None:
    """Debit what is available. For what is missing, restrict the member or report it as failed."""
    state, terms = context.state, context.terms.crisis.fund
    if not is_contributing(state, member):
        state.contributions.put(
            member, msgspec.structs.replace(contribution, called=0, deadline=0, reduction_started=False)
        )
        return
    if own_accounts and contribution.account not in own_accounts:  # closed meanwhile
        contribution = msgspec.structs.replace(contribution, account=own_accounts[0])
    payers = sorted(own_accounts, key=lambda account: (account != contribution.account, account))
    contribution = _debit_accounts(context, member, contribution, payers)
    first = terms.grace_blocks > 0 and not contribution.lapsed
    if contribution.called and _call_expired(context, contribution) and _could_pay(context, contribution, payers):
        state.contributions.put(member, msgspec.structs.replace(contribution, deadline=context.block.height + 1))
        return
    if contribution.called and payers and not first and (contribution.reduction_started or terms.reduce_blocks):
        contribution = _reduce_forcibly(context, member, contribution, payers)
    if not contribution.called or not _call_expired(context, contribution):
        return
    deadline = context.block.height + (terms.grace_blocks if first else terms.call_blocks)
    contribution = msgspec.structs.replace(contribution, lapsed=True, deadline=deadline, reduction_started=False)
    state.contributions.put(member, contribution)
    context.receipts.append(
        FundPaid(NOT_REQUESTED, member, contribution.account, 0, contribution.micros, contribution.called, lapsed=True)
    )
    restrict_member(context, member)
    if payers and not first and context.terms.crisis.default.enabled:
        context.failures.append(Failure(contribution.account, FailureReason.CALL_LAPSED))


def _call_expired(context: BlockContext, contribution: ContributionRecord) -> bool:
    return context.block.height >= contribution.deadline


def _could_pay(context: BlockContext, contribution: ContributionRecord, own: list[int]) -> bool:
    return sum(possible_free_cash(context, account) for account in own) >= contribution.called


def _reduce_forcibly(
    context: BlockContext, member: int, contribution: ContributionRecord, own: list[int]
) -> ContributionRecord:
    """Debit what is missing and sell positions for it. When nothing is left to sell, the deadline is now."""
    contribution = _reduce_member(
        context,
        member,
        contribution if contribution.reduction_started else _begin_reduction(context, member, contribution),
        own,
    )
    if contribution.called:
        restrict_member(context, member)
        if not _is_reducible(context, own):
            contribution = msgspec.structs.replace(contribution, deadline=context.block.height)
    return contribution


def _debit_accounts(
    context: BlockContext, member: int, contribution: ContributionRecord, own: list[int]
) -> ContributionRecord:
    """Debit the member's paying account, then its other own accounts, lowest first; `own` is in this order."""
    for account in own:
        micros = min(certain_free_cash(context, account), contribution.called)
        if micros:
            after = move_into_fund(context, member, msgspec.structs.replace(contribution, account=account), micros)
            contribution = msgspec.structs.replace(after, account=contribution.account)
            context.state.contributions.put(member, contribution)
    return contribution


def _begin_reduction(context: BlockContext, member: int, contribution: ContributionRecord) -> ContributionRecord:
    """The grace period has ended: from now on debit and sell until the reported height."""
    until = context.block.height + context.terms.crisis.fund.reduce_blocks
    contribution = msgspec.structs.replace(contribution, lapsed=True, reduction_started=True, deadline=until)
    context.state.contributions.put(member, contribution)
    context.receipts.append(
        FundReductionStarted(member, contribution.account, contribution.called, contribution.micros, until)
    )
    return contribution


def _reduce_member(
    context: BlockContext, member: int, contribution: ContributionRecord, own: list[int]
) -> ContributionRecord:
    """One block of reduction of a member's own accounts, in the order in which they pay. Returns the
    contribution after it."""
    for account in own:
        contribution = _debit_above_maintenance(context, member, contribution, account)
    for account in own:
        holdings = current_holdings(context.state, account)
        margin = holdings_margin(current_arrays(context.state), holdings)
        if not margin.initial_ok or exceeds_cash_limit(context, holdings.cash):
            call_margin(context, account, margin)
        if not margin.initial_ok:
            _open_reduction_sale(context, account, holdings, margin)
    return contribution


def _is_reducible(context: BlockContext, own: list[int]) -> bool:
    """Whether positions are left to sell, or prices to wait for that are not open."""
    return any(
        any(holdings.lots) or has_unpriced_holdings(context, holdings)
        for holdings in (current_holdings(context.state, account) for account in own)
    )


def _debit_above_maintenance(
    context: BlockContext, member: int, contribution: ContributionRecord, account: int
) -> ContributionRecord:
    """Debit everything above maintenance margin; where the account has no cash for it, it owes it."""
    margin = certain_margin(context, account)
    if margin is None:
        return contribution
    micros = min(margin.equity - margin.maintenance, contribution.called)
    if micros <= 0:
        return contribution
    receipt_values = (member, account, micros, contribution.called, margin.equity, margin.initial, margin.maintenance)
    context.receipts.append(FundDebited(*receipt_values))
    after = move_into_fund(context, member, msgspec.structs.replace(contribution, account=account), micros)
    contribution = msgspec.structs.replace(after, account=contribution.account)
    context.state.contributions.put(member, contribution)
    return contribution


def _open_reduction_sale(context: BlockContext, account: int, holdings: Holdings, margin: AccountMargin) -> None:
    """Open a sale of an account's positions until it is back at initial margin, unless one is open."""
    under_way = account in context.state.liquidations or certain_margin(context, account) is None
    if not under_way and any(holdings.lots) and may_liquidate(context, holdings):
        open_sale(context, account, holdings, margin)
