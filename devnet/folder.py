"""The output folder of a devnet: marked as one, locked while it runs, and emptied only when nothing uses it.

Rule: a folder that no devnet made is never touched, nor one whose devnet, or one of whose nodes, still runs. The kernel
releases the locks when a process ends, however it ends.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode
from member.codes import NodeCode

MARKER = ".crossclear-devnet"
"""A file in the folder: it says that a devnet made it, and is locked while that devnet runs."""


@contextmanager
def claimed_folder(folder: Path) -> Iterator[None]:
    """Make the folder, or empty one that a devnet left, and keep it while the context lasts.

    Raises LocalFault: OUTPUT_EXISTS for any other folder with files, DEVNET_RUNNING while a devnet or a node uses it.
    """
    marker = folder / MARKER
    if folder.exists() and any(folder.iterdir()) and not marker.is_file():
        raise LocalFault(NodeCode.OUTPUT_EXISTS, str(folder), why="not made by a devnet")
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not _lock(descriptor):
            raise LocalFault(DevnetCode.DEVNET_RUNNING, str(folder), process=_read_process(descriptor))
        for state in sorted((folder / "nodes").glob("*/sign-state")):
            if _is_locked(state):
                raise LocalFault(DevnetCode.DEVNET_RUNNING, str(state.parent))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        for entry in folder.iterdir():
            if entry.name == MARKER:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        (folder / "logs").mkdir()
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _read_process(descriptor: int) -> str:
    """Who has it, as far as it has written that already."""
    return os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "starting"
