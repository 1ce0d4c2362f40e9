"""Tests of a range or a margin: whether the number of exceedances fits its confidence, and how procyclical it was.

Rule: plain statistics of what was counted, with the source of each; no threshold is chosen after the fact. Floats are
fine here: nothing of this is agreed on by anybody.
"""

from collections.abc import Sequence
from math import erfc, exp, lgamma, log, log1p, sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

SIGNIFICANCE = 0.05


class Coverage(msgspec.Struct, frozen=True):
    """Exceedances of one series and their tests."""

    points: int
    exceeded: int
    expected: float
    frequency: float
    kupiec_ratio: float
    """Likelihood ratio of the proportion of failures, chi-squared with one degree of freedom."""
    kupiec_p: float
    """Two-sided: how likely a right range fares at least this badly."""
    too_many_p: float
    """One-sided, exact: how likely a right range lets through at least as many."""
    independence_p: float
    """Christoffersen: how likely exceedances cluster at least so much if they were independent."""

    @property
    def is_calibrated(self) -> bool:
        """Neither too many nor too few, at 5 %."""
        return self.kupiec_p >= SIGNIFICANCE

    @property
    def is_enough(self) -> bool:
        """Not too many, at 5 %."""
        return self.too_many_p >= SIGNIFICANCE


def coverage_of(exceeded: NDArray[np.bool_], probability: float) -> Coverage:
    """Judge a series of exceedances (in order of time) that each should have this probability."""
    points, count = int(exceeded.size), int(exceeded.sum())
    ratio = kupiec_ratio(points, count, probability)
    return Coverage(
        points=points,
        exceeded=count,
        expected=points * probability,
        frequency=count / points if points else 0.0,
        kupiec_ratio=ratio,
        kupiec_p=chi_squared_tail(ratio),
        too_many_p=at_least(points, count, probability),
        independence_p=chi_squared_tail(independence_ratio(exceeded)),
    )


def kupiec_ratio(points: int, exceeded: int, probability: float) -> float:
    """-2 ln of the likelihood at `probability` over that at the observed frequency. Kupiec (1995)."""
    if points == 0:
        return 0.0
    observed = exceeded / points
    return max(
        2.0 * (_log_likelihood(points, exceeded, observed) - _log_likelihood(points, exceeded, probability)), 0.0
    )


def independence_ratio(exceeded: NDArray[np.bool_]) -> float:
    """-2 ln of the likelihood without memory over that with one step of it. Christoffersen (1998)."""
    before, after = exceeded[:-1], exceeded[1:]
    calm, stressed = int((~before).sum()), int(before.sum())
    from_calm, from_stressed = int((~before & after).sum()), int((before & after).sum())
    if calm == 0 or stressed == 0:
        return 0.0
    pooled = (from_calm + from_stressed) / (calm + stressed)
    without = _log_likelihood(calm + stressed, from_calm + from_stressed, pooled)
    with_memory = _log_likelihood(calm, from_calm, from_calm / calm)
    with_memory += _log_likelihood(stressed, from_stressed, from_stressed / stressed)
    return max(2.0 * (with_memory - without), 0.0)


def chi_squared_tail(value: float) -> float:
    """P(X >= value), X chi-squared with one degree of freedom."""
    return erfc(sqrt(value / 2.0))


def at_least(points: int, count: int, probability: float) -> float:
    """P(X >= count), X binomial: terms summed from the likeliest side, each from its logarithm."""
    if count <= 0:
        return 1.0
    if count > points * probability:
        return min(sum(_binomial(points, successes, probability) for successes in range(count, points + 1)), 1.0)
    return max(1.0 - sum(_binomial(points, successes, probability) for successes in range(count)), 0.0)


def change_ratio(series: NDArray[np.int64], steps: int) -> float:
    """The largest factor by which a series grew within any `steps` points, from the lowest to a later value."""
    if series.size <= steps:
        return 1.0
    windows = np.lib.stride_tricks.sliding_window_view(series, steps + 1)
    return float((windows.max(axis=1) / windows[:, 0]).max())


def peak_to_trough(series: NDArray[np.int64]) -> float:
    """Largest over smallest value."""
    return float(series.max() / series.min()) if series.size else 1.0


def _log_likelihood(points: int, exceeded: int, probability: float) -> float:
    kept = points - exceeded
    hit = exceeded * log(probability) if exceeded else 0.0
    return hit + (kept * log1p(-probability) if kept else 0.0)


def _binomial(points: int, count: int, probability: float) -> float:
    ways = lgamma(points + 1) - lgamma(count + 1) - lgamma(points - count + 1)
    return exp(ways + count * log(probability) + (points - count) * log1p(-probability))


def years_of(times_s: Sequence[int]) -> NDArray[np.int64]:
    """The calendar year (UTC) of every time."""
    return np.array(times_s, "datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
