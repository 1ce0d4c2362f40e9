"""Reconciliation: a venue's end-of-day statement against the trades novated for that venue and day.

Rule: every trade is reported once as matched, differing, missing here or missing there, and then deleted.

1. A statement is submitted in numbered parts with rising ids, once the day's trades can no longer be reported.
2. After its last part, or its deadline, the remaining trades are reported, a bounded number per block.

The number of days and of trades a day is bounded.
"""

from itertools import pairwise

import msgspec

from clearing.base.errors import Rejected
from clearing.base.units import DAY_MS
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import check_expiry, check_signature_by
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.trades import (
    BookedTrade,
    BreakKind,
    ReconciliationBreak,
    StatementCompared,
    VenueDayClosed,
)
from clearing.schema.records.trades import DayTrade, VenueDay, VenueDayPhase
from clearing.schema.requests.trades import StatementLine, VenueStatement
from clearing.trades.novation import TradeTerms
from clearing.trades.trade_ids import venue_key

AT = "venue_statement"
CLOSED_TRADES_PER_BLOCK = 1_000
"""How many remaining trades are reported or deleted in one block."""
LINES_PER_TRADE = 2
"""Largest number of statement lines for each trade that can be recorded of a day."""
_NO_TRADE = BookedTrade()


def record_day_trade(context: BlockContext, trade: TradeTerms, traded_ms: int) -> None:
    """Record a novated trade of a venue for the statement of its day, with its original parties."""
    day = traded_ms // DAY_MS
    record = context.state.venue_days.get((trade.venue, day)) or VenueDay()
    if record.phase is not VenueDayPhase.OPEN or day < _earliest_open_day(context):
        return  # pending for so long that the day is closed: it was reported as pending
    if record.trades >= context.terms.market.day_trades_max:
        record = msgspec.structs.replace(record, unrecorded=record.unrecorded + 1)
    else:
        day_trade = DayTrade(trade.venue_trade_id, trade.instrument, trade.buyer, trade.seller, trade.lots, trade.ticks)
        context.state.day_trades.put((trade.venue, day, record.trades), day_trade)
        context.state.day_trade_ids.put((trade.venue, trade.venue_trade_id), (day, record.trades))
        record = msgspec.structs.replace(record, trades=record.trades + 1)
    context.state.venue_days.put((trade.venue, day), record)


def compare_statement(context: BlockContext, index: int, statement: VenueStatement) -> Rejected | None:
    """Compare one part of a statement, or refuse it and change nothing."""
    refusal = check_expiry(context, AT, statement.not_after_ms) or _check_statement_part(context, statement)
    if refusal is not None:
        return refusal
    counts: dict[BreakKind | None, int] = dict.fromkeys((None, *BreakKind), 0)
    for line in statement.lines:
        counts[_compare_line(context, statement, line)] += 1
    missing = counts[BreakKind.MISSING_HERE] + counts[BreakKind.PENDING_HERE]
    key = (statement.venue, statement.day)
    day = context.state.venue_days.get(key) or VenueDay()
    context.state.venue_days.put(
        key,
        msgspec.structs.replace(
            day,
            lines=day.lines + len(statement.lines),
            parts=day.parts + 1,
            next_id=statement.lines[-1].venue_trade_id + 1 if statement.lines else day.next_id,
            matched=day.matched + counts[None],
            missing_here=day.missing_here + missing,
            differing=day.differing + counts[BreakKind.DIFFERING],
            phase=VenueDayPhase.CLOSING if statement.last else day.phase,
            statement_complete=statement.last,
        ),
    )
    context.receipts.append(
        StatementCompared(
            index=index,
            venue=statement.venue,
            day=statement.day,
            part=statement.part,
            lines=len(statement.lines),
            matched=counts[None],
            missing_here=missing,
            differing=counts[BreakKind.DIFFERING],
        )
    )
    return None


def close_venue_days(context: BlockContext) -> None:
    """Report what complete statements left over, close days without a statement, and delete days long closed."""
    if not context.terms.venues:
        return
    room, earliest = CLOSED_TRADES_PER_BLOCK, _earliest_open_day(context)
    for (venue, day), record in list(context.state.venue_days.ordered()):
        if record.phase is VenueDayPhase.CLOSED:
            if day < earliest:
                context.state.venue_days.remove((venue, day))
            continue
        if record.phase is VenueDayPhase.OPEN and day >= earliest:
            continue
        until = min(record.trades, record.closed + room)
        room -= until - record.closed
        _close_unmatched(context, venue, day, record, until)


