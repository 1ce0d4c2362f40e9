"""`Series`: one cost over sizes, its slope, the size at which it meets its limit, and what to do then.

Rule: costs are CPU time, bytes or virtual time, never the wall clock, so that a busy machine changes them little.
"""

import math
from collections.abc import Sequence

import msgspec

from benchmarks.slopes import exponent, last_exponent


class Point(msgspec.Struct, frozen=True):
    """One measurement."""

    size: int
    cost: float


class Series(msgspec.Struct, frozen=True):
    """A cost over growing sizes. `limit` and `remedy` say what gives way there, and what is done about it."""

    axis: str
    """What grows: accounts, validators, trades."""
    what: str
    unit: str
    points: tuple[Point, ...]
    limit: float
    remedy: str

    @property
    def exponent(self) -> float:
        """Of all points: 1 is linear."""
        return exponent([each.size for each in self.points], [each.cost for each in self.points])

    @property
    def last_exponent(self) -> float:
        """Of the two largest sizes."""
        return last_exponent([each.size for each in self.points], [each.cost for each in self.points])

    @property
    def wall(self) -> float:
        """The size at which the cost meets the limit: between two measured sizes, or beyond the last by its slope."""
        before = self.points[0]
        for point in self.points:
            if point.cost > self.limit:
                if point is before or point.cost <= before.cost:
                    return float(point.size)
                share = math.log(self.limit / before.cost) / math.log(point.cost / before.cost)
                return float(before.size * (point.size / before.size) ** share)
            before = point
        slope = self.last_exponent
        return float(before.size * (self.limit / before.cost) ** (1 / slope)) if slope > 0.02 else math.inf

    @property
    def is_measured(self) -> bool:
        """Whether the wall lies within the measured sizes."""
        return self.wall <= self.points[-1].size

    def line(self) -> str:
        """For a terminal."""
        costs = "  ".join(f"{figure(each.cost):>8}" for each in self.points)
        return (
            f"  {self.what + ', ' + self.unit:44} {costs}   slope {self.exponent:5.2f}, last {self.last_exponent:5.2f}"
            f"   {figure(self.limit)} at {rounded(self.wall)}"
        )


def first_wall(series: Sequence[Series]) -> Series:
    """The one that meets its limit at the smallest size."""
    return min(series, key=lambda each: each.wall)


def figure(value: float) -> str:
    """Three significant digits."""
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def rounded(size: float) -> str:
    """A size with two digits; beyond any sense: none."""
    if not math.isfinite(size) or size > 1e9:
        return "none"
    digits = max(0, len(str(int(size))) - 2)
    return f"{round(size, -digits):,.0f}"
