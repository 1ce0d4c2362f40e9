"""Blocks of a home as a log: whole, as they were certified, beside a node that runs, and good for other commands."""

import json
import sqlite3
from pathlib import Path

import pytest

from cli.main import run
from node.store.block_log import block_log_network, read_block_log
from tests.kit.node.proving import decide
from tests.kit.node.station import Station, new_station

HEIGHTS = 7


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """It has decided some heights, and its store is open: the node runs."""
    with new_station(tmp_path / "net") as made:
        decide(made, HEIGHTS)
        yield made


def exported(station: Station, log: Path, *more: str) -> int:
    return run(["chain", "export", str(log), "--home", str(station.home.path), *more])


def test_an_exported_log_has_every_block_and_replays(
    station: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "blocks.log"
    assert exported(station, log, "--output", "json") == 0
    assert json.loads(capsys.readouterr().out) == {"log": str(log), "first": 1, "last": HEIGHTS, "blocks": HEIGHTS}
    assert block_log_network(log) == station.home.network
    assert list(read_block_log(log)) == list(station.store.blocks())
    home = str(station.home.path)
    assert run(["replay", str(log), "--genesis", f"{home}/genesis.json", "--home", home, "--devnet"]) == 0
    assert f"blocks         {HEIGHTS}" in capsys.readouterr().out


def test_a_part_may_be_exported_and_says_that_it_does_not_begin_at_genesis(
    station: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "part.log"
    assert exported(station, log, "--first", "3", "--last", "5") == 0
    assert [each.height for each in read_block_log(log)] == [3, 4, 5]
    assert "begins at height 3" in capsys.readouterr().err


@pytest.mark.parametrize(("first", "last"), [("1", "8"), ("8", "8"), ("5", "4")])
def test_blocks_that_a_home_does_not_have_are_refused(
    station: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str], first: str, last: str
) -> None:
    log = tmp_path / "blocks.log"
    assert exported(station, log, "--first", first, "--last", last) != 0
    assert "R0801" in capsys.readouterr().err
    assert list(tmp_path.glob("blocks.log*")) == []


def test_a_log_is_never_overwritten(station: Station, tmp_path: Path) -> None:
    log = tmp_path / "blocks.log"
    log.write_bytes(b"mine")
    assert exported(station, log) != 0
    assert log.read_bytes() == b"mine"


def test_a_damaged_block_leaves_no_log(station: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(station.home.path / "node.sqlite") as connection:
        connection.execute("UPDATE blocks SET certificate = x'00' WHERE height = 4")
    assert exported(station, tmp_path / "blocks.log") != 0
    assert "R0803" in capsys.readouterr().err
    assert list(tmp_path.glob("blocks.log*")) == []
