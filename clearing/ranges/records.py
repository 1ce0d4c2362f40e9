"""What the state remembers about moves: variances, returns, delays, and the ranges that followed from them.

Rule: data only. Returns and deviations are in 10^-9 of the price, variances in 10^-18, both per observation interval.
"""

from clearing.base.codec import I64, U32, U63, Wire
from clearing.margin.joint import JointCredit


class Variance(Wire, frozen=True):
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


class Move(Wire, frozen=True):
    """One return of one risk group, and the deviation that was expected before it. A deviation of 0: not observed."""

    return_nano: I64
    deviation_nano: U63


class Moves(Wire, frozen=True):
    """One observation: the moves of all risk groups, in their order."""

    time_ms: U63
    moves: tuple[Move, ...]


class PublishedRange(Wire, frozen=True):
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


class RangeClock(Wire, frozen=True):
    """How far observing and publishing have come."""

    samples: U63 = 0
    sampled_ms: U63 = 0
    published_height: U63 = 0


class ChainDelay(Wire, frozen=True):
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


class JointHeld(Wire, frozen=True):
    """Joint scenarios in force, out of the window and the ranges last published."""

    credit: JointCredit
