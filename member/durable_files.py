"""Durable files: writes that survive a loss of power.

Rule: a name is durable only when its folder is synced, too; a file that takes another's place is whole before it does.
It must not know the content.
"""

import os
from pathlib import Path

from clearing.base.errors import LocalFault
from member.codes import NodeCode


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: files created, renamed, removed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_at(descriptor: int, data: bytes, at: int) -> int:
    """Write all of `data` from offset `at`, however many calls that takes; its length. Not synced."""
    left = memoryview(data)
    while left:
        written = os.pwrite(descriptor, left, at)
        at += written
        left = left[written:]
    return len(data)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not be there yet. Not synced. Raises LocalFault OUTPUT_EXISTS."""
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise LocalFault(NodeCode.OUTPUT_EXISTS, str(path)) from None


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put `data` in the place of `path`, in one step and durable on return: a crash leaves the old file or the new.

    An unfinished file of an earlier crash is created again, so that the file has this mode.
    """
    partial = path.with_name(path.name + ".part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)  # a full disk gets its room back
        raise
    sync_folder(path.parent)
