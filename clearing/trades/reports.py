"""Reported trades: a report by a venue, or by both sides without one, is novated at once or pending until its time.

Rule: a report is applied at most once, because its effect uses up its id. A refused report uses up nothing and can be
sent again until its not-after. A pending trade is binding: neither side can withdraw alone.
"""

from clearing.base.errors import Rejected
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import check_expiry
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.records.trades import PendingTradeRecord, TradeKey
from clearing.schema.requests.trades import TradeReport
from clearing.schema.terms.genesis import VenueTerms
from clearing.settlement.mark_to_market import traded_notional
from clearing.trades.consent import check_consent, use_consent
from clearing.trades.novation import TradeTerms, check_instrument_price, check_sides, check_trade_terms, clear_trade
from clearing.trades.pending_trades import add_pending_trade, check_can_pend
from clearing.trades.reconciliation import record_day_trade
from clearing.trades.trade_ids import (
    bilateral_key,
    check_bilateral,
    check_venue_id,
    use_bilateral,
    use_venue_id,
    venue_key,
)

AT = "trade_report"


def report_trade(context: BlockContext, index: int, report: TradeReport) -> Rejected | None:
    """Novate the reported trade or make it pending, or refuse it and change nothing."""
    venue = context.terms.venues.get(report.venue)
    terms = TradeTerms(
        report.venue, report.venue_trade_id, report.buyer, report.seller, report.instrument, report.lots, report.ticks
    )
    key = _report_key(report, venue)
    refusal = (
        _check_trade_id(context, report, venue, key)
        or check_trade_terms(context, AT, terms)
        or check_expiry(context, AT, report.not_after_ms)
        or _check_trade_time(context, report.traded_ms)
        or check_sides(context, AT, report.buyer, report.seller)
    )
    if refusal is not None:
        return refusal
    micros = traded_notional(context.terms.instruments[report.instrument], report.lots, report.ticks)
    consent = check_consent(context, AT, report, report.lots, micros)
    if isinstance(consent, Rejected):
        return consent
    is_pending = report.not_before_ms > context.time_ms
    if is_pending:
        refusal = check_can_pend(context, AT, report.instrument, report.not_before_ms, (report.buyer, report.seller))
    else:
        refusal = check_instrument_price(context, AT, report.instrument) or clear_trade(context, index, terms, venue)
    if refusal is not None:
        return refusal
    if venue is None:
        use_bilateral(context, key, report.not_after_ms)
    else:
        use_venue_id(context, venue, report.venue_trade_id)
    use_consent(context, report.venue, consent)
    if is_pending:
        add_pending_trade(context, index, key, _pending_from_report(context, report))
    elif venue is not None:
        record_day_trade(context, terms, report.traded_ms)
    return None


def _report_key(report: TradeReport, venue: VenueTerms | None) -> TradeKey:
    if venue is not None:
        return venue_key(venue.id, report.venue_trade_id)
    return bilateral_key(report.venue, report.venue_trade_id, report.buyer, report.seller)


def _check_trade_id(
    context: BlockContext, report: TradeReport, venue: VenueTerms | None, key: TradeKey
) -> Rejected | None:
    if venue is None:
        return check_bilateral(context, AT, key)
    if not report.venue_signature:
        return reject(ClearingCode.VENUE_SIGNATURE_NEEDED, AT, venue=venue.id)
    return check_venue_id(context, AT, venue, report.venue_trade_id)


def _check_trade_time(context: BlockContext, traded_ms: int) -> Rejected | None:
    """Agreed recently: a day's trades must all be reported before its statement is compared."""
    market = context.terms.market
    earliest, latest = context.time_ms - market.request_ms_max, context.time_ms + market.report_ahead_ms_max
    if not earliest <= traded_ms <= latest:
        return reject(ClearingCode.TRADE_TIME, AT, traded_ms=traded_ms, earliest_ms=earliest, latest_ms=latest)
    return None


def _pending_from_report(context: BlockContext, report: TradeReport) -> PendingTradeRecord:
    return PendingTradeRecord(
        instrument=report.instrument,
        buyer=report.buyer,
        seller=report.seller,
        lots=report.lots,
        ticks=report.ticks,
        traded_ms=report.traded_ms,
        executing_buyer=report.buyer,
        executing_seller=report.seller,
        due_ms=report.not_before_ms,
        last_attempt_ms=report.not_before_ms + context.terms.market.hold_valid_ms,
    )
