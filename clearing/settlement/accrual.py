"""Accrual: the contribution of the time since the last block to averaging windows, premia and funding.

Rule: the index agreed in the last block applied until this one, but counts at most as long as a price may be old. So a
network that stood still averages nothing and owes no funding. Without an open price nothing accrues. It runs before
prices change and pays nobody.
"""

import msgspec

from clearing.base.codec import u256
from clearing.context.block_context import BlockContext
from clearing.schema.records.prices import AveragingRecord, FeedStatus, PremiumRecord
from clearing.schema.terms.instruments import Instrument
from clearing.settlement.funding import moved_premium_ppb, next_premium_ppb
from clearing.settlement.premium_depth import observed_premium_ppb, sample_depth_lots
from clearing.settlement.settlement_prices import TimeAverage, extend_average
from clearing.state.state import State


def accrue_time(context: BlockContext) -> None:
    """Account for the time from the last block to this one."""
    for instrument in context.terms.instruments.values():
        feed, mark = context.state.feeds.get(instrument.feed), context.state.marks.get(instrument.id)
        if feed is None or feed.status != FeedStatus.OPEN or mark is None or mark.settled:
            continue
        if instrument.averaging_ms:
            _extend_window(context, instrument, feed.ticks)
        elif instrument.funding.interval_ms or instrument.funding.premium_cap_ppm:
            _accrue_premium(context, instrument)


def settlement_average(state: State, instrument: Instrument) -> TimeAverage:
    """The part of an instrument's averaging window that agreed prices cover so far."""
    average = state.settlement_averages.get(instrument.id)
    return TimeAverage(int.from_bytes(average.weighted_ticks, "big"), average.covered_ms) if average else TimeAverage()


def _extend_window(context: BlockContext, instrument: Instrument, ticks: int) -> None:
    """Extend the average by the time since the last block. After expiry the window continues while coverage is too low:
    see `clearing.settlement.expiry`."""
    before = settlement_average(context.state, instrument)
    after = extend_average(
        before,
        ticks,
        context.previous_time_ms,
        context.time_ms
        if context.previous_time_ms >= instrument.expiry_ms
        else min(context.time_ms, instrument.expiry_ms),
        instrument.expiry_ms - instrument.averaging_ms,
        context.terms.market.report_age_ms_max,
    )
    if after != before:
        context.state.settlement_averages.put(
            instrument.id, AveragingRecord(u256(after.weighted_ticks), after.covered_ms)
        )
        if instrument.is_option and context.terms.risk.averaged_options:
            context.moved_averages.add(instrument.id)


def _accrue_premium(context: BlockContext, instrument: Instrument) -> None:
    """Move the premium towards the traded one, and add the premium in force meanwhile to the funding."""
    record, terms = context.state.premia.get(instrument.id), instrument.funding
    elapsed_ms = min(context.time_ms - context.previous_time_ms, context.terms.market.report_age_ms_max)
    if record is None or elapsed_ms == 0:
        return
    premium, counted_ms = record.premium_ppb, elapsed_ms if terms.interval_ms else 0
    if terms.premium_cap_ppm:
        premium = _next_premium(context, instrument, record, elapsed_ms)
    context.state.premia.put(
        instrument.id,
        msgspec.structs.replace(
            record,
            premium_ppb=premium,
            weighted_premium=0,
            volume=0,
            funding_weighted=record.funding_weighted + record.premium_ppb * counted_ms,
            funding_ms=record.funding_ms + counted_ms,
        ),
    )


def _next_premium(context: BlockContext, instrument: Instrument, record: PremiumRecord, elapsed_ms: int) -> int:
    """The premium after this time: towards that of its feed, or of the trades since the last block. It fades where
    there are none, or where no fee covers them."""
    terms = instrument.funding
    if terms.premium_feed:
        sample = observed_premium_ppb(context.state, instrument)
        return moved_premium_ppb(record.premium_ppb, sample, elapsed_ms, terms.window_ms)
    depth = sample_depth_lots(context, instrument, elapsed_ms) if record.weighted_premium else terms.depth_lots
    if depth is None:
        return moved_premium_ppb(record.premium_ppb, 0, elapsed_ms, terms.window_ms)
    return next_premium_ppb(
        record.premium_ppb, record.weighted_premium, record.volume, depth, elapsed_ms, terms.window_ms
    )
