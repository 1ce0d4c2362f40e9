"""Contributions to the default fund: each member's paid-in amount, payments, draws, and the next review.

Rule: only this module changes a contribution, by the journal and with a receipt. A contribution never falls below zero.
A payment passes the checks of a withdrawal: the account owns the money, and initial margin is covered afterwards. Only
the member's own money is used, and at most the shortfall of its contribution. A draw is credited to the house account,
which bears the loss. This module must not know the order of draws.
"""

import msgspec

from clearing.base.errors import Bug, Rejected
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import MONEY_MAX
from clearing.collateral.cash_tokens import cash_tokens
from clearing.context.block_context import BlockContext
from clearing.context.member_status import (
    check_member_active,
    check_restriction,
    is_in_default,
    lift_member_restriction,
    member_status,
    own_accounts_by_member,
)
from clearing.context.request_checks import check_request, use_nonce
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.prices.price_status import is_settled_for_good
from clearing.prices.stale_options import margin_at_floor
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.default_fund import NOT_REQUESTED, FundCalled, FundDrawn, FundPaid
from clearing.schema.records.default import ContributionRecord, FundSizeRecord, MemberStatus
from clearing.schema.records.prices import FeedStatus
from clearing.schema.requests.default import FundContribution
from clearing.schema.terms.genesis import AccountKind
from clearing.schema.transfers import TransferCode
from clearing.settlement.mark_to_market import notional_micros
from clearing.state.holdings import Holdings, current_arrays, current_holdings, feed_status, holdings_margin
from clearing.state.ledger import FUND_ACCOUNT, can_hold, cash_currency, soft_credit_of
from clearing.state.state import State
from clearing.withdrawals.inflow_delay import check_inflow
from clearing.withdrawals.permission import check_can_leave

NO_FUND_SIZE = FundSizeRecord(epoch=0, height=0, target=0, recent_sizes=(), cash_group=0)


def current_fund_size(state: State) -> FundSizeRecord:
    """The last sizing; an empty one before the first."""
    return state.fund_sizes.get(0) or NO_FUND_SIZE


def fund_currency(state: State) -> int:
    """The currency of the present contributions."""
    return cash_currency(current_fund_size(state).cash_group)


def can_members_pay(state: State) -> bool:
    """Whether a token of the fund's cash group is left; otherwise nobody could pay a call, and calls wait."""
    group = current_fund_size(state).cash_group
    return group in state.terms.cash_groups and bool(cash_tokens(state, group))


def is_contributing(state: State, member: int) -> bool:
    """Whether a member contributes, is called and is paid back: it is neither in default nor defaulted, and
    has not left."""
    return member_status(state, member) in (MemberStatus.ACTIVE, MemberStatus.RESTRICTED)


def contribution_account(state: State, member: int, preferred: int = 0) -> int | None:
    """The account that pays a member's contribution and receives returns: `preferred` while it is its own, else its
    lowest.

    Linear in the accounts without a preferred one. None where it has only clients' accounts, or none at all.
    """
    if preferred and _is_own_account(state, member, preferred):
        return preferred
    return lowest_own_accounts(state).get(member)


def lowest_own_accounts(state: State) -> dict[int, int]:
    """The lowest own account of each member with at least one; linear in the accounts."""
    return {member: accounts[0] for member, accounts in own_accounts_by_member(state).items()}


def _is_own_account(state: State, member: int, account: int) -> bool:
    record = state.accounts.get(account)
    is_own = record is not None and record.member == member and record.kind is AccountKind.HOUSE
    return is_own and can_hold(state, account)


def call_contribution(
    context: BlockContext,
    member: int,
    contribution: ContributionRecord,
    micros: int,
    deadline: int,
    *,
    replenishment: bool = False,
) -> None:
    """Record a call of `micros`, schedule its deadline, and report it."""
    called = msgspec.structs.replace(contribution, called=micros, deadline=deadline, reduction_started=False)
    context.state.contributions.put(member, called)
    schedule_review(context.state, deadline)
    context.receipts.append(
        FundCalled(
            member, contribution.account, micros, contribution.required, contribution.micros, deadline, replenishment
        )
    )


def schedule_review(state: State, height: int) -> None:
    """Schedule a review of the fund at this height at the latest."""
    size = current_fund_size(state)
    if height and (not size.next_review_height or height < size.next_review_height):
        state.fund_sizes.put(0, msgspec.structs.replace(size, next_review_height=height))


def update_next_review(context: BlockContext) -> None:
    """Find the height of the next review, after everything due was done."""
    state = context.state
    due: list[int] = []
    for _, record in state.contributions.ordered():
        due += (context.block.height + 1 if record.reduction_started else record.deadline, record.return_height)
    nearest = max(min((height for height in due if height), default=0), context.block.height + 1) if any(due) else 0
    size = current_fund_size(state)
    if size.next_review_height != nearest:
        state.fund_sizes.put(0, msgspec.structs.replace(size, next_review_height=nearest))


def contribution_micros(state: State, member: int) -> int:
    """A member's contribution in micros, including what is about to be returned."""
    record = state.contributions.get(member)
    return record.micros if record else 0


def required_contribution(state: State, member: int) -> int:
    """A member's required contribution in micros; 0 before the first sizing. In default it is unchanged."""
    record = state.contributions.get(member)
    return record.required if record else 0


def contributing_and_owing(state: State) -> tuple[int, ...]:
    """Members with a contribution or a required one, in order; in default or not."""
    return tuple(member for member, _ in state.contributions.ordered())


def draw_contribution(context: BlockContext, member: int, micros: int, cause: int) -> None:
    """Draw on a member's contribution to bear a loss; the cash goes to the house account. `cause`: the defaulter's id.

    Raises Bug for more than the contribution, or a negative amount.
    """
    record = context.state.contributions.get(member)
    if record is None or not 0 <= micros <= record.micros:
        raise Bug(f"draw of {micros} on the contribution {record.micros if record else 0} of member {member}")
    if not micros:
        return
    left = record.micros - micros
    context.journal.transfer(
        FUND_ACCOUNT, HOUSE_ACCOUNT, fund_currency(context.state), micros, TransferCode.FUND_DRAWN, cause
    )
    context.state.contributions.put(member, msgspec.structs.replace(record, micros=left))
    context.touched_accounts.add(HOUSE_ACCOUNT)
    context.receipts.append(FundDrawn(member, record.account, micros, left, cause))


def call_replenishment(context: BlockContext, member: int, micros: int, deadline_height: int) -> int:
    """Call a member for what is missing of its contribution, up to `micros`. Returns its open call.

    An open call of at least that much stays; otherwise everything is due at the new deadline. Nobody is called while no
    token of the fund's cash group is left, nor a member that no longer contributes.
    """
    record = context.state.contributions.get(member)
    missing = min(max(record.required - record.micros, 0), micros) if record else 0
    if record is None or not is_contributing(context.state, member):
        return 0
    if missing <= record.called or not can_members_pay(context.state):
        return record.called
    call_contribution(context, member, record, missing, deadline_height, replenishment=True)
    return missing


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
    leaving = fund_currency(context.state), micros
    # Returns may go to another of the member's accounts, where nothing would wait.
    refusal = check_can_leave(context, at, account, *leaving) or check_inflow(context, at, account, leaving)
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
    if not at_best:
        return own_cash, margin_at_floor(context, own)
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
