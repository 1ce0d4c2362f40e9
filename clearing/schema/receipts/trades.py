"""Receipts about trades: novations, mandates, pending trades, venue statements and venue switches.

Rule: a receipt states, it never decides.
"""

from enum import IntEnum

from clearing.base.codec import I64, U32, U63, Wire

PENDING_INDEX = 2**32 - 1
"""Stands for no transaction: a held trade's time had come."""


class MandateChanged(Wire, frozen=True, tag=20):
    """An account's mandate to a venue is new, or (`expires_ms` 0) revoked. Notional in micros."""

    index: U32
    account: U63
    venue: U63
    lots_max: U63
    notional_max: U63
    day_notional_max: U63
    expires_ms: U63
    nonce: U63


class TradePending(Wire, frozen=True, tag=21):
    """A trade is binding and waits for `due_ms`; its key for changes is (venue, id, low, high)."""

    index: U32
    venue: U63
    venue_trade_id: U63
    buyer: U63
    seller: U63
    low: U63
    high: U63
    instrument: U32
    lots: U63
    ticks: U63
    due_ms: U63


class PendingTradeCorrected(Wire, frozen=True, tag=22):
    """A held trade has other terms. `revision`: what it is now."""

    index: U32
    venue: U63
    venue_trade_id: U63
    buyer: U63
    seller: U63
    revision: U32
    lots: U63
    ticks: U63
    due_ms: U63


class PendingTradeCancelled(Wire, frozen=True, tag=23):
    """A held trade will not be novated."""

    index: U32
    venue: U63
    venue_trade_id: U63
    buyer: U63
    seller: U63


class TradeGivenUp(Wire, frozen=True, tag=24):
    """A side of a held trade passed from `account` to `recipient`. `revision`: what it is now."""

    index: U32
    venue: U63
    venue_trade_id: U63
    account: U63
    recipient: U63
    revision: U32


class PendingTradeRefused(Wire, frozen=True, tag=25):
    """A held trade could not be novated at its time. `next_ms`: when it is tried again; 0: it is dropped."""

    venue: U63
    venue_trade_id: U63
    buyer: U63
    seller: U63
    code: U32
    at: str
    values: tuple[tuple[str, str], ...]
    next_ms: U63


class StatementCompared(Wire, frozen=True, tag=26):
    """A part of a venue's statement was compared: so many of its lines agree, are unknown here, or differ."""

    index: U32
    venue: U63
    day: U63
    part: U32
    lines: U32
    matched: U32
    missing_here: U32
    differing: U32


class BreakKind(IntEnum):
    """How the venue's book and ours differ about one trade."""

    MISSING_HERE = 1
    """Told by the venue, never novated for that day."""
    MISSING_THERE = 2
    """Novated, and not in the statement."""
    DIFFERING = 3
    PENDING_HERE = 4
    """Told by the venue, and still held."""


class BookedTrade(Wire, frozen=True):
    """A trade as one book has it; all zeros when it does not."""

    instrument: U32 = 0
    buyer: U63 = 0
    seller: U63 = 0
    lots: U63 = 0
    ticks: U63 = 0


class ReconciliationBreak(Wire, frozen=True, tag=27):
    """One difference between a venue's statement and what was novated. Parties are those who traded at the venue."""

    venue: U63
    day: U63
    venue_trade_id: U63
    kind: BreakKind
    buyer: U63
    """Of our book, or of the statement where ours has none."""
    seller: U63
    novated: BookedTrade
    reported: BookedTrade


class VenueDayClosed(Wire, frozen=True, tag=28):
    """A venue's day is reconciled, or (not `told`) its statement did not come in time."""

    venue: U63
    day: U63
    statement_complete: bool
    trades: U63
    """Novated of that day and kept."""
    unrecorded: U63
    """Novated beyond what is kept for a day: not compared."""
    lines: U63
    matched: U63
    missing_here: U63
    differing: U63
    missing_there: U63


class VenueSwitched(Wire, frozen=True, tag=33):
    """A venue was suspended, or let go on."""

    index: U32
    venue: U63
    suspended: bool


class TradeNovated(Wire, frozen=True, tag=8):
    """A trade became two trades with the house. `variation` is what the buyer received (marked), or paid (premium)."""

    index: U32
    """Of the transaction; `clearing.schema.receipts.trades.PENDING_INDEX` for a trade that was held before."""
    venue: U63
    venue_trade_id: U63
    instrument: U32
    buyer: U63
    seller: U63
    lots: U63
    ticks: U63
    mark_ticks: U63
    buyer_received: I64
    fee_each: U63
    venue_fee_each: U63 = 0
