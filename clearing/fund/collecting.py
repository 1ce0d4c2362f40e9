"""Contributions before defaults are looked at: parts follow the cash that they are, and calls run out.

Rule: at its deadline a call takes what the member's own account can let go of; what is then missing restricts the
member for the grace that genesis gives, and after it is a failure like any, for default to take up.
"""

import msgspec

from clearing.base.units import allocate
from clearing.calls.failures import Failure, FailureReason
from clearing.default.status import restrict_member
from clearing.fund.parts import fund_currency, own_account, size_in_force, takes_part
from clearing.fund.payments import free_cash, pay_in
from clearing.fund.receipts import NOT_REQUESTED, FundPaid, FundReturned, ReturnCause
from clearing.fund.records import Contribution
from clearing.ledger import FUND_ACCOUNT, balance, token_currency
from clearing.receipts import TransferCode
from clearing.run import Run


def follow_cash(run: Run) -> None:
    """After a token has left the fund's cash group: every part gives up cash in proportion, and is paid the token."""
    state = run.state
    for token in run.terms.collateral_of.values():
        currency = token_currency(token.id)
        units = balance(state, FUND_ACCOUNT, currency)
        if units:
            _convert(run, currency, units)


def _convert(run: Run, currency: int, units: int) -> None:
    state = run.state
    parts = [(member, record) for member, record in state.contributions.ordered() if record.micros]
    micros = [record.micros for _, record in parts]
    lost = sum(micros) - balance(state, FUND_ACCOUNT, fund_currency(state))
    given_up = allocate(lost, micros)
    for (member, record), cut, paid in zip(parts, given_up, allocate(units, given_up), strict=True):
        account = own_account(state, member, record.account) or record.account
        after = msgspec.structs.replace(record, micros=record.micros - cut)
        state.contributions.put(member, after)
        run.journal.transfer(FUND_ACCOUNT, account, currency, paid, TransferCode.FUND_TOKEN_RETURNED, member)
        run.touched.add(account)
        run.receipts.append(
            FundReturned(
                member, account, currency, paid, after.micros, after.required, ReturnCause.TOKEN_LEFT_GROUP, cut
            )
        )


def collect_contributions(run: Run) -> None:
    """Step 6, before defaults: take what is due; `tend_fund` of the same block finds what is next."""
    size = size_in_force(run.state)
    if not size.next_height or run.block.height < size.next_height:
        return
    for member, record in list(run.state.contributions.ordered()):
        if record.deadline and run.block.height >= record.deadline:
            _collect(run, member, record)


def _collect(run: Run, member: int, record: Contribution) -> None:
    """Take what is there; restrict the member, or hand it on as failed, for what is not."""
    state, terms = run.state, run.terms.crisis.fund
    if not takes_part(state, member):
        state.contributions.put(member, msgspec.structs.replace(record, called=0, deadline=0))
        return
    account = own_account(state, member, record.account) or record.account
    record = msgspec.structs.replace(record, account=account)
    taken = min(free_cash(run, account), record.called)
    missing = record.called - taken
    if not missing:
        pay_in(run, member, record, taken)
        return
    if taken:
        record = pay_in(run, member, record, taken)
    first = terms.grace_blocks > 0 and not record.lapsed
    wait = terms.grace_blocks if first else terms.call_blocks
    state.contributions.put(member, msgspec.structs.replace(record, lapsed=True, deadline=run.block.height + wait))
    run.receipts.append(FundPaid(NOT_REQUESTED, member, account, 0, record.micros, missing, lapsed=True))
    restrict_member(run, member)
    if not first and run.terms.crisis.default.enabled:
        run.failures.append(Failure(account, FailureReason.CALL_LAPSED))
