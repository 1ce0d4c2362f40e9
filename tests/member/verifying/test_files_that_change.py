"""Who can change a file between two looks at it gains nothing: what decides whom to trust is what is checked."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from consensus.light_client import LightBlock
from member.light.store import LightStore
from proofs.epoch.package import read_package
from proofs.history.package_history import PackageHistory
from tests.kit.command_line import CommandLine
from tests.kit.member.packages import AT, TRUST
from tests.kit.proofs import small_market
from tests.kit.proofs.signed_answer import ALICE, NODE, answer_of


@contextmanager
def served(pipe: Path, *contents: bytes) -> Iterator[Path]:
    """A named pipe that gives each reader in turn the next of these."""
    os.mkfifo(pipe)
    over = threading.Event()

    def serve() -> None:
        for content in contents:
            while not over.is_set():
                try:
                    writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
                except OSError:  # nobody reads
                    time.sleep(0.005)
                    continue
                os.set_blocking(writer, True)
                with os.fdopen(writer, "wb") as file:
                    file.write(content)
                time.sleep(0.05)  # the reader sees an end before the next one
                break

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    try:
        yield pipe
    finally:
        over.set()
        server.join()


@pytest.fixture
def stored(package: Path, tmp_path: Path) -> list[object]:
    """A light store that trusts the very header of the honest package."""
    found = read_package(package.read_bytes())
    with LightStore(tmp_path / "light.sqlite") as store:
        store.add([LightBlock(found.header, found.certificate, found.validators, found.validators)])
    return ["--light-store", tmp_path / "light.sqlite"]


@pytest.fixture(scope="module")
def other() -> bytes:
    """What the same set can sign when it has retired: another header of that height, with a list of its own."""
    seeds = {account: bytes([account + 50]) * 32 for account in small_market.seeds()}
    return small_market.honest(small_market.snapshot(), seeds)


def test_a_package_that_changes_after_its_header_was_trusted_is_not_accepted(
    package: Path, other: bytes, stored: list[object], tmp_path: Path, cli: CommandLine
) -> None:
    good = package.read_bytes()
    assert read_package(other).header.hash != read_package(good).header.hash
    forged = tmp_path / "forged.ccp"
    forged.write_bytes(other)
    assert "FAIL light_client" in cli("verify", forged, *AT, *stored, code=6).out
    asked = (*AT, *stored, "--no-strict", "--output", "json")
    with served(tmp_path / "pipe", good, other, other) as pipe:
        seen = cli("verify", pipe, *asked).json
    assert seen["bytes"] == len(good)
    honest = cli("verify", package, *asked).json
    assert (seen["attested"], seen["claim"]) == (honest["attested"], honest["claim"])


def test_a_list_that_changes_after_its_header_was_trusted_refutes_nobody(
    package: Path, other: bytes, stored: list[object], tmp_path: Path, cli: CommandLine
) -> None:
    answer = tmp_path / "answer.cci"
    answer.write_bytes(answer_of(ALICE, NODE, small_market.seeds()[1]))
    with served(tmp_path / "pipe", package.read_bytes(), other) as pipe:
        asked = ("proof", "accuse", answer, "--package", pipe, *AT, *stored, "--output", "json")
        assert not cli(*asked, code=6).json["contradicted"]


def test_a_history_reads_a_pipe_once(package: Path, other: bytes, tmp_path: Path, cli: CommandLine) -> None:
    with served(tmp_path / "pipe", package.read_bytes(), other) as pipe:
        (read,) = cli("proof", "history", pipe, *TRUST, "--no-strict", "--output", "json").json["packages"]
    (honest,) = cli("proof", "history", package, *TRUST, "--no-strict", "--output", "json").json["packages"]
    assert (read["ok"], read["linked"], read["attested"]) == (True, True, honest["attested"])


def test_a_file_that_changes_while_a_history_is_read_is_refused(
    package: Path, other: bytes, tmp_path: Path, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing = tmp_path / "changing.ccp"
    changing.write_bytes(package.read_bytes())
    survey = PackageHistory.survey

    def then_change(history: PackageHistory, data: bytes) -> None:
        survey(history, data)
        changing.write_bytes(other)

    monkeypatch.setattr(PackageHistory, "survey", then_change)
    (read,) = cli("proof", "history", changing, *TRUST, "--output", "json", code=6).json["packages"]
    assert (read["failed"], read["linked"]) == ("reading", False)
    assert "it changed while it was read" in read["detail"]
