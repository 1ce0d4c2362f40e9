"""The write-ahead log's file: append and sync, read at start, start over once a height is stored.

Rule: `append` returns when the frame is durable. The torn tail of a crash is cut at open. Blocking by design: one
fdatasync (0.1 ms on a local disk) a step is cheaper than a thread.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from consensus.log.wal import Record, encode_frame, split_frames
from node.store.files import sync_folder, write_at

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
        """How many the file holds, all of them durable."""
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

        After a rollback the log may hold heights above: their messages and locks stay.
        """
        if self._size > ROTATE_BYTES and self._highest <= height:
            os.ftruncate(self._descriptor, 0)
            os.fsync(self._descriptor)
            self._size = self.frames = self._highest = 0

    def close(self) -> None:
        """Give the file up. The number may be another file's from now on: whoever appends later fails."""
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)
