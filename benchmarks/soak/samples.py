"""What a process has of the machine, sample by sample, and whether that is flat.

Rule: memory and handles are judged by their slope after the warm-up; what is written to disk grows with the history and
is reported only.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import msgspec
import psutil

from benchmarks.figures import shown
from benchmarks.slopes import growth, slope

GROWTH_MAX = 0.05
"""Of the level, over all the time after the warm-up."""
WARM_UP_SHARE = 0.25
JUDGED = ("memory_mib", "workers_mib", "handles", "threads")
HANDLES_NOISE = 4
"""Connections of clients that come and go: a rise of fewer handles or threads than this is none."""


class Sample(msgspec.Struct, frozen=True):
    """One process and its workers at one moment."""

    second: float
    """Since the load began."""
    memory_mib: float
    """Private to the process: freed if it ended."""
    resident_mib: float
    workers_mib: float
    """Private to its child processes, together."""
    handles: int
    threads: int
    disk_mib: float
    """Of its folder."""
    height: int
    cpu_seconds: float


class Trend(msgspec.Struct, frozen=True):
    """One figure of one node, after the warm-up."""

    node: str
    figure: str
    level: float
    """The median."""
    per_hour: float
    growth: float
    """What the slope adds over the measured time, as a share of the level."""
    judged: bool
    flat: bool

    def line(self) -> str:
        """For a terminal."""
        verdict = ("flat" if self.flat else "GROWS") if self.judged else ""
        return (
            f"  {self.node:6} {self.figure:14} level {shown(self.level):>9}   {self.per_hour:+12.3f} an hour"
            f"   {100 * self.growth:+8.2f} %  {verdict}"
        )


def take(process: psutil.Process, folder: Path, second: float, height: int) -> Sample:
    """Raises psutil.Error when the process has ended."""
    memory = process.memory_full_info()
    times = process.cpu_times()
    workers = 0
    for child in process.children(recursive=True):
        try:
            workers += child.memory_full_info().uss
        except psutil.Error:
            continue
    return Sample(
        second=round(second, 1),
        memory_mib=round(memory.uss / 2**20, 2),
        resident_mib=round(memory.rss / 2**20, 2),
        workers_mib=round(workers / 2**20, 2),
        handles=process.num_fds(),
        threads=process.num_threads(),
        disk_mib=round(_folder_bytes(folder) / 2**20, 2),
        height=height,
        cpu_seconds=round(times.user + times.system, 2),
    )


def _folder_bytes(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).stat().st_size
            except OSError:
                continue
    return total


def trends(node: str, samples: Sequence[Sample]) -> Iterator[Trend]:
    """All figures of a node, of the samples after the warm-up."""
    end = max(each.second for each in samples)
    warm = [each for each in samples if each.second >= WARM_UP_SHARE * end]
    times = [each.second for each in warm]
    for figure in (
        "memory_mib",
        "resident_mib",
        "workers_mib",
        "handles",
        "threads",
        "disk_mib",
        "height",
        "cpu_seconds",
    ):
        values = [float(getattr(each, figure)) for each in warm]
        share, per_hour = growth(times, values), 3600 * slope(times, values)
        rise = per_hour / 3600 * (times[-1] - times[0])
        counted = figure in ("handles", "threads")
        flat = share <= GROWTH_MAX or (counted and rise < HANDLES_NOISE)
        yield Trend(node, figure, median(values), per_hour, share, figure in JUDGED, flat)
