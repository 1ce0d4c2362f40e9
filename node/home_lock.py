"""One command at a time fills a home.

Rule: the folder itself is locked, so that nothing is left behind, and a lock ends with its process. Who is second is
refused before it writes anything.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clearing.base.errors import LocalFault
from member.codes import NodeCode
from member.keys.key_folder import Purpose, key_path
from member.keys.secret_files import make_secret_folder


@contextmanager
def alone_in(home: Path, at: Path, why: str) -> Iterator[None]:
    """No second command of these in this home. Raises LocalFault OUTPUT_EXISTS, of `at` and because of `why`."""
    descriptor = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise LocalFault(NodeCode.OUTPUT_EXISTS, str(at), why=why) from None
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def new_home(home: Path, purposes: Iterable[Purpose]) -> Iterator[None]:
    """Alone in a home without node.toml and these keys; its folder is made. Raises LocalFault OUTPUT_EXISTS, KEY_*.

    Two commands that make other keys would each find some of their own free, and leave a home with keys of both.
    """
    make_secret_folder(home)
    with alone_in(home, home, "another command makes this home"):
        target = home / "node.toml"
        if target.exists():
            raise LocalFault(NodeCode.OUTPUT_EXISTS, str(target))
        for purpose in purposes:
            path = key_path(home, purpose.value)
            if os.path.lexists(path):
                raise LocalFault(NodeCode.KEY_EXISTS, str(path))
        yield
