"""What every benchmark gives: named figures with a unit, a spread, and the goal and peer to hold them against.

Rule: a figure says what was measured; whether that is good is for its reader, who sees the goal beside it.
"""

import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import msgspec

from benchmarks.machine import this_machine


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measurement. `low` and `high` are the extremes of the repetitions behind `value`, where there were some."""

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    goal: str = ""
    """Of the design, in the figure's unit."""
    peer: str = ""
    """The same elsewhere."""

    def line(self) -> str:
        """For a terminal."""
        spread = "" if self.low is None or self.high is None else f"[{shown(self.low)} … {shown(self.high)}]"
        beside = "   ".join(
            part
            for part in (f"goal {self.goal}" if self.goal else "", f"peer {self.peer}" if self.peer else "")
            if part
        )
        return f"  {self.name:58} {shown(self.value):>12} {self.unit:6} {spread:24} {beside}".rstrip()


def print_measured(measured: Callable[[int], Sequence[Figure]], size: int) -> None:
    """For a terminal: the machine, and figures at the size that the command line names, or else at this one."""
    print(this_machine().line())
    for figure in measured(int(sys.argv[1]) if len(sys.argv) > 1 else size):
        print(figure.line())


def shown(value: float) -> str:
    """Three significant digits, no exponent."""
    if not math.isfinite(value):
        return "-"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 or value == int(value) else f"{value:.1f}" if size >= 10 else f"{value:.3g}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies; nan when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan


def repeated(run: Callable[[], object], repetitions: int) -> list[float]:
    """Seconds of each repetition."""
    times = []
    for _ in range(repetitions):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return times


def of_times(name: str, seconds: Sequence[float], unit: str = "ms", goal: str = "", peer: str = "") -> Figure:
    """Median with extremes of measured seconds, in `unit` (s, ms or us)."""
    scale = {"s": 1.0, "ms": 1e3, "us": 1e6}[unit]
    scaled = [each * scale for each in seconds]
    return Figure(name, statistics.median(scaled), unit, min(scaled), max(scaled), goal, peer)
