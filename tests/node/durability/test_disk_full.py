"""A disk that is full or read-only: the node ends with a remedy, and what it had decided is there afterwards."""

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearing.base.errors import Bug, LocalFault
from cli.output import ExitCode
from member.codes import NodeCode
from node.store.disk_faults import bug_behind, disk_fault
from tests.kit.node.lone_validator import LoneValidator, lone_validator
from tests.kit.node.small_disk import fill, remount, small_disk


@pytest.fixture
def validator(tmp_path: Path) -> Iterator[LoneValidator]:
    with small_disk(tmp_path / "disk", 16) as disk, lone_validator(disk) as made:
        made.output = tmp_path / "output"
        yield made


def test_a_full_disk_ends_a_node_with_a_remedy_and_loses_nothing(validator: LoneValidator) -> None:
    for _ in range(3):
        with validator.running() as node:
            validator.reach(validator.height + 4, node)
            stood = validator.height
            hashes = [validator.hash_at(height) for height in range(1, stood + 1)]
            filler = fill(validator.home)
            assert node.wait() == ExitCode.UNEXPECTED, validator.output.read_text()
        said = validator.output.read_text()
        assert NodeCode.DISK_UNUSABLE.label in said
        assert NodeCode.DISK_UNUSABLE.remedy in said
        filler.unlink()
        with validator.running() as node:
            validator.reach(stood + 2, node)
            assert [validator.hash_at(height) for height in range(1, stood + 1)] == hashes
        validator.output.write_text("")
    assert not list(validator.home.glob("crash-*"))


def test_a_node_on_a_full_or_read_only_disk_does_not_start_and_spoils_nothing(validator: LoneValidator) -> None:
    with validator.running() as node:
        validator.reach(4, node)
        hashes = [validator.hash_at(height) for height in range(1, 5)]
    filler = fill(validator.home)
    with validator.running() as node:
        assert node.wait() == ExitCode.UNEXPECTED
    filler.unlink()
    remount(validator.home.parents[1], "ro")
    with validator.running() as node:
        assert node.wait() == ExitCode.UNEXPECTED
    remount(validator.home.parents[1], "rw")
    assert validator.output.read_text().count(NodeCode.DISK_UNUSABLE.label) == 2
    with validator.running() as node:
        validator.reach(6, node)
        assert [validator.hash_at(height) for height in range(1, 5)] == hashes


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("whatever it says")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "is_disk"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/home/wal"), True),
        (OSError(errno.EROFS, "Read-only file system"), True),
        (OSError(errno.EIO, "Input/output error"), True),
        (OSError(errno.ECONNRESET, "Connection reset"), False),
        (sqlite_error(sqlite3.SQLITE_FULL), True),
        (sqlite_error(sqlite3.SQLITE_IOERR_WRITE), True),
        (sqlite_error(sqlite3.SQLITE_BUSY), False),
        (ValueError("x"), False),
    ],
)
def test_what_the_disk_did_is_told_from_what_it_did_not(tmp_path: Path, error: Exception, is_disk: bool) -> None:
    group = ExceptionGroup("several", [OSError(errno.ENOSPC, "full"), ExceptionGroup("within", [error])])
    caused = LocalFault(NodeCode.STORE_CORRUPT, "node.sqlite")
    caused.__cause__ = error
    for each in (error, group, caused):
        found = disk_fault(each, tmp_path)
        assert (found is not None) == is_disk
        assert found is None or found.code is NodeCode.DISK_UNUSABLE


def test_a_full_disk_hides_nothing_worse(tmp_path: Path) -> None:
    """What ended the node may be a broken invariant, after which closing its files failed, too."""
    full = OSError(errno.ENOSPC, "No space left on device")
    bug = Bug("the sum of everything changed")
    late = OSError(errno.ENOSPC, "while closing")
    late.__context__ = bug
    for each in (late, ExceptionGroup("several", [late, full]), ExceptionGroup("several", [bug, full])):
        assert disk_fault(each, tmp_path) is None
        assert bug_behind(each) is bug
    for other in (LocalFault(NodeCode.STORE_CONFLICT, "blocks"), KeyError("other")):
        assert disk_fault(ExceptionGroup("several", [other, full]), tmp_path) is None
    assert bug_behind(full) is None
