"""Records of trades: used trade ids, venues, mandates, session keys, pending trades, and a venue's days.

Rule: data only. A used id stays used, so that no trade is novated twice.
"""

from enum import IntEnum
from typing import NamedTuple, TypeAlias

from clearing.base.codec import U32, U63, Bytes20, Bytes32, Wire

TradeKey: TypeAlias = tuple[int, int, int, int]
"""(venue or label, trade id, lower account, higher account); both accounts 0 for a venue of genesis."""


class DueTrade(NamedTuple):
    """A pending trade in the order in which pending trades are novated."""

    due_ms: int
    key: TradeKey


class NovatedTradeRecord(Wire, frozen=True):
    """The id of a novated trade, remembered until the trade can no longer be submitted again."""

    not_after_ms: U63


class VenueState(Wire, frozen=True):
    """The state of a venue. Trade ids of chunks up to `top_chunk` minus the window are expired."""

    top_chunk: U63 = 0
    suspended: bool = False
    revision: U32 = 0
    """How often it was suspended or reinstated."""


class UsedTradeIdsRecord(Wire, frozen=True):
    """Which of 256 consecutive trade ids of a venue are used: bit id % 256 of a big-endian number."""

    used_bits: Bytes32


class MandateRecord(Wire, frozen=True):
    """What a venue may trade for an account, and how much of the day's limit is used."""

    lots_max: U63
    notional_max: U63
    day_notional_max: U63
    expires_ms: U63
    day: U63 = 0
    used_notional: U63 = 0
    """Micros of notional in `day`."""


class SessionKeyLimits(Wire, frozen=True):
    """What one session key may trade, and how much of the day's limit is used. As in `MandateRecord`."""

    key: Bytes20
    lots_max: U63
    notional_max: U63
    day_notional_max: U63
    expires_ms: U63
    day: U63 = 0
    used_notional: U63 = 0


class SessionKeysRecord(Wire, frozen=True):
    """The session keys of an account, ordered by key. They are good only while `named_by` is its trade key."""

    named_by: Bytes20
    keys: tuple[SessionKeyLimits, ...]


class PendingTradeRecord(Wire, frozen=True):
    """A trade that binds both sides and waits for its time."""

    instrument: U32
    buyer: U63
    seller: U63
    lots: U63
    ticks: U63
    traded_ms: U63
    executing_buyer: U63
    """The buyer at the venue, before any give-up."""
    executing_seller: U63
    due_ms: U63
    """Time of the next attempt to novate."""
    last_attempt_ms: U63
    """Time of the last attempt."""
    revision: U32 = 0


class VenueDayPhase(IntEnum):
    """Phase of a day's reconciliation."""

    OPEN = 0
    """The last part of the statement has not arrived."""
    CLOSING = 1
    """The statement is complete, or too late; the remaining breaks are being reported."""
    CLOSED = 2
    """Remembered so that nothing is reported twice."""


class VenueDay(Wire, frozen=True):
    """One day of one venue: trades novated, and the results of its statement so far."""

    trades: U63 = 0
    """How many are recorded; they are numbered from 0."""
    unrecorded: U63 = 0
    """How many more were novated than are recorded."""
    lines: U63 = 0
    parts: U32 = 0
    next_id: U63 = 0
    """The lowest id that the next line may have."""
    matched: U63 = 0
    missing_here: U63 = 0
    differing: U63 = 0
    missing_there: U63 = 0
    closed: U63 = 0
    phase: VenueDayPhase = VenueDayPhase.OPEN
    statement_complete: bool = False
    """Whether the statement was complete."""


class DayTrade(Wire, frozen=True):
    """A novated trade of a venue, until its statement contained it."""

    venue_trade_id: U63
    instrument: U32
    buyer: U63
    seller: U63
    lots: U63
    ticks: U63
