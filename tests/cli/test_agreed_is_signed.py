"""Requests in files: what a member agreed to is what it signs, and for the network that the file names."""

import json
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from clearing.schema.requests.accounts import AccountPorting
from cli.main import run
from cli.output import ExitCode
from member.api.types import hexed
from node.app.clock import clock_ms
from tests.kit.clearing.attackers import attack_genesis
from tests.kit.clearing.defaults import TERMS, default_world
from tests.kit.clearing.funds import KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB
from tests.kit.clearing.signer import secret
from tests.kit.node.applying_view import ApplyingView
from tests.kit.node.rewriting import Rewrite
from tests.kit.node.served_api import served_api
from tests.kit.node.station import secret_file

OTHER = "0x" + "ab" * 32


@pytest.fixture
def view() -> ApplyingView:
    terms = msgspec.structs.replace(TERMS, standby_porting=True)
    return ApplyingView(default_world(genesis=attack_genesis(pool=True, default=terms)))


def command(view: ApplyingView, folder: Path, member: int, *words: Any, rewrite: Rewrite | None = None) -> int:
    path = folder / f"key-{member}"
    if not path.exists():
        secret_file(path, secret(member))
    with served_api(view, clock_ms, rewrite=rewrite) as url:
        return run([*map(str, words), "--url", url, "--secret-file", str(path)])


def two_networks(true_first: int = 0) -> Rewrite:
    """A node that states its network at every first question, and another one at every second, after some true ones."""
    asked = -true_first

    def rewrite(path: str, status: int, value: Any) -> tuple[int, Any]:
        nonlocal asked
        if path == "/v1/state":
            asked += 1
            value |= {} if asked <= 0 or asked % 2 else {"network": OTHER}
        return status, value

    return rewrite


def test_a_file_that_changes_while_a_member_is_asked_is_not_what_it_signs(
    view: ApplyingView, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "porting.json"
    assert command(view, tmp_path, 1, "porting", "request", ALICE_CLIENT, 2, "--out", file) == ExitCode.OK

    def changed_meanwhile(*_: Any, **__: Any) -> bool:
        data = json.loads(file.read_text())
        data["request"]["account"] = KEYED_CLIENT
        file.write_text(json.dumps(data))
        return True

    monkeypatch.setattr(click, "confirm", changed_meanwhile)
    assert command(view, tmp_path, 2, "porting", "accept", file) == ExitCode.OK
    assert f"client account {ALICE_CLIENT} moves to" in capsys.readouterr().err
    (sent,) = view.submitted
    assert isinstance(sent, AccountPorting)
    assert sent.account == ALICE_CLIENT


@pytest.mark.parametrize("what", ["porting", "affiliates", "standby"])
def test_a_file_of_another_network_is_not_signed_for_this_one(
    what: str, view: ApplyingView, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The member means a network to try things out; the node states that one only while it is compared."""
    file, words = written(view, tmp_path, what, None)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"network": OTHER}))
    assert command(view, tmp_path, 2, *words, rewrite=two_networks()) == ExitCode.VERIFICATION
    assert "it is for another network" in capsys.readouterr().err
    assert not view.submitted


def test_a_node_that_states_another_network_once_a_member_has_agreed_gets_no_signature(
    view: ApplyingView, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, words = written(view, tmp_path, "porting", None)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"network": OTHER}))
    asked = 0

    def rewrite(path: str, status: int, value: Any) -> tuple[int, Any]:
        nonlocal asked
        if path == "/v1/state":
            asked += 1
            value |= {"network": OTHER} if asked <= 2 else {}
        return status, value

    assert command(view, tmp_path, 2, *words, rewrite=rewrite) == ExitCode.VERIFICATION
    said = capsys.readouterr().err
    assert "moves to" in said
    assert "it is for another network" in said
    assert not view.submitted


@pytest.mark.parametrize("what", ["porting", "affiliates", "standby"])
def test_a_file_names_the_network_that_was_signed_for(what: str, view: ApplyingView, tmp_path: Path) -> None:
    file, _ = written(view, tmp_path, what, two_networks(true_first=what == "porting"))
    assert json.loads(file.read_text())["network"] == hexed(view.network)


def written(
    view: ApplyingView, folder: Path, what: str, rewrite: Rewrite | None
) -> tuple[Path, tuple[str | int | Path, ...]]:
    """A file that Alice signed, and the command with which Bob signs it, too."""
    file = folder / "file.json"
    first: dict[str, tuple[Any, ...]] = {
        "porting": ("request", ALICE_CLIENT, 2),
        "affiliates": ("declare", ALICE, BOB),
        "standby": ("name", ALICE_CLIENT, 2),
    }
    assert command(view, folder, 1, what, *first[what], "--out", file, rewrite=rewrite) == ExitCode.OK
    second = {"porting": ("accept", file, "--yes"), "affiliates": ("agree", file), "standby": ("accept", file)}
    return file, (what, *second[what])
