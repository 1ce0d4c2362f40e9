"""What a check took: seconds of the wall and of the processor, and the most memory the process ever had at once.

Rule: for people and monitoring only; no verdict depends on it. The peak is of the whole process, which a command is.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Spent:
    """Since the meter was made; the memory since the process began."""

    seconds: float
    cpu_seconds: float
    """Of all threads of the process."""
    peak_bytes: int
    """0 where the system does not say."""


class Meter:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> Spent:
        """So far."""
        return Spent(time.perf_counter() - self._began, time.process_time() - self._cpu, peak_bytes())


def peak_bytes() -> int:
    """The peak of this process's resident memory in bytes; 0 where the system does not say."""
    try:
        # On Linux the peak of `getrusage` may be that of the process which started this one.
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    try:
        from resource import RUSAGE_SELF, getrusage  # not on Windows
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1 << 10
    return getrusage(RUSAGE_SELF).ru_maxrss * unit
