"""The file that a node leaves when an invariant broke, for the engineer who looks for the cause.

Rule: written once everything that could sign has stopped; it contains no secret (a traceback without the values of its
variables); writing it never hides the `Bug` itself.
"""

import os
import traceback
from pathlib import Path

import msgspec
import structlog

from clearing.base.codec import encode
from clearing.base.errors import bugs_in
from clearing.base.header import Header

log = structlog.get_logger(__name__)


class CrashPosition(msgspec.Struct, frozen=True):
    """Where the node stood."""

    height: int
    """Highest height in the store."""
    header: Header | None
    """Of that height."""
    working_at: tuple[int, int, str]
    """Height, round and step that consensus worked on; round -1 when it did not run."""
    signed: tuple[int, int, int]
    """Height, round and step of the newest signature."""


def write_crash(home: Path, error: BaseException, standing: CrashPosition, time_ms: int) -> Path | None:
    """Write `home/crash-<height>.json`, mode 0600, and return its path; None without a Bug in `error`, or room.

    A later crash at the same height gets a number of its own: the first one matters most.
    """
    bugs = [str(bug) for bug in bugs_in(error)]
    if not bugs:
        return None
    shown = {
        "time_ms": time_ms,
        "bugs": bugs,
        "height": standing.height,
        "header": None if standing.header is None else _header(standing.header),
        "working_at": dict(zip(("height", "round", "step"), standing.working_at, strict=True)),
        "signed": dict(zip(("height", "round", "step"), standing.signed, strict=True)),
        "traceback": "".join(traceback.format_exception(error)).splitlines(),
    }
    try:
        return _write_new(home, standing.height, msgspec.json.format(msgspec.json.encode(shown), indent=2))
    except OSError as failure:
        log.error("crash file not written", why=str(failure))
        return None


def _header(header: Header) -> dict[str, object]:
    return {
        "hash": header.hash.hex(),
        "state_root": header.state_root.hex(),
        "time_ms": header.time_ms,
        "epoch": header.epoch,
        "commitments_height": header.commitments_height,
        "bytes": encode(header).hex(),
    }


def _write_new(home: Path, height: int, data: bytes) -> Path:
    names = (f"crash-{height}.json", *(f"crash-{height}-{number}.json" for number in range(2, 100)))
    for name in names:
        path = home / name
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return path
    raise FileExistsError(f"{len(names)} crash files of this height in {home}")
