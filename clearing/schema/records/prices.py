"""Records of prices: reports, feeds and their status, marks, premia, averages, orders and price ranges.

Rule: data only. Prices are in ticks; returns and deviations in 10^-9 of the price, variances in 10^-18, both per
observation interval.
"""

from enum import IntEnum

from clearing.base.codec import I64, U32, U63, U256Bytes, Wire
from clearing.schema.risk.history import HistoricalRequirement
from clearing.schema.risk.parameters import JointCredit


class VarianceRecord(Wire, frozen=True):
    """Statistics of one risk group's index."""

    variance: U63
    """Exponentially weighted forecast of the next return's variance."""
    long_variance: U63
    """Over the long look-back."""
    turbulence: U63 = 0
    """Exponentially weighted variance of the relative changes of the deviation itself, in 10^-18."""
    observations: U63 = 0
    price_ticks: U63 = 0
    """The last price observed; 0 before the first."""
    time_ms: U63 = 0
    """Time of that observation."""
    age_ms: U63 = 0
    """Average age of the oracle's reports."""


class GroupMove(Wire, frozen=True):
    """One return of one risk group, and the deviation forecast before it. A deviation of 0: not observed."""

    return_nano: I64
    deviation_nano: U63


class MovesRecord(Wire, frozen=True):
    """One observation: the moves of all risk groups, in their order."""

    time_ms: U63
    moves: tuple[GroupMove, ...]


class PublishedRangeRecord(Wire, frozen=True):
    """The range in force of one risk group, and all inputs it was computed from."""

    range_ppm: U32
    volatility_ppm: U32
    volatility_range_ppm: U32
    raw_ppm: U63
    """Multiple x current deviation over the horizon: the range whose coverage the backtest measures on both sides."""
    stressed_ppm: U63
    """The same with the stressed deviation."""
    floor_ppm: U63
    """The same with the deviation of the long look-back."""
    buffer_ppm: U32
    """What was added to the target; less than the whole buffer while stress releases it."""
    target_ppm: U63
    """Before speed limit and bounds."""
    multiple_ppm: U63
    horizon_ms: U63
    previous_ppm: U32
    ratio_ppm: U63
    """This range over the previous one, a measure of procyclicality."""
    lowest_ppm: U32
    """Over all ranges published so far."""
    highest_ppm: U32
    height: U63 = 0
    """Height of the block that published it."""


class RangeClockRecord(Wire, frozen=True):
    """Progress of observing and publishing."""

    samples: U63 = 0
    sampled_ms: U63 = 0
    published_height: U63 = 0


class ChainDelayRecord(Wire, frozen=True):
    """How late events on one chain are known here, in block time."""

    final_block: U63
    since_ms: U63
    """When a quorum first reported that block as final."""
    gap_ms: U63 = 0
    """Average time between two advances."""
    paid_ms: U63 = 0
    """Average time from a withdrawal's release to its execution; the fastest of an epoch counts."""
    fastest_ms: U63 = 0
    """The fastest of this epoch so far; 0: none."""


class JointScenariosRecord(Wire, frozen=True):
    """Joint scenarios in force, computed from the window and the ranges last published."""

    credit: JointCredit


class HistoricalMovesRecord(Wire, frozen=True):
    """Moves of history in force, computed from the window and the ranges last published."""

    requirement: HistoricalRequirement


class Mark(Wire, frozen=True):
    """The price that positions in an instrument were last settled at. `settled`: expired, and no longer marked."""

    ticks: U63
    settled: bool


class PriceReportRecord(Wire, frozen=True):
    """A validator's last report on one feed, until it is too old."""

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
    """Moved beyond the cap in one block: like STALE, until it is steady for some blocks."""


class PriceStatus(IntEnum):
    """What a feed without an open price may still be used for, in descending order."""

    USABLE = 0
    NO_NEW_RISK = 1
    """Stale for a short time: the last good price may reduce and liquidate positions, not open any."""
    NO_LIQUIDATION = 2
    """Neither trades nor liquidation: its positions and tokens wait."""
    SETTLED = 3
    """Its instruments were settled at the last good price; its tokens count for nothing."""


class FeedState(Wire, frozen=True):
    """A feed's last good price. After a halt: the price observed, and for how many blocks it was steady."""

    status: FeedStatus
    ticks: U63
    time_ms: U63
    """Block time at which `ticks` was agreed."""
    observed_ticks: U63 = 0
    steady_blocks: U32 = 0
    confidence_ticks: U63 = 0
    """Uncertainty of the reports behind `ticks`: their upper median, by stake."""
    price_status: PriceStatus = PriceStatus.USABLE
    since_height: U63 = 0
    """The first block without an open price; 0 while there is one."""
    halted_height: U63 = 0
    """The block that last halted it."""


class PremiumRecord(Wire, frozen=True):
    """A perpetual's premium and its accruing funding; all in ppb of the index."""

    premium_ppb: I64
    funding_paid_ms: U63
    """Block time at which funding was last paid, or began to accrue."""
    weighted_premium: I64 = 0
    """Sum of lots x premium over the trades that are not in the average yet."""
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
    """Height at which it was accepted."""


class AveragingRecord(Wire, frozen=True):
    """The part of an instrument's averaging window that agreed prices cover so far."""

    weighted_ticks: U256Bytes
    """Sum of ticks x milliseconds."""
    covered_ms: U63
