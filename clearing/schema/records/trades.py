"""Records of trades: used trade ids, venues, mandates, pending trades, and a venue's days.

Rule: data only. A used id stays used, so that no trade is novated twice.
"""

from enum import IntEnum

from clearing.base.codec import U32, U63, Bytes32, Wire


class NovatedTradeRecord(Wire, frozen=True):
    """A novated trade's id is remembered until the trade could no longer be shown again."""

    not_after_ms: U63


class VenueState(Wire, frozen=True):
    """What changes about a venue. Of its trade ids, those of chunks up to `top_chunk` - the window are over."""

    top_chunk: U63 = 0
    suspended: bool = False
    revision: U32 = 0
    """How often it was suspended or let go on."""


class UsedTradeIdsRecord(Wire, frozen=True):
    """Which of 256 consecutive trade ids of a venue are used up: bit id % 256 of a big-endian number."""

    used_bits: Bytes32


class MandateRecord(Wire, frozen=True):
    """What a venue may do for an account, and how much of the day's limit is used up."""

    lots_max: U63
    notional_max: U63
    day_notional_max: U63
    expires_ms: U63
    day: U63 = 0
    used_notional: U63 = 0
    """Micros of notional in `day`."""


class PendingTradeRecord(Wire, frozen=True):
    """A trade that both sides are bound to and that waits for its time."""

    instrument: U32
    buyer: U63
    seller: U63
    lots: U63
    ticks: U63
    traded_ms: U63
    executing_buyer: U63
    """Who bought at the venue, before any give-up."""
    executing_seller: U63
    due_ms: U63
    """When novation is tried next."""
    last_attempt_ms: U63
    """When it is tried for the last time."""
    revision: U32 = 0


class VenueDayPhase(IntEnum):
    """How far a day's reconciliation is."""

    OPEN = 0
    """No last part of a statement yet."""
    CLOSING = 1
    """The statement is complete, or too late; what is left over is being told."""
    CLOSED = 2
    """Kept so that nothing is told twice."""


class VenueDay(Wire, frozen=True):
    """One day of one venue: trades novated, and what its statement said of them so far."""

    trades: U63 = 0
    """How many were kept; they are numbered from 0."""
    unrecorded: U63 = 0
    """How many more were novated than are kept."""
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
    """A novated trade of a venue, until its statement has told it."""

    venue_trade_id: U63
    instrument: U32
    buyer: U63
    seller: U63
    lots: U63
    ticks: U63
