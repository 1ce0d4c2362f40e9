"""Receipts about feeds and price ranges: prices, dropped reports, halts, reopenings and published ranges.

Rule: a receipt reports; it never decides.
"""

from clearing.base.codec import I64, U32, U63, Wire
from clearing.schema.records.prices import FeedStatus, PriceStatus


class PriceApplied(Wire, frozen=True, tag=1):
    """A feed's agreed index price changed."""

    feed: U32
    ticks: U63
    previous_ticks: U63
    reports: U32
    power: U63


class FeedStatusChanged(Wire, frozen=True, tag=2):
    """A feed's status changed. `observed_ticks`: the median that caused it; 0 without a quorum."""

    feed: U32
    status: FeedStatus
    ticks: U63
    observed_ticks: U63


class PriceStatusChanged(Wire, frozen=True, tag=60):
    """A feed's price status changed. `since_height`: the first block without an open price; 0 with one."""

    feed: U32
    price_status: PriceStatus
    ticks: U63
    """Last good price."""
    since_height: U63


class OutliersDropped(Wire, frozen=True, tag=61):
    """Outlying reports were dropped. Without a quorum among the rest the feed has no price."""

    feed: U32
    median_ticks: U63
    """Median of all reports that are fresh and certain enough."""
    deviation_ticks: U63
    """Median absolute deviation of the reports from it."""
    limit_ticks: U63
    """Largest distance of a report that is used."""
    dropped: tuple[U32, ...]
    """Validators."""
    kept_power: U63
    quorum: bool


class AuctionOrderTaken(Wire, frozen=True, tag=66):
    """An order entered a reopening auction. It replaces the account's earlier one; zero lots: it was withdrawn."""

    index: U32
    account: U63
    instrument: U32
    lots: I64
    ticks: U63
    nonce: U63


class AuctionCleared(Wire, frozen=True, tag=67):
    """The orders in a perpetual crossed at one price when its feed reopened. Each pair has a receipt of its trade."""

    instrument: U32
    ticks: U63
    index_ticks: U63
    """The median at which the feed reopened."""
    lots: U63
    """Lots that crossed."""
    traded: U63
    """Lots of these that both sides could margin."""
    imbalance: I64
    """Lots left over at the price; positive: buyers."""
    orders: U32


class RangePublished(Wire, frozen=True, tag=80):
    """A risk group's price range or volatility changed. `ratio_ppm`: the new range over the previous one.

    `raw_ppm` is the range by current deviations alone, `target_ppm` the range that it approaches within the speed
    limit, and `buffer_ppm` the part of the target above the need, which is released in stress.
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
    """Time to close out, plus the delay of chains and the age of reports."""
