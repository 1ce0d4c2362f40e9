"""Reported trades: what a venue tells, or both sides tell without one, is novated at once or held until its time.

Rule: a report is applied at most once, because its id is used up by what it does. A refused one uses up nothing and can
be sent again until its not-after. What is held is binding: neither side can leave it alone.
"""

from clearing.base.errors import Rejected
from clearing.codes import ClearingCode, reject
from clearing.requests import check_account, check_time
from clearing.run import Run
from clearing.state.records import HeldTrade
from clearing.trades.consent import check_consent, use_consent
from clearing.trades.held import check_hold, hold
from clearing.trades.ids import (
    TradeKey,
    bilateral_key,
    check_bilateral,
    check_venue_id,
    use_bilateral,
    use_venue_id,
    venue_key,
)
from clearing.trades.mandates import exposure
from clearing.trades.novation import Bargain, check_price, check_terms, clear
from clearing.trades.reconciliation import keep_day_trade
from clearing.trades.requests import TradeReport
from clearing.trades.venues import VenueTerms

AT = "trade_report"


def report_trade(run: Run, index: int, report: TradeReport) -> Rejected | None:
    """Novate or hold the reported trade, or refuse it and change nothing."""
    venue = run.terms.venues.get(report.venue)
    bargain = Bargain(
        report.venue, report.venue_trade_id, report.buyer, report.seller, report.instrument, report.lots, report.ticks
    )
    key = _key(report, venue)
    refusal = (
        _check_id(run, report, venue, key)
        or check_terms(run, AT, bargain)
        or check_time(run, AT, report.not_after_ms)
        or _check_traded(run, report.traded_ms)
        or check_sides(run, report.buyer, report.seller)
    )
    if refusal is not None:
        return refusal
    micros = exposure(run.terms.instruments[report.instrument], report.lots, report.ticks)
    consent = check_consent(run, AT, report, report.lots, micros)
    if isinstance(consent, Rejected):
        return consent
    held = report.not_before_ms > run.time_ms
    if held:
        refusal = check_hold(run, AT, report.instrument, report.not_before_ms, (report.buyer, report.seller))
    else:
        refusal = check_price(run, AT, report.instrument) or clear(run, index, bargain, venue)
    if refusal is not None:
        return refusal
    if venue is None:
        use_bilateral(run, key, report.not_after_ms)
    else:
        use_venue_id(run, venue, report.venue_trade_id)
        use_consent(run, venue.id, consent)
    if held:
        hold(run, index, key, _held(run, report))
    elif venue is not None:
        keep_day_trade(run, bargain, report.traded_ms)
    return None


def check_sides(run: Run, buyer: int, seller: int) -> Rejected | None:
    """Both accounts exist, and they are two."""
    if buyer == seller:
        return reject(ClearingCode.SAME_ACCOUNT, AT, account=buyer)
    return check_account(run, AT, buyer) or check_account(run, AT, seller)


def _key(report: TradeReport, venue: VenueTerms | None) -> TradeKey:
    if venue is not None:
        return venue_key(venue.id, report.venue_trade_id)
    return bilateral_key(report.venue, report.venue_trade_id, report.buyer, report.seller)


def _check_id(run: Run, report: TradeReport, venue: VenueTerms | None, key: TradeKey) -> Rejected | None:
    if venue is None:
        return check_bilateral(run, AT, key)
    if not report.venue_signature:
        return reject(ClearingCode.VENUE_SIGNATURE_NEEDED, AT, venue=venue.id)
    return check_venue_id(run, AT, venue, report.venue_trade_id)


def _check_traded(run: Run, traded_ms: int) -> Rejected | None:
    """Agreed lately: a day's trades must all be here when its statement is compared."""
    market = run.terms.market
    earliest, latest = run.time_ms - market.request_ms_max, run.time_ms + market.report_ahead_ms_max
    if not earliest <= traded_ms <= latest:
        return reject(ClearingCode.TRADE_TIME, AT, traded_ms=traded_ms, earliest_ms=earliest, latest_ms=latest)
    return None


def _held(run: Run, report: TradeReport) -> HeldTrade:
    return HeldTrade(
        instrument=report.instrument,
        buyer=report.buyer,
        seller=report.seller,
        lots=report.lots,
        ticks=report.ticks,
        traded_ms=report.traded_ms,
        first_buyer=report.buyer,
        first_seller=report.seller,
        due_ms=report.not_before_ms,
        until_ms=report.not_before_ms + run.terms.market.hold_valid_ms,
    )
