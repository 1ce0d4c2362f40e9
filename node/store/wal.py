"""The consensus write-ahead log's file: append and sync, read at start, start over once a height is stored, repair.

Rule: a repair cuts before the damage and keeps the damaged file beside it.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clearing.base.errors import LocalFault
from consensus.codes import ConsensusCode
from consensus.wal import LogSummary, Record, encode_frame, split_frames, summarize_log
from member.durable_files import sync_folder, write_at

ROTATE_BYTES = 8 << 20


class WalFile:
    """One file, owned by one process (the sign state's lock sees to that)."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises LocalFault WAL_CORRUPT when the log is damaged before its tail."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            data = path.read_bytes()
            frames, self._size = split_frames(data)
        except BaseException:
            os.close(self._descriptor)
            raise
        self.records = [record for frame in frames for record in frame]
        self._highest = max((record.height for record in self.records), default=0)
        self.frames = len(frames)
        """How many are in the file, all of them durable."""
        self.after_append: Callable[[], None] = lambda: None
        """Called when a frame is durable, before anything in it is sent."""
        self.cut_bytes = len(data) - self._size
        """What a crash left behind the last good frame."""
        if self.cut_bytes:
            os.ftruncate(self._descriptor, self._size)
        os.fsync(self._descriptor)
        sync_folder(path.parent)

    def append(self, records: Sequence[Record]) -> None:
        """Write one frame and sync."""
        self._size += write_at(self._descriptor, encode_frame(records), self._size)
        os.fdatasync(self._descriptor)
        self.frames += 1
        self._highest = max(self._highest, *(record.height for record in records))
        self.after_append()

    def height_stored(self, height: int) -> None:
        """What is recorded up to this height is needed no more: start over when the file has grown.

        After a rollback the log may contain heights above: their messages and locks stay.
        """
        if self._size > ROTATE_BYTES and self._highest <= height:
            os.ftruncate(self._descriptor, 0)
            os.fsync(self._descriptor)
            self._size = self.frames = self._highest = 0

    def close(self) -> None:
        """Close the file. The descriptor may be another file's from now on: a later append fails."""
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


WAL_BYTES_MAX = 1 << 28
"""A node starts its log over at 8 MiB; what is far longer is none."""
_KEPT_MAX = 1000


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did; `kept_as` is empty when there was nothing to do."""

    standing: LogSummary
    backup_path: str


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
    found = summarize_log(data)
    if found.damaged_at < 0 or dry_run:
        return Repaired(found, "")
    # The repaired file is whole on disk before it takes the log's name; until then the damaged one stays.
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
