"""Paying into the default fund: a member's request, and what the house may take at a deadline.

Rule: the gates of a withdrawal: what leaves is the account's own, and initial margin is covered afterwards. Only the
member's own money, and no more than is missing to its part.
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
from clearing.context.request_checks import check_account, check_expiry, check_nonce, check_owner, use_nonce
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


def pay_contribution(run: BlockContext, index: int, request: FundContribution) -> Rejected | None:
    """Move cash into the fund, or refuse and change nothing."""
    at, account, micros = "fund_contribution", request.account, request.micros
    if not 0 < micros <= MONEY_MAX:
        return reject(ClearingCode.BAD_SIZE, at, micros=micros)
    if not current_fund_size(run.state).cash_group:
        return reject(ClearingCode.NO_FUND, at, account=account)
    refusal = (
        check_expiry(run, at, request.not_after_ms)
        or check_account(run, at, account)
        or check_nonce(run, at, account, request.nonce)
        or check_owner(run, at, account, request.digest(run.terms.network), request.signature)
    )
    if refusal is not None:
        return refusal
    owner = run.state.accounts[account]
    if owner.kind is not AccountKind.HOUSE:
        return reject(ClearingCode.CONTRIBUTION_OF_CLIENT_MONEY, at, account=account)
    if is_in_default(run.state, account):
        return check_member_active(run, at, account)
    record = run.state.contributions.get(owner.member)
    missing = max(record.required - record.micros, 0) if record else 0
    if record is None or micros > missing:
        return reject(ClearingCode.CONTRIBUTION_NOT_OWED, at, member=owner.member, micros=micros, missing=missing)
    refusal = check_can_leave(run, at, account, fund_currency(run.state), micros)
    if refusal is not None:
        return refusal
    use_nonce(run, account, request.nonce)
    move_into_fund(run, owner.member, msgspec.structs.replace(record, account=account), micros, index)
    return None


def move_into_fund(
    run: BlockContext, member: int, record: ContributionRecord, micros: int, index: int = NOT_REQUESTED
) -> ContributionRecord:
    """Move what was checked from the account of `record` into the fund; the record afterwards."""
    currency = fund_currency(run.state)
    run.journal.transfer(record.account, FUND_ACCOUNT, currency, micros, TransferCode.FUND_CONTRIBUTION, member)
    run.touched_accounts.add(record.account)
    missing = max(record.called - micros, 0)
    after = msgspec.structs.replace(
        record,
        micros=record.micros + micros,
        called=missing,
        deadline=record.deadline if missing else 0,
        lapsed=record.lapsed and missing > 0,
        reducing=record.reduction_started and missing > 0,
    )
    run.state.contributions.put(member, after)
    run.receipts.append(FundPaid(index, member, record.account, micros, after.micros, missing))
    if record.lapsed and not missing:
        lift_member_restriction(run, member)
    return after


def certain_free_cash(run: BlockContext, account: int) -> int:
    """What an account can let go of for certain: its own cash of the fund's group, above its initial margin.

    What has no open price may turn out at its worst: tokens count for nothing, positions lose their notional.
    """
    return _free_micros(run, account, at_best=False)


def possible_free_cash(run: BlockContext, account: int) -> int:
    """The same, were what has no open price to turn out well: tokens at their last value, positions a notional up."""
    return _free_micros(run, account, at_best=True)


def certain_margin(run: BlockContext, account: int) -> AccountMargin | None:
    """What an account is worth at least, without what is lent to it; None where nothing may be taken of it."""
    found = _valued_cash_and_margin(run, account, at_best=False)
    return found[1] if found else None


def _free_micros(run: BlockContext, account: int, *, at_best: bool) -> int:
    found = _valued_cash_and_margin(run, account, at_best=at_best)
    return max(min(found[0], found[1].equity - found[1].initial), 0) if found else 0


def _valued_cash_and_margin(run: BlockContext, account: int, *, at_best: bool) -> tuple[int, AccountMargin] | None:
    """Own cash of the fund's group, and the margin with something certain in place of what is not priced."""
    if check_restriction(run, "fund_call", account) is not None:
        return None
    state, currency = run.state, fund_currency(run.state)
    own = current_holdings(state, account)
    loans = [soft_credit_of(state, account, group) for group in run.terms.cash_groups]
    own.cash = [cash - loan for cash, loan in zip(own.cash, loans, strict=True)]
    have = own.cash[run.terms.cash_groups.index(currency)]
    _value_unpriced(run, own, at_best=at_best)
    return have, holdings_margin(current_arrays(state), own)


def _value_unpriced(run: BlockContext, own: Holdings, *, at_best: bool) -> None:
    """Put something certain in place of what is priced by a feed that is not open. A dead feed prices nothing."""
    for at, instrument in enumerate(run.terms.instruments.values()):
        if own.lots[at] and _is_closed(run, instrument.feed):
            ticks = max(run.state.feeds[instrument.feed].ticks, instrument.strike_ticks)
            worth = notional_micros(instrument, own.lots[at], ticks)
            own.cash[run.terms.cash_groups.index(instrument.cash_group)] += worth if at_best else -worth
            own.lots[at] = 0
    for at, token in enumerate(run.terms.tokens):
        if not at_best and any(_is_closed(run, feed) for feed in token.feeds):
            own.tokens[at] = 0


def _is_closed(run: BlockContext, feed: int) -> bool:
    return feed_status(run.state, feed) != FeedStatus.OPEN and not is_settled_for_good(run.state, feed)
