"""Margin calls: every account that the block touched is checked, called, and liquidated when its time is over.

Rule: an account below initial margin is called, also for what the losses of a default took from it. Below its trigger,
or when it owes more cash than the limit, it is liquidated after its deadline, largest shortfall first, up to a cap per
block. Called accounts are checked in every block. Calls and deadlines count long options whose surface is too old at
their floor (`clearing.prices.stale_options`); what is liquidated is below its trigger at the mark, too. The house's own
account is called like any other and never liquidated. Own accounts of a member in default belong to `clearing.default`.
"""

import msgspec

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext
from clearing.context.member_status import is_in_default
from clearing.liquidation.stages import close_liquidation, is_for_default, liquidate_account, pause_liquidation
from clearing.liquidation.takeover import may_liquidate
from clearing.liquidation.trigger import Congestion, call_trigger, current_congestion
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.margin.requirement.margin_book import MarginBook
from clearing.margin_calls.cash_calls import advance_cash_call, exceeds_cash_limit
from clearing.margin_calls.deadlines import advance_call, is_urgent, meet_call
from clearing.margin_calls.early_calls import check_early_calls
from clearing.prices.stale_options import margin_for_calls, margins_for_calls
from clearing.schema.receipts.margin_calls import MarginCalled, MarginRestored
from clearing.schema.records.margin_calls import CallKind
from clearing.state.holdings import (
    Holdings,
    current_arrays,
    current_holdings,
    holdings_margin,
    margin_book,
    positions_of,
)
from clearing.state.indexes import CALLED_ACCOUNTS, holders, set_holder


def check_margins(context: BlockContext) -> None:
    """Check all touched and called accounts: call, call early, and liquidate those whose time is over."""
    book = margin_book(context.state)
    called = [holder for holder in holders(context.state, CALLED_ACCOUNTS, 0) if holder in book]
    remargined = set(book.remargin())
    others = context.touched_accounts.difference(remargined)
    checked = sorted(remargined.union(called, (account for account in others if account in book)))
    due = _check_all(context, book, checked, called)
    due.sort(key=lambda item: (-item[0], item[1]))
    for _, account, holdings, margin in due:
        is_full = context.liquidation_budget.accounts >= context.terms.market.liquidations_per_block
        if is_full and not is_for_default(context, margin):
            continue
        left = liquidate_account(context, account, holdings, margin)
        after = margin if left is holdings else holdings_margin(current_arrays(context.state), left)
        counted = margin_for_calls(context.state, account, after, left)
        if counted.initial_ok:
            _end_calls(context, account, counted)
        elif after.initial_ok:
            close_liquidation(context, account, after, failed=False)


def call_after_losses(context: BlockContext) -> None:
    """Call the accounts that losses after `check_margins` left below initial margin; the next block checks them first.

    A later block would not look at them by itself: an account without positions is touched by no price.
    """
    book = margin_book(context.state)
    remargined = book.remargin()
    at_floor = margins_for_calls(context.state, book, remargined)
    for account in sorted({*book.short(remargined, context.terms.risk.cash_limit_micros), *at_floor}):
        if not is_in_default(context.state, account):
            call_margin(context, account, at_floor.get(account) or book.margin(account))


def _check_all(
    context: BlockContext, book: MarginBook, checked: list[int], called: list[int]
) -> list[tuple[int, int, Holdings, AccountMargin]]:
    """Open and end calls. Returns the accounts to be liquidated, with their shortfall to maintenance."""
    congestion = current_congestion(context)
    at_floor = margins_for_calls(context.state, book, checked)
    short = set(book.short(checked, context.terms.risk.cash_limit_micros)).union(at_floor)
    due = []
    for account in sorted(short.union(called)):
        if is_in_default(context.state, account):
            continue
        margin = book.margin(account)
        counted = at_floor.get(account, margin)
        if account not in short:
            _end_calls(context, account, margin)
            continue
        call_margin(context, account, counted)
        holdings = current_holdings(context.state, account)
        cash_due = exceeds_cash_limit(context, holdings.cash) and not advance_cash_call(context, account, holdings)
        margin_due = _is_margin_due(context, account, margin, counted, congestion)
        if not cash_due and margin.initial_ok and account in at_floor:  # the mark covers it: it is called, not sold
            close_liquidation(context, account, margin, failed=False)
            continue
        if not (cash_due or margin_due or account in context.state.liquidations):
            continue
        if may_liquidate(context, holdings):
            due.append((_maintenance_shortfall(context, margin), account, holdings, margin))
        else:
            pause_liquidation(context, account, holdings, margin)
    check_early_calls(context, book, checked, congestion)
    return due


def _is_margin_due(
    context: BlockContext, account: int, margin: AccountMargin, counted: AccountMargin, congestion: Congestion
) -> bool:
    """Advance the account's deadline at the margin that counts for calls. Returns whether its time is over, and the
    mark itself is below the trigger."""
    trigger = call_trigger(context, counted, congestion)
    if counted.equity >= trigger:
        return False
    urgent = is_urgent(context, margin)
    is_over = advance_call(context, account, counted, trigger, congestion, urgent=urgent)
    return is_over and margin.equity < call_trigger(context, margin, congestion)


def _maintenance_shortfall(context: BlockContext, margin: AccountMargin) -> int:
    """Shortfall to maintenance, in micros times the maintenance denominator."""
    risk = context.terms.risk
    return risk.maintenance_numerator * margin.initial - risk.maintenance_denominator * margin.equity


def _end_calls(context: BlockContext, account: int, margin: AccountMargin) -> None:
    """End the calls and the liquidation of an account that is at initial margin again."""
    close_liquidation(context, account, margin, failed=False)
    _withdraw_margin_call(context, account, margin)
    if not _is_early_call(context, account):
        meet_call(context, account, margin)


def _is_early_call(context: BlockContext, account: int) -> bool:
    call = context.state.margin_calls.get(account)
    return call is not None and call.kind is CallKind.EARLY


def call_margin(context: BlockContext, account: int, margin: AccountMargin) -> None:
    """Call an account that is not called yet."""
    record = context.state.accounts[account]
    if record.called_height == 0:
        context.state.accounts.put(account, msgspec.structs.replace(record, called_height=context.block.height))
        set_holder(context.state, CALLED_ACCOUNTS, 0, account, holds=True)
        context.receipts.append(MarginCalled(account, margin.equity, margin.initial, margin.maintenance))


def _withdraw_margin_call(context: BlockContext, account: int, margin: AccountMargin) -> None:
    """Withdraw the call of a called account."""
    record = context.state.accounts[account]
    if record.called_height != 0:
        context.state.accounts.put(account, msgspec.structs.replace(record, called_height=0))
        set_holder(context.state, CALLED_ACCOUNTS, 0, account, holds=False)
        context.receipts.append(MarginRestored(account, margin.equity, margin.initial))


def check_house_margin(context: BlockContext) -> None:
    """Call the house when its capital does not cover the initial margin of its positions; withdraw the call
    when it does."""
    record = context.state.accounts[HOUSE_ACCOUNT]
    if not positions_of(context.state, HOUSE_ACCOUNT).lots and not record.called_height:
        return
    at_mark = holdings_margin(current_arrays(context.state), current_holdings(context.state, HOUSE_ACCOUNT))
    margin = margin_for_calls(context.state, HOUSE_ACCOUNT, at_mark)
    (_withdraw_margin_call if margin.initial_ok else call_margin)(context, HOUSE_ACCOUNT, margin)
