"""Paying into the default fund: a member's request, and what the house may take at a deadline.

Rule: the gates of a withdrawal: what leaves is the account's own, and initial margin is covered afterwards. Only the
member's own money, and no more than is missing to its part.
"""

import msgspec

from clearing.accounts.kinds import AccountKind
from clearing.base.errors import Rejected
from clearing.base.units import MONEY_MAX
from clearing.codes import ClearingCode, reject
from clearing.collateral.soft_credit import lent
from clearing.default.status import check_member, is_in_default, lift_restriction
from clearing.fund.parts import fund_currency, size_in_force
from clearing.fund.receipts import NOT_REQUESTED, FundPaid
from clearing.fund.records import Contribution
from clearing.fund.requests import FundContribution
from clearing.holdings import arrays_of, feed_status, feeds_of, holdings_of, margin_of
from clearing.ledger import FUND_ACCOUNT
from clearing.prices.degradation import is_dead
from clearing.prices.receipts import FeedStatus
from clearing.receipts import TransferCode
from clearing.requests import check_account, check_nonce, check_owner, check_time, use_nonce
from clearing.run import Run
from clearing.withdrawals import check_leaving


def contribute(run: Run, index: int, request: FundContribution) -> Rejected | None:
    """Move cash into the fund, or refuse and change nothing."""
    at, account, micros = "fund_contribution", request.account, request.micros
    if not 0 < micros <= MONEY_MAX:
        return reject(ClearingCode.BAD_SIZE, at, micros=micros)
    if not size_in_force(run.state).cash_group:
        return reject(ClearingCode.NO_FUND, at, account=account)
    refusal = (
        check_time(run, at, request.not_after_ms)
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
        return check_member(run, at, account)
    record = run.state.contributions.get(owner.member)
    missing = max(record.required - record.micros, 0) if record else 0
    if record is None or micros > missing:
        return reject(ClearingCode.CONTRIBUTION_NOT_OWED, at, member=owner.member, micros=micros, missing=missing)
    refusal = check_leaving(run, at, account, fund_currency(run.state), micros)
    if refusal is not None:
        return refusal
    use_nonce(run, account, request.nonce)
    pay_in(run, owner.member, msgspec.structs.replace(record, account=account), micros, index)
    return None


def pay_in(run: Run, member: int, record: Contribution, micros: int, index: int = NOT_REQUESTED) -> Contribution:
    """Move what was checked from the account of `record` into the fund; the record afterwards."""
    currency = fund_currency(run.state)
    run.journal.transfer(record.account, FUND_ACCOUNT, currency, micros, TransferCode.FUND_CONTRIBUTION, member)
    run.touched.add(record.account)
    missing = max(record.called - micros, 0)
    after = msgspec.structs.replace(
        record,
        micros=record.micros + micros,
        called=missing,
        deadline=record.deadline if missing else 0,
        lapsed=record.lapsed and missing > 0,
    )
    run.state.contributions.put(member, after)
    run.receipts.append(FundPaid(index, member, record.account, micros, after.micros, missing))
    if record.lapsed and not missing:
        lift_restriction(run, member)
    return after


def free_cash(run: Run, account: int) -> int:
    """What an account can let go of at most: its own cash of the fund's group, above its initial margin."""
    state, currency = run.state, fund_currency(run.state)
    own = holdings_of(state, account)
    loans = [lent(state, account, group) for group in run.terms.cash_groups]
    own.cash = [cash - loan for cash, loan in zip(own.cash, loans, strict=True)]
    margin = margin_of(arrays_of(state), own)
    have = own.cash[run.terms.cash_groups.index(currency)]
    most = max(min(have, margin.equity - margin.initial), 0)
    # What else holds money back: a restriction, prices that are not open.
    refusal = check_leaving(run, "fund_call", account, currency, most) if most else None
    return 0 if refusal is not None else most


def waits_for_prices(run: Run, account: int) -> bool:
    """Whether nobody can tell what of the account's cash is free, because a price is stale or halted and not dead."""
    state, own = run.state, holdings_of(run.state, account)
    if not any(own.lots) and all(cash >= 0 for cash in own.cash):
        return False
    feeds = feeds_of(state, own)
    return any(feed_status(state, feed) != FeedStatus.OPEN and not is_dead(state, feed) for feed in feeds)
