"""What a node needs of its machine: room, a disk that syncs, open files, memory, a clock that is set.

Rule: reading and judging are apart, so that each limit can be tested on any machine. A reading that this system does
not give is printed, and is no warning.
"""

import ctypes
import os
import resource
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bridge.probe.findings import Examined, Finding, fault, ok, warning

SYNCS = 24
_BLOCK = bytes(4096)
_GIB = 1 << 30
_UNSYNCHRONISED = 0x40
"""STA_UNSYNC of adjtimex(2)."""


@dataclass(frozen=True, slots=True)
class MachineReadings:
    """Of one machine and one folder. None: this system does not say."""

    free_bytes: int
    """On the disk of the home."""
    sync_ms: float
    """Median time of writing 4 KiB and `fdatasync`."""
    open_files: int
    """How many a process may open."""
    memory_bytes: int | None
    """What could be given to a new process."""
    clock_error_ms: float | None
    """How far off the clock may be, as the kernel says; infinite when nothing sets it."""


def read_machine(home: Path) -> MachineReadings:
    """Read all; a file is written into the home for a moment. Raises OSError for a home that cannot be written."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MachineReadings(
        free_bytes=shutil.disk_usage(home).free,
        sync_ms=_sync_ms(home),
        open_files=1 << 20 if limit == resource.RLIM_INFINITY else limit,
        memory_bytes=_available_memory(Path("/proc/meminfo")),
        clock_error_ms=_clock_error_ms(),
    )


def judge_machine(readings: MachineReadings) -> Examined:
    """Every reading against its limit."""
    findings = (
        _judge_room(readings.free_bytes),
        _judge_sync(readings.sync_ms),
        _judge_files(readings.open_files),
        _judge_memory(readings.memory_bytes),
        _judge_clock(readings.clock_error_ms),
    )
    return Examined("this machine", findings)


def _judge_room(free: int) -> Finding:
    found = f"{free / _GIB:.1f} GiB free"
    if free < _GIB:
        return fault("disk", found, "Make room: a node stops when it cannot write.")
    if free < 20 * _GIB:
        return warning("disk", found, "Blocks, receipts and packages grow: see to 20 GiB or more.")
    return ok("disk", found)


def _judge_sync(sync_ms: float) -> Finding:
    found = f"{sync_ms:.1f} ms to write 4 KiB durably"
    if sync_ms > 100:
        return fault("sync", found, "Use a local solid-state disk: every height waits for several such writes.")
    if sync_ms > 10:
        return warning("sync", found, "Use a faster disk: every height waits for several such writes.")
    return ok("sync", found)


def _judge_files(limit: int) -> Finding:
    found = f"{limit} files may be open"
    if limit < 256:
        return fault("open files", found, "Raise the limit to 4096 (ulimit -n, or LimitNOFILE of the unit).")
    if limit < 4096:
        return warning("open files", found, "Raise the limit to 4096: each peer and each API client needs one.")
    return ok("open files", found)


def _judge_memory(available: int | None) -> Finding:
    if available is None:
        return ok("memory", "this system does not say")
    found = f"{available / _GIB:.1f} GiB available"
    if available < _GIB // 2:
        return fault("memory", found, "A node needs half a GiB, and 2 GiB more where it proves epochs.")
    if available < 5 * _GIB // 2:
        return warning("memory", found, "Proving epochs needs 2 GiB beside the node: add some, or don't prove.")
    return ok("memory", found)


def _judge_clock(error_ms: float | None) -> Finding:
    if error_ms is None:
        return ok("clock", "this system does not say")
    if error_ms == float("inf"):
        advice = "Run a time service (chrony, systemd-timesyncd): blocks ahead of the clock get no vote."
        return warning("clock", "nothing sets it", advice)
    found = f"at most {error_ms:.0f} ms off"
    return ok("clock", found) if error_ms < 1_000 else warning("clock", found, "Look at the time service.")


def _sync_ms(home: Path) -> float:
    times = []
    descriptor, name = tempfile.mkstemp(dir=home, prefix=".doctor-")
    try:
        for number in range(SYNCS):
            began = time.perf_counter()
            os.pwrite(descriptor, _BLOCK, number * len(_BLOCK))
            os.fdatasync(descriptor)
            times.append((time.perf_counter() - began) * 1000)
    finally:
        os.close(descriptor)
        Path(name).unlink()
    return median(times)


def _available_memory(path: Path) -> int | None:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    return found[0] * 1024 if found else None


class _Timex(ctypes.Structure):
    """The beginning of `struct timex`; the rest is room for it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    )


def _clock_error_ms() -> float | None:
    try:
        read = ctypes.CDLL(None, use_errno=True).adjtimex
    except (AttributeError, OSError):
        return None
    timex = _Timex()
    if read(ctypes.byref(timex)) < 0:
        return None
    return float("inf") if timex.status & _UNSYNCHRONISED else timex.maxerror / 1000
