"""How much a price moves: returns, exponentially weighted variance, and the deviation over a span of time.

Rule: integers, every rounding away from calm (variances and deviations up, returns away from zero). A return over a
longer gap than the interval counts as that of one interval, shrunk by the square root of time. It must not know ranges.
"""

from math import isqrt

import msgspec

from clearing.base.units import PPM, mul_div_up
from clearing.ranges.records import Move, Variance

NANO = 1_000_000_000
RETURN_MAX_NANO = 2 * NANO
"""A move beyond 200 % counts as 200 %: its square stays below 2^62."""
VARIANCE_MAX = RETURN_MAX_NANO**2


def sqrt_up(value: int) -> int:
    """Integer square root, rounded up. `value` >= 0."""
    return isqrt(value - 1) + 1 if value > 0 else 0


def next_variance(variance: int, return_nano: int, decay_ppm: int) -> int:
    """decay x variance + (1 - decay) x return^2, rounded up: the RiskMetrics recursion."""
    return -(-(variance * decay_ppm + return_nano * return_nano * (PPM - decay_ppm)) // PPM)


def deviation_over(variance: int, span_ms: int, interval_ms: int) -> int:
    """Deviation over a span, in 10^-9: the square root of variance x span / interval, rounded up."""
    return sqrt_up(mul_div_up(variance, span_ms, interval_ms))


def first_variance(range_ppm: int, multiple_ppm: int, horizon_ms: int, interval_ms: int) -> Variance:
    """The variance with which the first raw range is the one that genesis states."""
    deviation = mul_div_up(range_ppm * (NANO // PPM), PPM, multiple_ppm)
    variance = min(mul_div_up(deviation * deviation, interval_ms, horizon_ms), VARIANCE_MAX)
    return Variance(variance, variance)


def return_of(before_ticks: int, ticks: int, gap_ms: int, interval_ms: int) -> int:
    """The return from one price to the next as one of a single interval, in 10^-9, rounded away from zero, capped.

    `gap_ms` is at least `interval_ms`; both prices are positive.
    """
    size = min(mul_div_up(abs(ticks - before_ticks), NANO, before_ticks), RETURN_MAX_NANO)
    if gap_ms > interval_ms:
        size = deviation_over(size * size, interval_ms, gap_ms)
    return size if ticks >= before_ticks else -size


def observe(
    held: Variance, ticks: int, time_ms: int, *, interval_ms: int, decay_ppm: int, floor_samples: int
) -> tuple[Variance, Move]:
    """Take in a price. Returns what is known now and the move, with the deviation that was expected *before* it.

    The first price gives a move that is marked as not observed.
    """
    if held.price_ticks == 0:
        return msgspec.structs.replace(held, price_ticks=ticks, time_ms=time_ms), Move(0, 0)
    moved = return_of(held.price_ticks, ticks, time_ms - held.time_ms, interval_ms)
    expected = max(sqrt_up(held.variance), 1)
    variance = next_variance(held.variance, moved, decay_ppm)
    change = mul_div_up(abs(sqrt_up(variance) - expected), NANO, expected)
    weight = min(held.observations + 2, floor_samples)
    seen = Variance(
        variance=variance,
        long_variance=-(-(held.long_variance * (weight - 1) + moved * moved) // weight),
        turbulence=next_variance(held.turbulence, min(change, RETURN_MAX_NANO), decay_ppm),
        observations=held.observations + 1,
        price_ticks=ticks,
        time_ms=time_ms,
        age_ms=held.age_ms,
    )
    return seen, Move(moved, expected)
