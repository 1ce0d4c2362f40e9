"""What the figures were measured on, and how busy it was."""

import os
import platform
from pathlib import Path

import msgspec
import psutil


class Machine(msgspec.Struct, frozen=True):
    """`load` is the average of the last minute: above `cores`, others were waiting for the processors too."""

    cpu: str
    cores: int
    memory_gib: float
    python: str
    system: str
    load: float

    def line(self) -> str:
        """For a terminal."""
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB, {self.system}, Python {self.python}, "
            f"load {self.load:.1f}"
        )


def this_machine() -> Machine:
    """As it is now."""
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()}",
        load=os.getloadavg()[0],
    )


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
