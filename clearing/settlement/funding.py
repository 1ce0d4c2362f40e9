"""Funding of perpetuals: the premium of trades, the resulting mark, and what longs and shorts pay each other.

Rule: funding is paid from longs to shorts (to longs at a negative rate) once in each interval, for the time that agreed
prices covered. Payers round up, payees round down, and the remainder goes to the rounding account: the house never pays
for rounding. A mark never depends on a trade of its own block, so the order of trades within a block does not affect
it. Premia and rates are in ppb, 10^-9 of the index, signed.
"""

from collections.abc import Sequence

import msgspec

from clearing.context.block_context import BlockContext
from clearing.schema.receipts.settlement import FundingPaid
from clearing.schema.records.prices import PremiumRecord
from clearing.schema.terms.instruments import Instrument
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import CLEARING_ACCOUNT, ROUNDING_ACCOUNT, cash_currency
from clearing.state.state import State

PPB = 1_000_000_000
PPB_PER_PPM = 1_000
VOLUME_MAX = 2**33 - 1
"""Limit of lots that count within one update of a premium. Times the largest premium it stays below 2^62."""


def clamp(value: int, limit: int) -> int:
    """`value` within plus and minus `limit` >= 0."""
    return max(-limit, min(value, limit))


def premium_ppb(trade_ticks: int, index_ticks: int, cap_ppm: int) -> int:
    """The premium of a trade at `trade_ticks`: (trade - index) / index, towards zero, within the cap."""
    if index_ticks <= 0:
        raise ValueError(f"index must be positive, got {index_ticks}")
    return clamp(_towards_zero((trade_ticks - index_ticks) * PPB, index_ticks), cap_ppm * PPB_PER_PPM)


def next_premium_ppb(premium: int, weighted: int, volume: int, depth_lots: int, elapsed_ms: int, window_ms: int) -> int:
    """The moving average after `elapsed_ms` in which `volume` lots were traded, at premia that sum to `weighted`.

    The sample is weighted / (volume + depth). The depth represents lots at the index, so a small volume has little
    effect and without any trade the premium fades. The average moves by elapsed / (elapsed + window) of its distance to
    the sample. Both divisions round towards zero. `weighted`: sum of lots x premium in ppb.
    """
    if depth_lots <= 0 or window_ms <= 0 or elapsed_ms < 0 or volume < 0:
        raise ValueError(f"depth {depth_lots}, window {window_ms}, elapsed {elapsed_ms}, volume {volume}")
    return moved_premium_ppb(premium, _towards_zero(weighted, volume + depth_lots), elapsed_ms, window_ms)


def moved_premium_ppb(premium: int, sample: int, elapsed_ms: int, window_ms: int) -> int:
    """The moving average after `elapsed_ms` of a sample: elapsed / (elapsed + window) of the way, towards zero."""
    return _towards_zero(premium * window_ms + sample * elapsed_ms, elapsed_ms + window_ms)


def perpetual_mark_ticks(index_ticks: int, premium: int, cap_ppm: int) -> int:
    """The mark: index x (1 + premium), the premium within the cap; the distance rounds towards zero, at least 1."""
    within = clamp(premium, cap_ppm * PPB_PER_PPM)
    return max(index_ticks + _towards_zero(index_ticks * within, PPB), 1)


def average_premium_ppb(weighted_ms: int, covered_ms: int) -> int:
    """Time average, towards zero, of premia in ppb whose products with milliseconds sum to `weighted_ms`."""
    return _towards_zero(weighted_ms, covered_ms) if covered_ms else 0


def funding_rate_ppb(premium: int, interest_ppm: int, dampener_ppm: int, cap_ppm: int) -> int:
    """The rate of a period: premium + clamp(interest - premium, dampener), within the cap. Positive: longs pay.

    So within the dampener of the interest the rate is the interest, and beyond it the premium less the dampener.
    """
    pulled = premium + clamp(interest_ppm * PPB_PER_PPM - premium, dampener_ppm * PPB_PER_PPM)
    return clamp(pulled, cap_ppm * PPB_PER_PPM)


def funding_payments(
    lots: Sequence[int], index_ticks: int, micros_per_tick: int, rate_ppb: int, covered_ms: int, period_ms: int
) -> tuple[list[int], int]:
    """What each position receives in micros (negative: pays), and the remainder, 0 or more.

    A position of q lots pays q x index x micros a tick x rate x covered / period. Payments round up, receipts round
    down. Payments and remainder sum to zero when the lots do.
    """
    if period_ms <= 0 or covered_ms < 0:
        raise ValueError(f"period {period_ms} ms, covered {covered_ms} ms")
    per_lot = index_ticks * micros_per_tick * rate_ppb * covered_ms
    payments = [-position * per_lot // (PPB * period_ms) for position in lots]
    return payments, -sum(payments)


def _towards_zero(value: int, divisor: int) -> int:
    return value // divisor if value >= 0 else -(-value // divisor)


def current_premium_ppb(state: State, instrument: Instrument) -> int:
    """A perpetual's premium in ppb of the index; 0 where it has none."""
    premium = state.premia.get(instrument.id)
    return premium.premium_ppb if premium is not None and instrument.funding.premium_cap_ppm else 0


def mark_with_premium(state: State, instrument: Instrument, index_ticks: int) -> int:
    """The mark of a perpetual at an index."""
    return perpetual_mark_ticks(index_ticks, current_premium_ppb(state, instrument), instrument.funding.premium_cap_ppm)


def record_trade_premium(context: BlockContext, instrument: Instrument, lots: int, ticks: int) -> None:
    """Add a novated trade to the premium, up to the volume limit of one block; not where the premium has a feed."""
    premium, cap = context.state.premia.get(instrument.id), instrument.funding.premium_cap_ppm
    if premium is None or cap == 0 or instrument.funding.premium_feed:
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
