"""Files that outlast a crash: whole or not at all, with the mode that was asked for, and no room lost to failures."""

import errno
import os
import stat
from pathlib import Path

import pytest

from member.durable_files import write_whole


def test_a_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for data in (b"old", b"new", b""):
        write_whole(path, data)
        assert path.read_bytes() == data
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_what_a_crash_left_gives_a_secret_neither_its_mode_nor_its_target(tmp_path: Path) -> None:
    left, elsewhere = tmp_path / "secret.part", tmp_path / "elsewhere"
    left.write_bytes(b"left")
    left.chmod(0o644)
    write_whole(tmp_path / "secret", b"secret", 0o600)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    left.symlink_to(elsewhere)
    write_whole(tmp_path / "secret", b"other", 0o600)
    assert not elsewhere.exists()
    assert (tmp_path / "secret").read_bytes() == b"other"


def test_a_full_disk_keeps_the_old_file_and_gets_its_room_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_whole(path, b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("file", b"old")]
