"""Perpetuals: the premium of trades, the resulting mark, and funding paid from it.

Rule: funding is paid from longs to shorts (to longs at a negative rate) once in each interval, for the time that agreed
prices covered. Payers round up, payees round down, and the remainder goes to the rounding account. A mark never depends
on a trade of its own block, so the order of trades within a block does not affect it.
"""

import msgspec

from clearing.context.block_context import BlockContext
from clearing.schema.receipts.settlement import FundingPaid
from clearing.schema.records.prices import PremiumRecord
from clearing.schema.terms.instruments import Instrument
from clearing.schema.transfers import TransferCode
from clearing.settlement.funding import (
    VOLUME_MAX,
    average_premium_ppb,
    funding_payments,
    funding_rate_ppb,
    perpetual_mark_ticks,
    premium_ppb,
)
from clearing.state.ledger import CLEARING_ACCOUNT, ROUNDING_ACCOUNT, cash_currency
from clearing.state.state import State


def current_premium_ppb(state: State, instrument: Instrument) -> int:
    """A perpetual's premium in ppb of the index; 0 where it has none."""
    premium = state.premia.get(instrument.id)
    return premium.premium_ppb if premium is not None and instrument.funding.premium_cap_ppm else 0


def mark_with_premium(state: State, instrument: Instrument, index_ticks: int) -> int:
    """The mark of a perpetual at an index."""
    return perpetual_mark_ticks(index_ticks, current_premium_ppb(state, instrument), instrument.funding.premium_cap_ppm)


def record_trade_premium(context: BlockContext, instrument: Instrument, lots: int, ticks: int) -> None:
    """Add a novated trade to the premium, up to the volume limit of one block."""
    premium, cap = context.state.premia.get(instrument.id), instrument.funding.premium_cap_ppm
    if premium is None or cap == 0:
        return
    counted = min(lots, VOLUME_MAX - premium.volume)
    sample = premium_ppb(ticks, context.state.feeds[instrument.feed].ticks, cap)
    changed = msgspec.structs.replace(
        premium, weighted_premium=premium.weighted_premium + counted * sample, volume=premium.volume + counted
    )
    context.state.premia.put(instrument.id, changed)


def pay_funding(context: BlockContext, instrument: Instrument, index_ticks: int) -> None:
    """Pay the funding since the last payment, when this block is the first in a new interval."""
    terms = instrument.funding
    if terms.interval_ms == 0 and terms.premium_cap_ppm == 0:
        return
    premium = context.state.premia.get(instrument.id)
    if premium is None:
        context.state.premia.put(instrument.id, PremiumRecord(0, context.time_ms))
        return
    if terms.interval_ms == 0 or context.time_ms // terms.interval_ms <= premium.funding_paid_ms // terms.interval_ms:
        return
    average = average_premium_ppb(premium.funding_weighted, premium.funding_ms)
    rate = funding_rate_ppb(average, terms.interest_ppm, terms.dampener_ppm, terms.rate_cap_ppm)
    _pay_positions(context, instrument, index_ticks, average, rate, premium.funding_ms)
    paid = msgspec.structs.replace(premium, funding_paid_ms=context.time_ms, funding_weighted=0, funding_ms=0)
    context.state.premia.put(instrument.id, paid)


def _pay_positions(
    context: BlockContext, instrument: Instrument, index_ticks: int, average: int, rate: int, covered_ms: int
) -> None:
    positions = context.positions.holders(instrument.id)
    payments, rounding = funding_payments(
        [lots for _, lots in positions],
        index_ticks,
        instrument.micros_per_tick,
        rate,
        covered_ms,
        instrument.funding.period_ms,
    )
    currency, paid = cash_currency(instrument.cash_group), 0
    for (account, _), amount in zip(positions, payments, strict=True):
        payer, payee = (account, CLEARING_ACCOUNT) if amount < 0 else (CLEARING_ACCOUNT, account)
        context.journal.transfer(payer, payee, currency, abs(amount), TransferCode.FUNDING, instrument.id)
        context.touched_accounts.add(account)
        paid += max(-amount, 0)
    context.journal.transfer(
        CLEARING_ACCOUNT, ROUNDING_ACCOUNT, currency, rounding, TransferCode.FUNDING_ROUNDING, instrument.id
    )
    context.receipts.append(
        FundingPaid(
            instrument=instrument.id,
            index_ticks=index_ticks,
            premium_ppb=average,
            rate_ppb=rate,
            covered_ms=covered_ms,
            period_ms=instrument.funding.period_ms,
            holders=len(positions),
            paid=paid,
            received=paid - rounding,
            rounding=rounding,
        )
    )
