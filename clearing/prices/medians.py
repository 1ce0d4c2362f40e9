"""Stake-weighted medians and the outlier filter.

Rule: pure functions of integers. A price that half of the stake reports cannot be dropped: the limit is at least the
median absolute deviation, and at least half of the stake is within it. It must not know feeds or the state.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clearing.base.units import PPM, mul_div_down


@dataclass(frozen=True, slots=True)
class WeightedReport:
    """One validator's report on one feed."""

    validator: int
    power: int
    ticks: int
    confidence_ticks: int


@dataclass(frozen=True, slots=True)
class FilteredReports:
    """The reports that are used and those dropped as outliers."""

    used: tuple[WeightedReport, ...]
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
    """Drop the reports further from the lower median than max(deviations x MAD, floor); those exactly at it are used.

    MAD is the stake-weighted lower median of |report - median|. When more than half of the stake reports the same price
    it is zero, and the floor, a fraction of the median rounded down, admits small honest differences. `deviations` 0
    drops nothing. Raises ValueError without weight. Source: Hampel's identifier, weighted by stake.
    """
    middle = lower_median((report.ticks, report.power) for report in reports)
    spread = lower_median((abs(report.ticks - middle), report.power) for report in reports)
    limit = max(deviations * spread, mul_div_down(middle, floor_ppm, PPM))
    if deviations == 0:
        return FilteredReports(tuple(reports), (), middle, spread, limit)
    used = tuple(report for report in reports if abs(report.ticks - middle) <= limit)
    dropped = tuple(report for report in reports if abs(report.ticks - middle) > limit)
    return FilteredReports(used, dropped, middle, spread, limit)
