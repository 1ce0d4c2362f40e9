"""A disk that keeps what was synced, perhaps more, and dies at any operation. The node's own file code runs on it.

Rule: `SimOs` stands for the module `os` (and `fcntl`) in `node.store.wal`, `node.signer.sign_state` and
`member.durable_files`, so the real order of writes and syncs is what a power loss falls into. A machine that loses
power keeps of each unsynced write any sectors; a process that is killed loses nothing that it wrote.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

import member.durable_files
import node.signer.sign_state
import node.store.wal

SECTOR = 512


class MachineDied(BaseException):
    """In the middle of an operation. Not an Exception: no code of the node may catch it."""


class SimFile:
    """One file: what a reader sees, and what would be left without power."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.synced = b""
        self.unsynced = False

    def write(self, data: bytes, at: int) -> None:
        if at > len(self.data):
            self.data.extend(bytes(at - len(self.data)))
        self.data[at : at + len(data)] = data
        self.unsynced = True

    def cut(self, length: int) -> None:
        del self.data[length:]
        self.unsynced = True

    def sync(self) -> None:
        self.synced, self.unsynced = bytes(self.data), False

    def lose_power(self, random: Random) -> None:
        """Each sector is the old or the new one, and the length too; a sector that never was is zeros."""
        if not self.unsynced:
            return
        length = random.choice((len(self.synced), len(self.data), random.randint(0, len(self.data))))
        length = max(length, min(len(self.synced), len(self.data)))
        old, new = self.synced.ljust(length, b"\0"), bytes(self.data).ljust(length, b"\0")
        in_order = random.randrange(2)
        kept = random.randint(0, length)
        out = bytearray()
        for at in range(0, length, SECTOR):
            written = at < kept if in_order else random.randrange(2)
            out += (new if written else old)[at : min(at + SECTOR, length)]
        self.data = out
        self.sync()


class SimFolder:
    """Only there to be synced."""

    def __init__(self, disk: "SimDisk") -> None:
        self.disk = disk


class SimPath:
    """What the node's file code uses of `pathlib.Path`."""

    def __init__(self, disk: "SimDisk", name: str) -> None:
        self.disk, self.name = disk, name
        self.parent = SimFolder(disk)

    def read_bytes(self) -> bytes:
        return bytes(self.disk.files[self.name].data)

    def __str__(self) -> str:
        return self.name


class SimDisk:
    """The files of one node."""

    def __init__(self, random: Random, *, drops_syncs_of: tuple[str, ...] = ()) -> None:
        self.random = random
        self.files: dict[str, SimFile] = {}
        self.fuse: int | None = None
        """After so many more operations the machine dies; None: never."""
        self._drops_syncs_of = drops_syncs_of

    def path(self, name: str) -> Any:
        return SimPath(self, name)

    def tick(self) -> bool:
        """One operation begins; True when it is the last one."""
        if self.fuse is None:
            return False
        self.fuse -= 1
        return self.fuse < 0

    def die(self) -> None:
        self.fuse = None
        raise MachineDied

    def lose_power(self) -> None:
        self.fuse = None
        for file in self.files.values():
            file.lose_power(self.random)

    def rot(self, name: str) -> None:
        """One bit changes."""
        file = self.files.get(name)
        if file is not None and file.data:
            file.data[self.random.randrange(len(file.data))] ^= 1 << self.random.randrange(8)
            file.sync()

    def write(self, name: str, data: bytes, at: int) -> None:
        file = self.files[name]
        if self.tick():
            file.write(data[: self.random.randint(0, len(data))], at)
            self.die()
        file.write(data, at)

    def sync(self, name: str) -> None:
        """Dying in a sync may be before it or after it."""
        dies = self.tick()
        if name not in self._drops_syncs_of and not (dies and self.random.randrange(2)):
            self.files[name].sync()
        if dies:
            self.die()


class SimOs:
    """Stands for `os` where every path is a `SimPath`; real paths and descriptors go to the real module."""

    FIRST = 1 << 30

    def __init__(self) -> None:
        self._open: dict[int, tuple[SimDisk, str | None]] = {}
        self._next = self.FIRST

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Any, flags: int, mode: int = 0o777) -> int:
        if not isinstance(path, SimPath | SimFolder):
            return os.open(path, flags, mode)
        self._next += 1
        name = path.name if isinstance(path, SimPath) else None
        if name is not None:
            path.disk.files.setdefault(name, SimFile())
        self._open[self._next] = (path.disk, name)
        return self._next

    def close(self, descriptor: int) -> None:
        if self._open.pop(descriptor, None) is None:
            os.close(descriptor)

    def pread(self, descriptor: int, count: int, at: int) -> bytes:
        found = self._file(descriptor)
        return os.pread(descriptor, count, at) if found is None else bytes(found.data[at : at + count])

    def pwrite(self, descriptor: int, data: Any, at: int) -> int:
        if descriptor not in self._open:
            return os.pwrite(descriptor, data, at)
        disk, name = self._open[descriptor]
        disk.write(str(name), bytes(data), at)
        return len(data)

    def ftruncate(self, descriptor: int, length: int) -> None:
        found = self._file(descriptor)
        if found is None:
            os.ftruncate(descriptor, length)
            return
        disk, _ = self._open[descriptor]
        dies = disk.tick()
        if not (dies and disk.random.randrange(2)):
            found.cut(length)
        if dies:
            disk.die()

    def fsync(self, descriptor: int) -> None:
        if descriptor not in self._open:
            os.fsync(descriptor)
            return
        disk, name = self._open[descriptor]
        if name is not None:
            disk.sync(name)

    def fdatasync(self, descriptor: int) -> None:
        self.fsync(descriptor)

    def flock(self, descriptor: int, how: int) -> None:
        """One process runs a simulated node: its lock is always free."""
        if descriptor not in self._open:
            fcntl.flock(descriptor, how)

    def _file(self, descriptor: int) -> SimFile | None:
        disk, name = self._open.get(descriptor, (None, None))
        return None if disk is None else disk.files[str(name)]


class SimFcntl:
    """Stands for `fcntl`."""

    def __init__(self, simulated: SimOs) -> None:
        self.flock = simulated.flock

    def __getattr__(self, name: str) -> Any:
        return getattr(fcntl, name)


@contextmanager
def simulated_disks(rotate_bytes: int = 8 << 20) -> Iterator[None]:
    """While it lasts, the node's file code works on `SimDisk`s, and logs start over at this size."""
    simulated = SimOs()
    with (
        patch.multiple(node.store.wal, os=simulated, ROTATE_BYTES=rotate_bytes),
        patch.multiple(node.signer.sign_state, os=simulated, fcntl=SimFcntl(simulated)),
        patch.object(member.durable_files, "os", simulated),
    ):
        yield
