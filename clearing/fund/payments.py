"""Paying into the default fund: a member's request.

Rule: the gates of a withdrawal: what leaves is the account's own, and initial margin is covered afterwards. Only the
member's own money, and no more than is missing to its part.
"""

import msgspec

from clearing.accounts.kinds import AccountKind
from clearing.base.errors import Rejected
from clearing.base.units import MONEY_MAX
from clearing.codes import ClearingCode, reject
from clearing.fund.receipts import NOT_REQUESTED, FundPaid
from clearing.fund.records import Contribution
from clearing.fund.requests import FundContribution
from clearing.ledger import FUND_ACCOUNT, cash_currency
from clearing.receipts import TransferCode
from clearing.requests import check_account, check_nonce, check_owner, check_time, use_nonce
from clearing.run import Run
from clearing.withdrawals import check_leaving


def contribute(run: Run, index: int, request: FundContribution) -> Rejected | None:
    """Move cash into the fund, or refuse and change nothing."""
    at, account, micros = "fund_contribution", request.account, request.micros
    if not 0 < micros <= MONEY_MAX:
        return reject(ClearingCode.BAD_SIZE, at, micros=micros)
    group = run.terms.crisis.fund.cash_group
    if not group:
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
    record = run.state.contributions.get(owner.member)
    missing = max(record.required - record.micros, 0) if record else 0
    if record is None or micros > missing:
        return reject(ClearingCode.CONTRIBUTION_NOT_OWED, at, member=owner.member, micros=micros, missing=missing)
    refusal = check_leaving(run, at, account, cash_currency(group), micros)
    if refusal is not None:
        return refusal
    use_nonce(run, account, request.nonce)
    pay_in(run, owner.member, msgspec.structs.replace(record, account=account), micros, index)
    return None


def pay_in(run: Run, member: int, record: Contribution, micros: int, index: int = NOT_REQUESTED) -> Contribution:
    """Move what was checked from the account of `record` into the fund; the record afterwards."""
    currency = cash_currency(run.terms.crisis.fund.cash_group)
    run.journal.transfer(record.account, FUND_ACCOUNT, currency, micros, TransferCode.FUND_CONTRIBUTION, member)
    run.touched.add(record.account)
    missing = max(record.called - micros, 0)
    after = msgspec.structs.replace(
        record, micros=record.micros + micros, called=missing, deadline=record.deadline if missing else 0
    )
    run.state.contributions.put(member, after)
    run.receipts.append(FundPaid(index, member, record.account, micros, after.micros, missing))
    return after
