"""Rules of `crossclear chains`: a stopped node's halted chain is released by its code, and with a reason."""

import json
from pathlib import Path

import pytest

from bridge.watch.cursor import FileFactStore, Halt, ScanCursor
from cli.main import run
from node.config_sources import dump_config, load_config
from node.signer.sign_state import SignStateFile
from tests.kit.clearing.genesis import VAULTS
from tests.kit.node.station import make_home

HALT = Halt(645, "R0645 dispute_undecided at e1")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The settings of a stopped node with one chain, which is halted."""
    home = make_home(tmp_path / "net").path
    file = home / "node.toml"
    text = dump_config(load_config(file, {}).config)
    file.write_text(
        "\n".join(line for line in text.splitlines() if not line.startswith("chains ="))
        + '\n[[chains]]\nchain_id = 1\nname = "one"\nendpoints = ["http://127.0.0.1:9"]\n'
    )
    cursor = ScanCursor(1, VAULTS[1], 77, bytes(32), 0, bytes(32), (bytes(32),), HALT)
    FileFactStore(home / "bridge").record(cursor, ())
    return file


def test_a_halt_is_shown_released_with_its_reason_and_remembered(config: Path, capsys) -> None:
    options = ["--config", str(config), "--output", "json"]
    assert run(["chains", "halts", *options]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["halt"], shown["scanned_number"], shown["reason"]) == ("R0645", 77, HALT.reason)
    release = ["chains", "release", "1", "--halt", "R0645", "--reason", "e1 was hacked, removed", *options]
    assert run(release) == 0
    capsys.readouterr()
    assert run(["chains", "halts", *options]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["halt"] == ""
    assert [(each["reason"], each["halt"]) for each in shown["releases"]] == [("e1 was hacked, removed", HALT.reason)]
    assert FileFactStore(config.parent / "bridge").load(1).halt is None
    assert run(["chains", "halts", "--config", str(config)]) == 0
    assert "released from R0645" in capsys.readouterr().out
    assert run(release) == 7, "it is not halted any more"


def test_a_running_node_is_left_alone(config: Path) -> None:
    guard = SignStateFile(config.parent / "sign-state")
    try:
        assert run(["chains", "release", "1", "--halt", "R0645", "--reason", "why", "--config", str(config)]) == 7
    finally:
        guard.close()
    assert FileFactStore(config.parent / "bridge").load(1).halt == HALT


@pytest.mark.parametrize("code", ["", "R", "645x", "R99999"])
def test_a_halt_is_named_by_its_code(config: Path, code: str) -> None:
    assert run(["chains", "release", "1", "--halt", code, "--reason", "why", "--config", str(config)]) == 2
