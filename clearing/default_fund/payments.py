"""Payments into the default fund: a member's request, and what the house may debit at a deadline.

Rule: the checks of a withdrawal: the account owns the money, and initial margin is covered afterwards. Only the
member's own money, and at most what is missing of its contribution.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.base.units import MONEY_MAX
from clearing.context.block_context import BlockContext
from clearing.context.member_status import (
    check_member_active,
    check_restriction,
    is_in_default,
    lift_member_restriction,
)
from clearing.context.request_checks import check_request, use_nonce
from clearing.default_fund.contributions import current_fund_size, fund_currency
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.prices.price_status import is_settled_for_good
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.default_fund import NOT_REQUESTED, FundPaid
from clearing.schema.records.default import ContributionRecord
from clearing.schema.records.prices import FeedStatus
from clearing.schema.requests.default import FundContribution
from clearing.schema.terms.genesis import AccountKind
from clearing.schema.transfers import TransferCode
from clearing.settlement.mark_to_market import notional_micros
from clearing.state.holdings import Holdings, current_arrays, current_holdings, feed_status, holdings_margin
from clearing.state.ledger import FUND_ACCOUNT, soft_credit_of
from clearing.withdrawals.requests import check_can_leave


def pay_contribution(context: BlockContext, index: int, request: FundContribution) -> Rejected | None:
    """Move cash into the fund, or refuse and change nothing."""
    at, account, micros = "fund_contribution", request.account, request.micros
    if not 0 < micros <= MONEY_MAX:
        return reject(ClearingCode.BAD_SIZE, at, micros=micros)
    if not current_fund_size(context.state).cash_group:
        return reject(ClearingCode.NO_FUND, at, account=account)
    refusal = check_request(context, at, request)
    if refusal is not None:
        return refusal
    owner = context.state.accounts[account]
    if owner.kind is not AccountKind.HOUSE:
        return reject(ClearingCode.CONTRIBUTION_OF_CLIENT_MONEY, at, account=account)
    if is_in_default(context.state, account):
        return check_member_active(context, at, account)
    record = context.state.contributions.get(owner.member)
    missing = max(record.required - record.micros, 0) if record else 0
    if record is None or micros > missing:
        return reject(ClearingCode.CONTRIBUTION_NOT_OWED, at, member=owner.member, micros=micros, missing=missing)
    refusal = check_can_leave(context, at, account, fund_currency(context.state), micros)
    if refusal is not None:
        return refusal
    use_nonce(context, account, request.nonce)
    move_into_fund(context, owner.member, msgspec.structs.replace(record, account=account), micros, index)
    return None


def move_into_fund(
    context: BlockContext, member: int, contribution: ContributionRecord, micros: int, index: int = NOT_REQUESTED
) -> ContributionRecord:
    """Move a checked amount from the contribution's account into the fund. Returns the contribution afterwards."""
    currency = fund_currency(context.state)
    context.journal.transfer(
        contribution.account, FUND_ACCOUNT, currency, micros, TransferCode.FUND_CONTRIBUTION, member
    )
    context.touched_accounts.add(contribution.account)
    missing = max(contribution.called - micros, 0)
    after = msgspec.structs.replace(
        contribution,
        micros=contribution.micros + micros,
        called=missing,
        deadline=contribution.deadline if missing else 0,
        lapsed=contribution.lapsed and missing > 0,
        reduction_started=contribution.reduction_started and missing > 0,
    )
    context.state.contributions.put(member, after)
    context.receipts.append(FundPaid(index, member, contribution.account, micros, after.micros, missing))
    if contribution.lapsed and not missing:
        lift_member_restriction(context, member)
    return after


def certain_free_cash(context: BlockContext, account: int) -> int:
    """What an account can certainly give: its own cash of the fund's group, above its initial margin.

    Holdings without an open price count at their worst: tokens at zero, positions at a loss of their notional.
    """
    return _free_micros(context, account, at_best=False)


def possible_free_cash(context: BlockContext, account: int) -> int:
    """The same at best: tokens without an open price at their last value, positions at a gain of their notional."""
    return _free_micros(context, account, at_best=True)


def certain_margin(context: BlockContext, account: int) -> AccountMargin | None:
    """The lowest possible margin of an account, without soft credit; None where nothing may be debited."""
    found = _valued_cash_and_margin(context, account, at_best=False)
    return found[1] if found else None


def _free_micros(context: BlockContext, account: int, *, at_best: bool) -> int:
    found = _valued_cash_and_margin(context, account, at_best=at_best)
    return max(min(found[0], found[1].equity - found[1].initial), 0) if found else 0


def _valued_cash_and_margin(context: BlockContext, account: int, *, at_best: bool) -> tuple[int, AccountMargin] | None:
    """Own cash of the fund's group, and the margin with bounds in place of what has no open price."""
    if check_restriction(context, "fund_call", account) is not None:
        return None
    state, currency = context.state, fund_currency(context.state)
    own = current_holdings(state, account)
    loans = [soft_credit_of(state, account, group) for group in context.terms.cash_groups]
    own.cash = [cash - loan for cash, loan in zip(own.cash, loans, strict=True)]
    own_cash = own.cash[context.terms.cash_groups.index(currency)]
    _value_unpriced(context, own, at_best=at_best)
    return own_cash, holdings_margin(current_arrays(state), own)


def _value_unpriced(context: BlockContext, holdings: Holdings, *, at_best: bool) -> None:
    """Replace holdings without an open price by a certain bound. A settled feed prices nothing."""
    for at, instrument in enumerate(context.terms.instruments.values()):
        if holdings.lots[at] and _is_closed(context, instrument.feed):
            ticks = max(context.state.feeds[instrument.feed].ticks, instrument.strike_ticks)
            notional = notional_micros(instrument, holdings.lots[at], ticks)
            holdings.cash[context.terms.cash_groups.index(instrument.cash_group)] += notional if at_best else -notional
            holdings.lots[at] = 0
    for at, token in enumerate(context.terms.tokens):
        if not at_best and any(_is_closed(context, feed) for feed in token.feeds):
            holdings.tokens[at] = 0


def _is_closed(context: BlockContext, feed: int) -> bool:
    return feed_status(context.state, feed) != FeedStatus.OPEN and not is_settled_for_good(context.state, feed)
