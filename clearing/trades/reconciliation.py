"""Reconciliation: a venue's end-of-day statement against what was novated of that venue and day.

Rule: every trade is told once as agreed, differing, missing here or missing there, and then forgotten. A statement
comes in numbered parts with rising ids, once the day's trades can no longer be reported; after its last part, or when
it is too late for it, what is left over is told, so much a block. Bounded: so many days, so many trades a day.
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
"""Trades left over by statements that are told (or forgotten) in one block."""
LINES_PER_TRADE = 2
"""A statement has at most so many lines for each trade that can be kept of a day."""
_NO_TRADE = BookedTrade()


def record_day_trade(run: BlockContext, trade: TradeTerms, traded_ms: int) -> None:
    """Keep a novated trade of a venue for the statement of the day on which it was agreed, with its first parties."""
    day = traded_ms // DAY_MS
    record = run.state.venue_days.get((trade.venue, day)) or VenueDay()
    if record.phase is not VenueDayPhase.OPEN or day < _earliest_open_day(run):
        return  # held for so long that the day is over and done with: it was told as held
    if record.trades >= run.terms.market.day_trades_max:
        record = msgspec.structs.replace(record, unkept=record.unrecorded + 1)
    else:
        kept = DayTrade(trade.venue_trade_id, trade.instrument, trade.buyer, trade.seller, trade.lots, trade.ticks)
        run.state.day_trades.put((trade.venue, day, record.trades), kept)
        run.state.day_trade_ids.put((trade.venue, trade.venue_trade_id), (day, record.trades))
        record = msgspec.structs.replace(record, trades=record.trades + 1)
    run.state.venue_days.put((trade.venue, day), record)


def compare_statement(run: BlockContext, index: int, statement: VenueStatement) -> Rejected | None:
    """Compare one part of a statement, or refuse it and change nothing."""
    refusal = check_expiry(run, AT, statement.not_after_ms) or _check_statement_part(run, statement)
    if refusal is not None:
        return refusal
    counts: dict[BreakKind | None, int] = dict.fromkeys((None, *BreakKind), 0)
    for line in statement.lines:
        counts[_compare_line(run, statement, line)] += 1
    missing = counts[BreakKind.MISSING_HERE] + counts[BreakKind.PENDING_HERE]
    key = (statement.venue, statement.day)
    day = run.state.venue_days.get(key) or VenueDay()
    run.state.venue_days.put(
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
            told=statement.last,
        ),
    )
    run.receipts.append(
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


def close_venue_days(run: BlockContext) -> None:
    """Tell what complete statements left over, give up on days without one, and forget days long closed."""
    if not run.terms.venues:
        return
    room, earliest = CLOSED_TRADES_PER_BLOCK, _earliest_open_day(run)
    for (venue, day), record in list(run.state.venue_days.ordered()):
        if record.phase is VenueDayPhase.CLOSED:
            if day < earliest:
                run.state.venue_days.remove((venue, day))
            continue
        if record.phase is VenueDayPhase.OPEN and day >= earliest:
            continue
        until = min(record.trades, record.closed + room)
        room -= until - record.closed
        _close_unmatched(run, venue, day, record, until)


def _close_unmatched(run: BlockContext, venue: int, day: int, record: VenueDay, until: int) -> None:
    """Take the trades numbered below `until` that no line told; close the day after the last."""
    missing = 0
    for number in range(record.closed, until):
        kept = run.state.day_trades.get((venue, day, number))
        if kept is None:
            continue
        missing += 1
        run.state.day_trades.remove((venue, day, number))
        run.state.day_trade_ids.remove((venue, kept.venue_trade_id))
        if record.statement_complete:
            _break_receipt(
                run, venue, day, kept.venue_trade_id, BreakKind.MISSING_THERE, _booked_trade(kept), _NO_TRADE
            )
    closed = until == record.trades
    record = msgspec.structs.replace(
        record,
        missing_there=record.missing_there + missing,
        swept=until,
        phase=VenueDayPhase.CLOSED if closed else VenueDayPhase.CLOSING,
    )
    run.state.venue_days.put((venue, day), record)
    if closed:
        run.receipts.append(
            VenueDayClosed(
                venue=venue,
                day=day,
                statement_complete=record.statement_complete,
                trades=record.trades,
                unrecorded=record.unrecorded,
                lines=record.lines,
                matched=record.matched,
                missing_here=record.missing_here,
                differing=record.differing,
                missing_there=record.missing_there,
            )
        )


def _earliest_open_day(run: BlockContext) -> int:
    """The first day whose statement is still taken."""
    return run.time_ms // DAY_MS - run.terms.market.statement_days


def _check_statement_part(run: BlockContext, statement: VenueStatement) -> Rejected | None:
    venue = run.terms.venues.get(statement.venue)
    if venue is None:
        return reject(ClearingCode.UNKNOWN_VENUE, AT, venue=statement.venue)
    refusal = check_signature_by(
        AT, venue.signer, statement.digest(run.terms.network), statement.signature, venue=venue.id
    )
    if refusal is not None:
        return refusal
    over_ms = (statement.day + 1) * DAY_MS + run.terms.market.request_ms_max
    day = run.state.venue_days.get((venue.id, statement.day)) or VenueDay()
    if run.time_ms <= over_ms or statement.day < _earliest_open_day(run) or day.phase is not VenueDayPhase.OPEN:
        return reject(
            ClearingCode.STATEMENT_DAY, AT, day=statement.day, earliest=_earliest_open_day(run), phase=day.phase.name
        )
    ids = [line.venue_trade_id for line in statement.lines]
    rising = all(a < b for a, b in pairwise(ids)) and (not ids or ids[0] >= day.next_id)
    room = LINES_PER_TRADE * run.terms.market.day_trades_max - day.lines
    if statement.part != day.parts or not rising or not (ids or statement.last) or len(ids) > room:
        return reject(ClearingCode.BAD_STATEMENT, AT, part=statement.part, wanted_part=day.parts, lowest_id=day.next_id)
    return None


def _compare_line(run: BlockContext, statement: VenueStatement, line: StatementLine) -> BreakKind | None:
    """Compare a line with our book and tell the difference; None: they agree. The trade is told now, and forgotten."""
    venue, day, trade_id = statement.venue, statement.day, line.venue_trade_id
    told = BookedTrade(line.instrument, line.buyer, line.seller, line.lots, line.ticks)
    kept_at = run.state.day_trade_ids.get((venue, trade_id))
    if kept_at is None or kept_at[0] != day:
        held = venue_key(venue, trade_id) in run.state.pending_trades
        kind = BreakKind.PENDING_HERE if held else BreakKind.MISSING_HERE
        _break_receipt(run, venue, day, trade_id, kind, _NO_TRADE, told)
        return kind
    key = (venue, day, kept_at[1])
    novated = _booked_trade(run.state.day_trades[key])
    run.state.day_trades.remove(key)
    run.state.day_trade_ids.remove((venue, trade_id))
    if novated == told:
        return None
    _break_receipt(run, venue, day, trade_id, BreakKind.DIFFERING, novated, told)
    return BreakKind.DIFFERING


def _booked_trade(kept: DayTrade) -> BookedTrade:
    return BookedTrade(kept.instrument, kept.buyer, kept.seller, kept.lots, kept.ticks)


def _break_receipt(
    run: BlockContext, venue: int, day: int, trade_id: int, kind: BreakKind, novated: BookedTrade, told: BookedTrade
) -> None:
    parties = told if novated == _NO_TRADE else novated
    run.receipts.append(ReconciliationBreak(venue, day, trade_id, kind, parties.buyer, parties.seller, novated, told))
