"""Receipts about feeds and price ranges: what was agreed, dropped, halted, reopened and published.

Rule: a receipt states, it never decides.
"""

from clearing.base.codec import I64, U32, U63, Wire
from clearing.schema.records.prices import FeedStatus, PriceStatus


class PriceApplied(Wire, frozen=True, tag=1):
    """A feed's agreed index price moved."""

    feed: U32
    ticks: U63
    previous_ticks: U63
    reports: U32
    power: U63


class FeedStatusChanged(Wire, frozen=True, tag=2):
    """A feed's status changed. `seen_ticks` is the median that led to it, 0 without a quorum."""

    feed: U32
    status: FeedStatus
    ticks: U63
    observed_ticks: U63


class PriceStatusChanged(Wire, frozen=True, tag=60):
    """A feed went to another rung of the ladder. `since_height`: the first block without an open price, 0 with one."""

    feed: U32
    price_status: PriceStatus
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
    imbalance: I64
    """Lots left at the price; positive: buyers."""
    orders: U32


class RangePublished(Wire, frozen=True, tag=80):
    """A risk group's price range or volatility changed. `ratio_ppm` is how much by: the range over the previous one.

    `raw_ppm` is what current deviations alone would ask for, `target_ppm` what it will come to within the speed limit,
    and `buffer_ppm` what the target holds beyond need, to be used up in stress.
    """

    group: U32
    range_ppm: U32
    previous_ppm: U32
    ratio_ppm: U63
    raw_ppm: U63
    target_ppm: U63
    buffer_ppm: U32
    volatility_ppm: U32
    volatility_range_ppm: U32
    horizon_ms: U63
    """Time to close out, with what late chains and old reports add."""
