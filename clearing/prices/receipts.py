"""Receipts about feeds: what was agreed, dropped, halted and reopened.

Rule: as in `clearing.receipts`, whose union they are part of: a receipt states, it never decides.
"""

from enum import IntEnum

from clearing.base.codec import I64, U32, U63, Wire


class FeedStatus(IntEnum):
    """What a feed's last good price may be used for."""

    UNOPENED = 0
    """No price has been agreed yet."""
    OPEN = 1
    STALE = 2
    """No quorum of fresh reports: no new risk, no liquidation."""
    HALTED = 3
    """Moved beyond the cap in one block: the same, until it holds still for some blocks."""


class Rung(IntEnum):
    """How far a feed without an open price has come down the ladder."""

    USABLE = 0
    NO_NEW_RISK = 1
    """Stale for a short while: the last good price may still reduce and liquidate positions, not open any."""
    NO_LIQUIDATION = 2
    """Neither trades nor liquidation: its positions and tokens wait."""
    SETTLED = 3
    """Its instruments were settled at the last good price, its tokens count for nothing."""


class PriceApplied(Wire, frozen=True, tag=1):
    """A feed's agreed index price moved."""

    feed: U32
    ticks: U63
    previous_ticks: U63
    reports: U32
    power: U63


class FeedChanged(Wire, frozen=True, tag=2):
    """A feed's status changed. `seen_ticks` is the median that led to it, 0 without a quorum."""

    feed: U32
    status: FeedStatus
    ticks: U63
    seen_ticks: U63


class RungChanged(Wire, frozen=True, tag=60):
    """A feed went to another rung of the ladder. `since_height`: the first block without an open price, 0 with one."""

    feed: U32
    rung: Rung
    ticks: U63
    """The last good price."""
    since_height: U63


class OutliersDropped(Wire, frozen=True, tag=61):
    """Reports too far from the others were left out. Without a quorum among the rest the feed has no price."""

    feed: U32
    median_ticks: U63
    """Of all reports that were fresh and certain."""
    deviation_ticks: U63
    """Their median absolute deviation from it."""
    limit_ticks: U63
    """The distance up to which reports were kept."""
    dropped: tuple[U32, ...]
    """Validators."""
    kept_power: U63
    quorum: bool


class AuctionOrderTaken(Wire, frozen=True, tag=66):
    """An order entered a reopening auction in place of the account's earlier one; zero lots: it was withdrawn."""

    index: U32
    account: U63
    instrument: U32
    lots: I64
    ticks: U63
    nonce: U63


class AuctionCleared(Wire, frozen=True, tag=67):
    """The orders in a perpetual crossed at one price when its feed reopened; each pair has a receipt of its trade."""

    instrument: U32
    ticks: U63
    index_ticks: U63
    """The median at which the feed reopened."""
    lots: U63
    """What crossed."""
    traded: U63
    """What of it both sides could carry."""
    surplus: I64
    """Lots left at the price; positive: buyers."""
    orders: U32
