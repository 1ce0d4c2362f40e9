"""Reading a log's file for a dump, and cutting it before its damage.

Rule: a repair never writes over the log: the damaged file is kept beside the repaired one, under a name that was free.
Knows no home; its caller holds the lock.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from clearing.base.errors import LocalFault
from consensus.codes import ConsensusCode
from consensus.log.inspection import Standing, standing
from node.store.files import sync_folder

WAL_BYTES_MAX = 1 << 28
"""A node starts its log over at 8 MiB; what is far longer is none."""
_KEPT_MAX = 1000


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did; `kept_as` is empty when there was nothing to do."""

    standing: Standing
    kept_as: str


def read_log(path: Path) -> bytes:
    """The file. Raises LocalFault WAL_CORRUPT for one that is missing, unreadable or far too long."""
    try:
        with path.open("rb") as file:
            data = file.read(WAL_BYTES_MAX + 1)
    except OSError as error:
        raise LocalFault(ConsensusCode.WAL_CORRUPT, str(path), why=error.strerror or "unreadable") from None
    if len(data) > WAL_BYTES_MAX:
        raise LocalFault(ConsensusCode.WAL_CORRUPT, str(path), bytes_max=WAL_BYTES_MAX)
    return data


def repair(path: Path, *, dry_run: bool = False) -> Repaired:
    """Cut the log before its first damage; durable on return. A log with a torn tail only is left to the node."""
    data = read_log(path)
    found = standing(data)
    if found.damaged_at < 0 or dry_run:
        return Repaired(found, "")
    # The repaired file is whole on disk before it takes the log's name; until then the damaged one stands.
    fresh = path.with_name(path.name + ".repaired")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data[: found.good_bytes])
        file.flush()
        os.fsync(file.fileno())
    kept = _keep(path)
    fresh.replace(path)
    sync_folder(path.parent)
    return Repaired(found, str(kept))


def _keep(path: Path) -> Path:
    """A second name for the damaged file."""
    for number in range(1, _KEPT_MAX):
        kept = path.with_name(f"{path.name}.damaged-{number}")
        try:
            os.link(path, kept)
        except FileExistsError:
            continue
        return kept
    raise LocalFault(ConsensusCode.WAL_CORRUPT, str(path), kept=_KEPT_MAX)
