"""After the grace of a call: what is missing is debited like any debt, and positions are sold until it is there.

Rule: a debit leaves maintenance margin covered, counted at the worst where prices are not open; what it takes stays the
member's own, in its part. An account that is then below initial margin is called like any, and while something is still
missing, sold like any, until it is back at initial margin and can be debited again. It must not know what comes after.
"""

import msgspec

from clearing.calls.margin_calls import call
from clearing.collateral.cash_calls import owes_too_much
from clearing.fund.payments import margin_for_certain, pay_in
from clearing.fund.receipts import FundDebited, FundReduces
from clearing.fund.records import Contribution
from clearing.holdings import Holdings, arrays_of, holdings_of, margin_of
from clearing.liquidation.stages import open_sale
from clearing.liquidation.takeover import may_liquidate, suspended
from clearing.margin.requirement import AccountMargin
from clearing.run import Run


def begin_reducing(run: Run, member: int, record: Contribution) -> Contribution:
    """The grace is over: from now on it is debited and sold for, until a height that is told."""
    until = run.block.height + run.terms.crisis.fund.reduce_blocks
    record = msgspec.structs.replace(record, lapsed=True, reducing=True, deadline=until)
    run.state.contributions.put(member, record)
    run.receipts.append(FundReduces(member, record.account, record.called, record.micros, until))
    return record


def reduce(run: Run, member: int, record: Contribution, own: list[int]) -> Contribution:
    """One block of it, for a member's own accounts in the order in which they pay; what is then still called for."""
    for account in own:
        record = _debit(run, member, record, account)
    for account in own:
        held = holdings_of(run.state, account)
        margin = margin_of(arrays_of(run.state), held)
        if not margin.initial_ok or owes_too_much(run, held.cash):
            call(run, account, margin)
        if not margin.initial_ok:
            _sell(run, account, held, margin)
    return record


def can_be_reduced(run: Run, own: list[int]) -> bool:
    """Whether anything is left to sell, or to wait for: a price that is not open."""
    return any(any(held.lots) or suspended(run, held) for held in (holdings_of(run.state, each) for each in own))


def _debit(run: Run, member: int, record: Contribution, account: int) -> Contribution:
    """Take all that leaves maintenance margin covered; what the account has no cash for it owes."""
    margin = margin_for_certain(run, account)
    if margin is None:
        return record
    micros = min(margin.equity - margin.maintenance, record.called)
    if micros <= 0:
        return record
    told = (member, account, micros, record.called, margin.equity, margin.initial, margin.maintenance)
    run.receipts.append(FundDebited(*told))
    after = pay_in(run, member, msgspec.structs.replace(record, account=account), micros)
    record = msgspec.structs.replace(after, account=record.account)
    run.state.contributions.put(member, record)
    return record


def _sell(run: Run, account: int, held: Holdings, margin: AccountMargin) -> None:
    """Have an account sold until it is back at initial margin, unless that is under way."""
    under_way = account in run.state.liquidations or margin_for_certain(run, account) is None
    if not under_way and any(held.lots) and may_liquidate(run, held):
        open_sale(run, account, held, margin)
