"""Whether it is the disk that ended a node: full, read-only, or failing.

Rule: nothing is guessed from texts. What the operating system and SQLite report by number has one code, whose
remedy an operator can follow.
"""

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import trio

from clearing.base.errors import Bug, LocalFault
from member.codes import NodeCode

_ERRNOS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO))
_SQLITE = frozenset((sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR))


def disk_fault(error: BaseException, home: Path) -> LocalFault | None:
    """The fault behind an error, where nothing else is behind it: in a group, every one must be the disk's, and a
    broken invariant that it took the place of is reported instead. None where it is another."""
    if any(isinstance(each, Bug) for each in _history(error)):
        return None
    found = [_fault_of(each, home) for each in _leaves(error)]
    return None if None in found else next(iter(found), None)


def _fault_of(error: BaseException, home: Path) -> LocalFault | None:
    for each in _causes(error):
        if isinstance(each, OSError) and each.errno in _ERRNOS:
            return LocalFault(NodeCode.DISK_UNUSABLE, str(each.filename or home), why=each.strerror or str(each))
        if isinstance(each, sqlite3.Error) and getattr(each, "sqlite_errorcode", 0) & 0xFF in _SQLITE:
            return LocalFault(NodeCode.DISK_UNUSABLE, str(home), why=str(each))
    return None


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Errors of groups one by one, without what only says that the others ended it."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    elif not isinstance(error, trio.Cancelled):
        yield error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from."""
    seen, found = set[int](), error
    while id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found


def _history(error: BaseException) -> Iterator[BaseException]:
    """All that is in an error: of groups, what it was raised from, and what it took the place of."""
    seen, left = set[int](), [error]
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        left += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
        left += [other for other in (each.__cause__, each.__context__) if other is not None]


def bug_behind(error: BaseException) -> Bug | None:
    """A broken invariant in an error, also one whose place another took while the node was closed."""
    return next((each for each in _history(error) if isinstance(each, Bug)), None)
