"""Medians by stake, and which reports are outliers.

Rule: pure functions of whole numbers. What half of the stake says cannot be dropped: the limit is never below the
median absolute deviation, within which lies at least half of the stake. It must not know feeds or the state.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clearing.base.units import PPM, mul_div_down


@dataclass(frozen=True, slots=True)
class WeightedReport:
    """What one validator says of one feed."""

    validator: int
    power: int
    ticks: int
    confidence_ticks: int


@dataclass(frozen=True, slots=True)
class FilteredReports:
    """Reports with the outliers apart."""

    kept: tuple[WeightedReport, ...]
    dropped: tuple[WeightedReport, ...]
    median_ticks: int
    deviation_ticks: int
    limit_ticks: int


def lower_median(weighted: Iterable[tuple[int, int]]) -> int:
    """The smallest value such that at least half of the weight is at or below it. Raises ValueError without weight."""
    ordered = sorted(weighted)
    whole = sum(weight for _, weight in ordered)
    below = 0
    for value, weight in ordered:
        below += weight
        if weight and 2 * below >= whole:
            return value
    raise ValueError("no weight to take a median of")


def upper_median(weighted: Iterable[tuple[int, int]]) -> int:
    """The largest value such that at least half of the weight is at or above it. Raises ValueError without weight."""
    return -lower_median((-value, weight) for value, weight in weighted)


def filter_outliers(reports: Sequence[WeightedReport], deviations: int, floor_ppm: int) -> FilteredReports:
    """Drop the reports further from the lower median than max(deviations x MAD, floor); exactly at it they are kept.

    MAD is the lower median by stake of |report - median|; when more than half of the stake says the same it is zero,
    and the floor, a fraction of the median rounded down, is what keeps honest small differences. `deviations` 0 drops
    nothing. Raises ValueError without weight. Source: Hampel's identifier, with stake for counts.
    """
    middle = lower_median((report.ticks, report.power) for report in reports)
    spread = lower_median((abs(report.ticks - middle), report.power) for report in reports)
    limit = max(deviations * spread, mul_div_down(middle, floor_ppm, PPM))
    if deviations == 0:
        return FilteredReports(tuple(reports), (), middle, spread, limit)
    kept = tuple(report for report in reports if abs(report.ticks - middle) <= limit)
    dropped = tuple(report for report in reports if abs(report.ticks - middle) > limit)
    return FilteredReports(kept, dropped, middle, spread, limit)
