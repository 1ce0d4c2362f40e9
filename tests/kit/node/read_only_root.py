"""A command whose file system is read-only, but for one folder and /dev/shm, as in a container with `--read-only`.

Rule: nothing of this machine changes. It is a program, too: `python -m tests.kit.node.read_only_root FOLDER COMMAND…`
is run in namespaces of its own, makes the mounts there, and becomes the command.
"""

import ctypes
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
OWN_NAMESPACES = ("unshare", "--user", "--map-root-user", "--mount", "--propagation", "private")
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - where processes share memory; every container engine gives one
_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_READ_ONLY = 1
_BIND = 4096


class _Attributes(ctypes.Structure):
    """`struct mount_attr` of mount_setattr(2)."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd"))


def sealed(folder: Path, command: list[str]) -> list[str]:
    """The command with a read-only file system but for `folder`; as it is where this machine permits no namespaces."""
    if not can_seal():
        return command
    return [*OWN_NAMESPACES, sys.executable, "-m", __name__, str(folder), *command]


@cache
def can_seal() -> bool:
    """Whether this machine gives namespaces to its users, and has Linux 5.12."""
    try:
        tried = subprocess.run(
            [*OWN_NAMESPACES, sys.executable, "-m", __name__, SHARED_MEMORY, "true"], cwd=ROOT, capture_output=True
        )
    except FileNotFoundError:
        return False
    return tried.returncode == 0


def _seal(folder: str) -> None:
    """Raises OSError."""
    system = ctypes.CDLL(None, use_errno=True)

    def made(result: int) -> None:
        if result:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def set_attributes(path: str, flags: int, attributes: _Attributes) -> None:
        size = ctypes.c_size_t(ctypes.sizeof(attributes))
        made(system.syscall(_MOUNT_SETATTR, _AT_FDCWD, path.encode(), flags, ctypes.byref(attributes), size))

    made(system.mount(b"tmpfs", SHARED_MEMORY.encode(), b"tmpfs", 0, b"mode=1777,size=64m"))
    made(system.mount(folder.encode(), folder.encode(), None, _BIND, None))
    set_attributes("/", _AT_RECURSIVE, _Attributes(attr_set=_READ_ONLY))
    for path in (SHARED_MEMORY, folder):
        set_attributes(path, 0, _Attributes(attr_clr=_READ_ONLY))


if __name__ == "__main__":
    _seal(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - it becomes the command
