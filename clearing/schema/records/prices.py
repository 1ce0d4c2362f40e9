"""Records of prices: reports, feeds and their status, marks, premia, averages, orders and price ranges.

Rule: data only. Prices are in ticks; returns and deviations in 10^-9 of the price, variances in 10^-18, both per
observation interval.
"""

from enum import IntEnum

from clearing.base.codec import I64, U32, U63, U256Bytes, Wire
from clearing.schema.risk.parameters import JointCredit


class VarianceRecord(Wire, frozen=True):
    """What one risk group's index did so far."""

    variance: U63
    """Exponentially weighted, of the next return."""
    long_variance: U63
    """Over the long look-back."""
    turbulence: U63 = 0
    """Exponentially weighted variance of the relative changes of the deviation itself, in 10^-18."""
    observations: U63 = 0
    price_ticks: U63 = 0
    """The last price observed, 0 before the first."""
    time_ms: U63 = 0
    """When."""
    age_ms: U63 = 0
    """Average age of the oracle's reports."""


class GroupMove(Wire, frozen=True):
    """One return of one risk group, and the deviation that was expected before it. A deviation of 0: not observed."""

    return_nano: I64
    deviation_nano: U63


class MovesRecord(Wire, frozen=True):
    """One observation: the moves of all risk groups, in their order."""

    time_ms: U63
    moves: tuple[GroupMove, ...]


class PublishedRangeRecord(Wire, frozen=True):
    """What is in force for one risk group, and everything that it was made of."""

    range_ppm: U32
    volatility_ppm: U32
    volatility_range_ppm: U32
    raw_ppm: U63
    """Multiple x current deviation over the horizon: what the backtest holds to its confidence on both sides."""
    stressed_ppm: U63
    """The same with the stressed deviation."""
    floor_ppm: U63
    """The same with the deviation of the long look-back."""
    buffer_ppm: U32
    """What was added to the target: less than the whole buffer while stress uses it up."""
    target_ppm: U63
    """Before speed limit and bounds."""
    multiple_ppm: U63
    horizon_ms: U63
    previous_ppm: U32
    ratio_ppm: U63
    """This range over the previous one: how procyclical the last step was."""
    lowest_ppm: U32
    """Of all ranges published so far."""
    highest_ppm: U32
    height: U63 = 0
    """Of the block that published it."""


class RangeClockRecord(Wire, frozen=True):
    """How far observing and publishing have come."""

    samples: U63 = 0
    sampled_ms: U63 = 0
    published_height: U63 = 0


class ChainDelayRecord(Wire, frozen=True):
    """How late what happens on one chain is known here, in block time."""

    final_block: U63
    since_ms: U63
    """When a quorum first held that block final."""
    gap_ms: U63 = 0
    """Average time between two advances."""
    paid_ms: U63 = 0
    """Average time from a withdrawal's release to its execution; the fastest of an epoch counts."""
    fastest_ms: U63 = 0
    """The fastest of this epoch so far; 0: none."""


class JointScenariosRecord(Wire, frozen=True):
    """Joint scenarios in force, out of the window and the ranges last published."""

    credit: JointCredit


class Mark(Wire, frozen=True):
    """The price that positions in an instrument were last settled at. `settled`: expired, and no longer marked."""

    ticks: U63
    settled: bool


class PriceReportRecord(Wire, frozen=True):
    """A validator's last report on one feed, kept until it is too old."""

    power: U63
    ticks: U63
    confidence_ticks: U63
    time_ms: U63


class FeedStatus(IntEnum):
    """What a feed's last good price may be used for."""

    UNOPENED = 0
    """No price has been agreed yet."""
    OPEN = 1
    STALE = 2
    """No quorum of fresh reports: no new risk, no liquidation."""
    HALTED = 3
    """Moved beyond the cap in one block: the same, until it holds still for some blocks."""


class PriceStatus(IntEnum):
    """How far a feed without an open price has come down the ladder."""

    USABLE = 0
    NO_NEW_RISK = 1
    """Stale for a short while: the last good price may still reduce and liquidate positions, not open any."""
    NO_LIQUIDATION = 2
    """Neither trades nor liquidation: its positions and tokens wait."""
    SETTLED = 3
    """Its instruments were settled at the last good price, its tokens count for nothing."""


class FeedState(Wire, frozen=True):
    """A feed's last good price, and on the way back from a halt the price seen and for how many blocks it held."""

    status: FeedStatus
    ticks: U63
    time_ms: U63
    """Block time at which `ticks` was agreed."""
    observed_ticks: U63 = 0
    steady_blocks: U32 = 0
    confidence_ticks: U63 = 0
    """How uncertain the reports behind `ticks` were: their upper median, by stake."""
    price_status: PriceStatus = PriceStatus.USABLE
    since_height: U63 = 0
    """The first block without an open price; 0 while there is one."""
    halted_height: U63 = 0
    """The block that halted it last."""


class PremiumRecord(Wire, frozen=True):
    """A perpetual's premium and the funding that is accruing; all in ppb of the index."""

    premium_ppb: I64
    funding_paid_ms: U63
    """Block time at which funding was last paid, or began to accrue."""
    weighted_premium: I64 = 0
    """Sum of lots x premium over the trades that the average has not taken in yet."""
    volume: U63 = 0
    """Their lots."""
    funding_weighted: I64 = 0
    """Sum of premium x milliseconds since funding was last paid."""
    funding_ms: U63 = 0
    """How much of that time agreed prices covered."""


class AuctionOrder(Wire, frozen=True):
    """An order in a reopening auction: positive lots buy, negative sell, at `ticks` or better."""

    lots: I64
    ticks: U63
    height: U63
    """When it was taken in."""


class AveragingRecord(Wire, frozen=True):
    """The part of an instrument's averaging window that agreed prices cover so far."""

    weighted_ticks: U256Bytes
    """Sum of ticks x milliseconds."""
    covered_ms: U63
