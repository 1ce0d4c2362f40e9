"""Secret files: mode 0600 in folders of mode 0700, or refused; never overwritten; durable before they are used.

It must not know the content.
"""

import os
import stat
from pathlib import Path

from clearing.base.errors import LocalFault
from member.codes import NodeCode
from member.durable_files import sync_folder

SECRET_BYTES_MAX = 1 << 16


def make_secret_folder(folder: Path) -> None:
    """Create a folder (with parents) of mode 0700, or check that an existing one is closed to others."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_closed(folder)


def write_secret(path: Path, data: bytes) -> None:
    """Create a file of mode 0600, durable on return. Raises LocalFault KEY_EXISTS, KEY_PERMISSIONS."""
    _check_closed(path.parent)
    if os.path.lexists(path):
        raise LocalFault(NodeCode.KEY_EXISTS, str(path))
    # Whole before it has its name: a reader, or a crash, never meets a half of it.
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(partial)
    except FileExistsError:
        raise LocalFault(NodeCode.KEY_EXISTS, str(path)) from None
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def read_secret(path: Path) -> bytes:
    """Bytes of a secret file. Raises LocalFault KEY_MISSING, KEY_PERMISSIONS, KEY_FORMAT (too long)."""
    check_secret_file(path)
    with path.open("rb") as file:
        data = file.read(SECRET_BYTES_MAX + 1)
    if len(data) > SECRET_BYTES_MAX:
        raise LocalFault(NodeCode.KEY_FORMAT, str(path), bytes=len(data), limit=SECRET_BYTES_MAX)
    return data


def check_secret_file(path: Path) -> None:
    """That others cannot read a file, which something else opens. Raises LocalFault KEY_MISSING, KEY_PERMISSIONS."""
    if not path.is_file():
        raise LocalFault(NodeCode.KEY_MISSING, str(path))
    _check_closed(path)


def read_password(path: Path) -> str:
    """The first line of a password file, without its line end. Raises LocalFault; KEY_PASSWORD for an empty one."""
    try:
        password = read_secret(path).decode("utf-8").split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        raise LocalFault(NodeCode.KEY_PASSWORD, str(path), why="not UTF-8") from None
    if not password:
        raise LocalFault(NodeCode.KEY_PASSWORD, str(path), why="empty")
    return password


def _check_closed(path: Path) -> None:
    """Refuse what group or others may touch, and what another user owns."""
    found = path.stat()
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise LocalFault(NodeCode.KEY_PERMISSIONS, str(path), mode=f"{stat.S_IMODE(found.st_mode):04o}")
    if found.st_uid != os.geteuid():
        raise LocalFault(NodeCode.KEY_PERMISSIONS, str(path), owner=found.st_uid)