def _close_unmatched(context: BlockContext, venue: int, day: int, venue_day: VenueDay, until: int) -> None:
    """Report the trades numbered below `until` that no line matched; close the day after the last."""
    missing = 0
    for number in range(venue_day.closed, until):
        day_trade = context.state.day_trades.get((venue, day, number))
        if day_trade is None:
            continue
        missing += 1
        context.state.day_trades.remove((venue, day, number))
        context.state.day_trade_ids.remove((venue, day_trade.venue_trade_id))
        if venue_day.statement_complete:
            _break_receipt(
                context,
                venue,
                day,
                day_trade.venue_trade_id,
                BreakKind.MISSING_THERE,
                _booked_trade(day_trade),
                _NO_TRADE,
            )
    closed = until == venue_day.trades
    venue_day = msgspec.structs.replace(
        venue_day,
        missing_there=venue_day.missing_there + missing,
        closed=until,
        phase=VenueDayPhase.CLOSED if closed else VenueDayPhase.CLOSING,
    )
    context.state.venue_days.put((venue, day), venue_day)
    if closed:
        context.receipts.append(
            VenueDayClosed(
                venue=venue,
                day=day,
                statement_complete=venue_day.statement_complete,
                trades=venue_day.trades,
                unrecorded=venue_day.unrecorded,
                lines=venue_day.lines,
                matched=venue_day.matched,
                missing_here=venue_day.missing_here,
                differing=venue_day.differing,
                missing_there=venue_day.missing_there,
            )
        )


def _earliest_open_day(context: BlockContext) -> int:
    """The first day whose statement is still accepted."""
    return context.time_ms // DAY_MS - context.terms.market.statement_days


def _check_statement_part(context: BlockContext, statement: VenueStatement) -> Rejected | None:
    venue = context.terms.venues.get(statement.venue)
    if venue is None:
        return reject(ClearingCode.UNKNOWN_VENUE, AT, venue=statement.venue)
    refusal = check_signature_by(
        AT, venue.signer, statement.digest(context.terms.network), statement.signature, venue=venue.id
    )
    if refusal is not None:
        return refusal
    over_ms = (statement.day + 1) * DAY_MS + context.terms.market.request_ms_max
    day = context.state.venue_days.get((venue.id, statement.day)) or VenueDay()
    if context.time_ms <= over_ms or statement.day < _earliest_open_day(context) or day.phase is not VenueDayPhase.OPEN:
        return reject(
            ClearingCode.STATEMENT_DAY,
            AT,
            day=statement.day,
            earliest=_earliest_open_day(context),
            phase=day.phase.name,
        )
    ids = [line.venue_trade_id for line in statement.lines]
    rising = all(a < b for a, b in pairwise(ids)) and (not ids or ids[0] >= day.next_id)
    room = LINES_PER_TRADE * context.terms.market.day_trades_max - day.lines
    if statement.part != day.parts or not rising or not (ids or statement.last) or len(ids) > room:
        return reject(ClearingCode.BAD_STATEMENT, AT, part=statement.part, wanted_part=day.parts, lowest_id=day.next_id)
    return None


def _compare_line(context: BlockContext, statement: VenueStatement, line: StatementLine) -> BreakKind | None:
    """Compare a line with our book and report the difference; None: they match. The recorded trade is then deleted."""
    venue, day, trade_id = statement.venue, statement.day, line.venue_trade_id
    reported = BookedTrade(line.instrument, line.buyer, line.seller, line.lots, line.ticks)
    recorded_at = context.state.day_trade_ids.get((venue, trade_id))
    if recorded_at is None or recorded_at[0] != day:
        is_pending = venue_key(venue, trade_id) in context.state.pending_trades
        kind = BreakKind.PENDING_HERE if is_pending else BreakKind.MISSING_HERE
        _break_receipt(context, venue, day, trade_id, kind, _NO_TRADE, reported)
        return kind
    key = (venue, day, recorded_at[1])
    novated = _booked_trade(context.state.day_trades[key])
    context.state.day_trades.remove(key)
    context.state.day_trade_ids.remove((venue, trade_id))
    if novated == reported:
        return None
    _break_receipt(context, venue, day, trade_id, BreakKind.DIFFERING, novated, reported)
    return BreakKind.DIFFERING


def _booked_trade(day_trade: DayTrade) -> BookedTrade:
    return BookedTrade(day_trade.instrument, day_trade.buyer, day_trade.seller, day_trade.lots, day_trade.ticks)


def _break_receipt(
    context: BlockContext,
    venue: int,
    day: int,
    trade_id: int,
    kind: BreakKind,
    booked: BookedTrade,
    reported: BookedTrade,
) -> None:
    parties = reported if booked == _NO_TRADE else booked
    context.receipts.append(
        ReconciliationBreak(venue, day, trade_id, kind, parties.buyer, parties.seller, booked, reported)
    )
