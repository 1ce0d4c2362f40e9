"""Slopes: of a figure in time, and of a cost in size.

Rule: both are robust. One sample that a busy machine spoiled moves a median of slopes little.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import median

POINTS_MAX = 400
"""Of one series; a longer one is thinned evenly, because slopes are taken of all pairs."""


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Theil and Sen: the median slope of all pairs of points; nan for fewer than two different times."""
    found = list(_slopes(_thinned(list(zip(times, values, strict=True)))))
    return median(found) if found else math.nan


def growth(times: Sequence[float], values: Sequence[float]) -> float:
    """What the slope adds from the first time to the last, as a share of the median value; 0 for a series of zeros."""
    level = median(values)
    rise = slope(times, values) * (max(times) - min(times))
    return rise / level if level else (0.0 if not rise else math.inf)


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The slope of log cost over log size: 1 is linear, 0 is constant. Sizes and costs above zero."""
    return slope([math.log(size) for size in sizes], [math.log(cost) for cost in costs])


def last_exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent between the two largest sizes, where fixed costs weigh least."""
    (low, at_low), (high, at_high) = sorted(zip(sizes, costs, strict=True))[-2:]
    return math.log(at_high / at_low) / math.log(high / low)


def _slopes(points: Sequence[tuple[float, float]]) -> Iterator[float]:
    for (x, y), (later, z) in combinations(points, 2):
        if later != x:
            yield (z - y) / (later - x)


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    step = -(-len(points) // POINTS_MAX)
    return points[:: max(1, step)]
