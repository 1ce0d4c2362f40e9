"""Interest on settlement cash: debtors pay, creditors receive, the house gets the difference.

Rule: simple interest per interval of block time, on the balance at its end without soft credit. Debit interest rounds
up, credit interest rounds down, and the payments of one group sum to zero.
"""

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM, YEAR_MS, mul_div_down, mul_div_up
from clearing.context.block_context import BlockContext
from clearing.schema.receipts.collateral import InterestAccrued
from clearing.schema.records.accounts import AccrualRecord
from clearing.schema.terms.assets import CashGroup
from clearing.schema.terms.collateral import InterestTerms
from clearing.schema.transfers import TransferCode
from clearing.state.indexes import CURRENCY_HOLDERS, holders
from clearing.state.ledger import balance, can_hold, cash_currency, soft_credit_of


def interest_on(micros: int, terms: InterestTerms, elapsed_ms: int) -> int:
    """What a balance earns (positive) or costs (negative) over a time, rounded against its owner."""
    if micros < 0:
        return -mul_div_up(-micros, terms.debit_ppm * elapsed_ms, PPM * YEAR_MS)
    return mul_div_down(micros, terms.credit_ppm * elapsed_ms, PPM * YEAR_MS)


def accrue_interest(context: BlockContext) -> None:
    """Settle every group's interest for the intervals that have ended."""
    for group in context.terms.genesis.cash_groups:
        if group.interest.interval_ms:
            _accrue_group(context, group)


def _accrue_group(context: BlockContext, group: CashGroup) -> None:
    terms = group.interest
    last = context.state.interest_accruals.get(group.id)
    since_ms = last.time_ms if last else context.terms.genesis.time_ms
    # At most one year at once, whatever the clock does; the rest follows in the next blocks.
    intervals = min((context.time_ms - since_ms) // terms.interval_ms, YEAR_MS // terms.interval_ms)
    if intervals <= 0:
        return
    elapsed_ms = intervals * terms.interval_ms
    context.state.interest_accruals.put(group.id, AccrualRecord(since_ms + elapsed_ms))
    currency = cash_currency(group.id)
    amounts = []
    for account in holders(context.state, CURRENCY_HOLDERS, currency):
        if account != HOUSE_ACCOUNT and can_hold(context.state, account):
            own = balance(context.state, account, currency) - soft_credit_of(context.state, account, group.id)
            amounts.append((account, interest_on(own, terms, elapsed_ms)))
    amounts = [(account, micros) for account, micros in amounts if micros]
    paid = -sum(micros for _, micros in amounts if micros < 0)
    received = sum(micros for _, micros in amounts if micros > 0)
    context.journal.settle_amounts(
        [*amounts, (HOUSE_ACCOUNT, paid - received)], currency, TransferCode.INTEREST, group.id
    )
    context.touched_accounts.update(account for account, _ in amounts)
    if amounts:
        context.receipts.append(
            InterestAccrued(group.id, since_ms + elapsed_ms, intervals, paid, received, paid - received)
        )
