"""Variance and filtered history: how much a price moves, and what past moves imply for the next one.

Rule: integers, every rounding towards more risk. A past return is scaled by deviation now / deviation then (filtered
historical simulation; Barone-Adesi, Giannopoulos and Vosper). A return over a gap longer than the interval is scaled
down by the square root of time. Quantiles and shortfalls use only observed moves. This module must not know ranges.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import isqrt

import msgspec

from clearing.base.units import PPM, mul_div_up
from clearing.schema.records.prices import GroupMove, VarianceRecord

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


def first_variance(range_ppm: int, multiple_ppm: int, horizon_ms: int, interval_ms: int) -> VarianceRecord:
    """The variance for which the first raw range equals the range of genesis."""
    deviation = mul_div_up(range_ppm * (NANO // PPM), PPM, multiple_ppm)
    variance = min(mul_div_up(deviation * deviation, interval_ms, horizon_ms), VARIANCE_MAX)
    return VarianceRecord(variance, variance)


def interval_return_nano(before_ticks: int, ticks: int, gap_ms: int, interval_ms: int) -> int:
    """The return from one price to the next, scaled to a single interval, in 10^-9, rounded away from zero, capped.

    `gap_ms` is at least `interval_ms`; both prices are positive.
    """
    size = min(mul_div_up(abs(ticks - before_ticks), NANO, before_ticks), RETURN_MAX_NANO)
    if gap_ms > interval_ms:
        size = deviation_over(size * size, interval_ms, gap_ms)
    return size if ticks >= before_ticks else -size


def observe_price(
    variance_record: VarianceRecord, ticks: int, time_ms: int, *, interval_ms: int, decay_ppm: int, floor_samples: int
) -> tuple[VarianceRecord, GroupMove]:
    """Add a price. Returns the new statistics and the move, with the deviation that was forecast *before* it.

    The move of the first price is marked as not observed.
    """
    if variance_record.price_ticks == 0:
        return msgspec.structs.replace(variance_record, price_ticks=ticks, time_ms=time_ms), GroupMove(0, 0)
    moved = interval_return_nano(variance_record.price_ticks, ticks, time_ms - variance_record.time_ms, interval_ms)
    expected = max(sqrt_up(variance_record.variance), 1)
    variance = next_variance(variance_record.variance, moved, decay_ppm)
    change = mul_div_up(abs(sqrt_up(variance) - expected), NANO, expected)
    weight = min(variance_record.observations + 2, floor_samples)
    updated = VarianceRecord(
        variance=variance,
        long_variance=-(-(variance_record.long_variance * (weight - 1) + moved * moved) // weight),
        turbulence=next_variance(variance_record.turbulence, min(change, RETURN_MAX_NANO), decay_ppm),
        observations=variance_record.observations + 1,
        price_ticks=ticks,
        time_ms=time_ms,
        age_ms=variance_record.age_ms,
    )
    return updated, GroupMove(moved, expected)


MULTIPLE_MAX_PPM = 100 * PPM
"""A move beyond a hundred deviations counts as a hundred."""


def rescale_returns(returns: Sequence[int], deviations: Sequence[int], deviation: int) -> list[int]:
    """Each return times `deviation` over the deviation of its time, rounded away from zero.

    Raises ValueError when the lengths differ or a deviation is not positive.
    """
    return [rescaled_return(r, then, deviation) for r, then in zip(returns, deviations, strict=True)]


def rescaled_return(return_nano: int, then_nano: int, now_nano: int) -> int:
    """One return times the deviation now over that of its time, rounded away from zero."""
    size = mul_div_up(abs(return_nano), now_nano, then_nano)
    return size if return_nano >= 0 else -size


def spanned_move(run: Sequence[GroupMove]) -> GroupMove | None:
    """Consecutive moves combined: their sum, and the deviation before the first scaled by the root of time.

    None when one of them was not observed.
    """
    if any(move.deviation_nano == 0 for move in run):
        return None
    return GroupMove(sum(move.return_nano for move in run), deviation_over(run[0].deviation_nano ** 2, len(run), 1))


def spanned_moves(moves: Sequence[GroupMove], steps: int) -> list[GroupMove]:
    """Every run of `steps` consecutive moves, combined. `moves` in order of time.

    Over many steps volatility returns to its mean, which the root of time ignores. So the quantile is of the moves over
    the whole horizon.
    """
    if steps == 1:
        return [move for move in moves if move.deviation_nano]
    returns = [0, *accumulate(move.return_nano for move in moves)]
    missing = [0, *accumulate(move.deviation_nano == 0 for move in moves)]
    return [
        GroupMove(returns[at + steps] - returns[at], deviation_over(moves[at].deviation_nano ** 2, steps, 1))
        for at in range(len(moves) - steps + 1)
        if missing[at + steps] == missing[at]
    ]


def standardised_move(move: GroupMove) -> int:
    """The move's size in millionths of the forecast deviation, rounded up, at most a hundred deviations."""
    return min(mul_div_up(abs(move.return_nano), PPM, move.deviation_nano), MULTIPLE_MAX_PPM)


def quantile_up(ordered: Sequence[int], confidence_ppm: int) -> int:
    """The value at rank ceil(confidence x (n + 1)) of n rising values, or the largest.

    The next of n + 1 exchangeable values is at or below it with at least that confidence (if n is large enough).
    Counting the next value corrects the bias of a short window. Raises ValueError for no values.
    """
    if not ordered:
        raise ValueError("no values to take a quantile of")
    rank = mul_div_up(len(ordered) + 1, confidence_ppm, PPM)
    return ordered[min(max(rank, 1), len(ordered)) - 1]


def deviation_multiple(ordered: Sequence[int], confidence_ppm: int) -> int:
    """The quantile of rising standardised moves, at least one deviation: constant prices prove nothing."""
    return max(quantile_up(ordered, confidence_ppm), PPM)


def expected_shortfall(losses: Iterable[int], tail: int) -> int:
    """The mean of the `tail` largest losses, rounded up; gains count as negative losses.

    Convention: a count, not a probability, so no loss counts in part. With fewer losses than `tail` all count. Raises
    ValueError without losses or with `tail` < 1.
    """
    worst = sorted(losses, reverse=True)[:tail]
    if tail < 1 or not worst:
        raise ValueError("expected shortfall needs losses and a tail of at least one")
    return -(-sum(worst) // len(worst))
