"""Receipts about trades: novations, mandates, session keys, pending trades, venue statements and venue switches.

Rule: a receipt reports; it never decides.
"""

from enum import IntEnum

from clearing.base.codec import I64, U32, U63, Bytes20, Wire

PENDING_INDEX = 2**32 - 1
"""In place of a transaction's index: a pending trade became due."""


class MandateChanged(Wire, frozen=True, tag=20):
    """An account's mandate to a venue is new, or revoked (`expires_ms` 0). Notional in micros."""

    index: U32
    account: U63
    venue: U63
    lots_max: U63
    notional_max: U63
    day_notional_max: U63
    expires_ms: U63
    nonce: U63


class SessionKeyChanged(Wire, frozen=True, tag=161):
    """A session key of an account is new or has new limits, or is revoked (`expires_ms` 0). Notional in micros."""

    index: U32
    account: U63
    key: Bytes20
    lots_max: U63
    notional_max: U63
    day_notional_max: U63
    expires_ms: U63
    nonce: U63


class BundledTradeRefused(Wire, frozen=True, tag=162):
    """One trade of the bundle at `index` was refused and changed nothing; the bundle's others are not affected.

    `number`: its place in the bundle, from 0. `values`: as in `Refused`.
    """

    index: U32
    number: U32
    venue: U63
    venue_trade_id: U63
    buyer: U63
    seller: U63
    code: U32
    at: str
    values: tuple[tuple[str, str], ...]


class TradePending(Wire, frozen=True, tag=21):
    """A trade is binding and pending until `due_ms`. Later changes name it by (venue, id, low, high)."""

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
    """A pending trade has new terms. `revision`: the new revision."""

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
    """A pending trade was cancelled and will not be novated."""

    index: U32
    venue: U63
    venue_trade_id: U63
    buyer: U63
    seller: U63


class TradeGivenUp(Wire, frozen=True, tag=24):
    """One side of a pending trade moved from `account` to `recipient`. `revision`: the new revision."""

    index: U32
    venue: U63
    venue_trade_id: U63
    account: U63
    recipient: U63
    revision: U32


class PendingTradeRefused(Wire, frozen=True, tag=25):
    """A pending trade could not be novated when due. `next_ms`: time of the next attempt; 0: it is dropped."""

    venue: U63
    venue_trade_id: U63
    buyer: U63
    seller: U63
    code: U32
    at: str
    values: tuple[tuple[str, str], ...]
    next_ms: U63


class StatementCompared(Wire, frozen=True, tag=26):
    """A part of a venue's statement was compared: how many of its lines match, are unknown here, or differ."""

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
    """In the statement, never novated for that day."""
    MISSING_THERE = 2
    """Novated, not in the statement."""
    DIFFERING = 3
    PENDING_HERE = 4
    """In the statement, still pending."""


class BookedTrade(Wire, frozen=True):
    """A trade as recorded in one book; all zeros when it is not recorded."""

    instrument: U32 = 0
    buyer: U63 = 0
    seller: U63 = 0
    lots: U63 = 0
    ticks: U63 = 0


class ReconciliationBreak(Wire, frozen=True, tag=27):
    """One difference between a venue's statement and the novated trades. Parties are those who traded at the venue."""

    venue: U63
    day: U63
    venue_trade_id: U63
    kind: BreakKind
    buyer: U63
    """As in our book, or in the statement where our book has no such trade."""
    seller: U63
    novated: BookedTrade
    reported: BookedTrade


class VenueDayClosed(Wire, frozen=True, tag=28):
    """A venue's day is reconciled, or its statement did not arrive in time (`statement_complete` is False)."""

    venue: U63
    day: U63
    statement_complete: bool
    trades: U63
    """Trades novated for that day and recorded."""
    unrecorded: U63
    """Trades novated beyond the number recorded per day; not compared."""
    lines: U63
    matched: U63
    missing_here: U63
    differing: U63
    missing_there: U63


class VenueSwitched(Wire, frozen=True, tag=33):
    """A venue was suspended or reinstated."""

    index: U32
    venue: U63
    suspended: bool


class TradeNovated(Wire, frozen=True, tag=8):
    """A trade was novated: it became two trades with the house. `buyer_received`: variation received (marked);
    negative: premium paid."""

    index: U32
    """Index of the transaction; `PENDING_INDEX` for a trade that was pending."""
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
