"""What an upgrade goes to: a folder as it is, or a git ref unpacked once."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clearing.base.errors import LocalFault
from tests.testnets.network import checkout_of


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@invalid", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "cli").mkdir(parents=True)
    git(folder, "init", "-q")
    for version in ("first", "second"):
        (folder / "cli" / "version").write_text(version)
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", version)
        git(folder, "tag", version)
    return folder


def test_a_ref_is_unpacked_once_and_the_repository_is_left_alone(repository: Path, tmp_path: Path) -> None:
    network: Any = SimpleNamespace(checkouts={}, folder=tmp_path / "run")
    old, new = (checkout_of(network, ref, repository) for ref in ("first", "second"))
    assert (old / "cli" / "version").read_text() == "first"
    assert (new / "cli" / "version").read_text() == "second"
    assert checkout_of(network, "first", repository) == old
    assert (repository / "cli" / "version").read_text() == "second"


def test_a_folder_is_taken_as_it_is(repository: Path, tmp_path: Path) -> None:
    network: Any = SimpleNamespace(checkouts={}, folder=tmp_path / "run")
    assert checkout_of(network, str(repository), tmp_path) == repository.resolve()


def test_what_is_neither_is_refused(repository: Path, tmp_path: Path) -> None:
    network: Any = SimpleNamespace(checkouts={}, folder=tmp_path / "run")
    with pytest.raises(LocalFault, match="no-such-ref"):
        checkout_of(network, "no-such-ref", repository)
