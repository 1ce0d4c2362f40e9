"""`crossclear porting`: a client moves to another member; each party signs a file, and the last one sends it."""

import json
from pathlib import Path
from typing import Any

import pytest

from clearing.schema.codes import ClearingCode
from clearing.schema.requests.accounts import AccountPorting
from clearing.schema.requests.default import ClientRescue
from cli.output import ExitCode
from tests.kit.clearing.defaults import CLIENT_SECRET, LOTS, default_world, without_fund
from tests.kit.clearing.funds import KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB
from tests.kit.clearing.signer import secret
from tests.kit.node.applying_view import ApplyingView
from tests.kit.node.live_view import run_against
from tests.kit.node.station import secret_file

HOUSE, ALICES, BOBS, CAROLS = (secret(member) for member in (0, 1, 2, 3))
Output = pytest.CaptureFixture[str]


@pytest.fixture
def view() -> ApplyingView:
    return ApplyingView(default_world())


@pytest.fixture
def defaulted() -> ApplyingView:
    """Alice is in default, and her clients may be ported."""
    world = without_fund()
    view = ApplyingView(world)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    world.fall(500_000)
    return view


def command(view: ApplyingView, folder: Path, key: bytes, *words: Any) -> int:
    path = folder / f"key-{key.hex()[-2:]}"
    if not path.exists():
        secret_file(path, key)
    return run_against(view, "porting", *map(str, words), "--secret-file", str(path))


def member_of(view: ApplyingView, account: int) -> int:
    return view.state.accounts[account].member


def test_a_client_is_ported_by_its_member_and_the_one_that_takes_it(
    view: ApplyingView, tmp_path: Path, capsys: Output
) -> None:
    file = tmp_path / "porting.json"
    assert command(view, tmp_path, ALICES, "request", ALICE_CLIENT, "member-2", "--out", file) == ExitCode.OK
    assert "to be signed by member," in capsys.readouterr().out
    assert not view.submitted
    assert command(view, tmp_path, BOBS, "accept", file, "--yes") == ExitCode.OK
    answer = capsys.readouterr()
    assert f"client account {ALICE_CLIENT} moves to member-2 (member 2)" in answer.err
    assert "applied" in answer.out
    assert isinstance(view.submitted[0], AccountPorting)
    assert member_of(view, ALICE_CLIENT) == 2


def test_a_client_with_a_key_signs_too(view: ApplyingView, tmp_path: Path, capsys: Output) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    assert command(view, tmp_path, ALICES, "request", KEYED_CLIENT, 2, "--out", first, "--output", "json") == 0
    assert json.loads(capsys.readouterr().out)["needs"] == ["member", "client"]
    assert command(view, tmp_path, BOBS, "accept", first, "--yes") == ExitCode.VERIFICATION, "which of the two?"
    assert command(view, tmp_path, BOBS, "accept", first, "--yes", "--as", "member") == ExitCode.VERIFICATION
    assert "--out" in capsys.readouterr().err
    assert command(view, tmp_path, BOBS, "accept", first, "--yes", "--as", "member", "--out", second) == ExitCode.OK
    assert not view.submitted
    assert command(view, tmp_path, CLIENT_SECRET, "accept", second, "--yes") == ExitCode.OK
    assert member_of(view, KEYED_CLIENT) == 2


def test_a_signature_of_somebody_else_is_refused_with_its_code(
    view: ApplyingView, tmp_path: Path, capsys: Output
) -> None:
    file = tmp_path / "porting.json"
    assert command(view, tmp_path, ALICES, "request", ALICE_CLIENT, 2, "--out", file) == ExitCode.OK
    assert command(view, tmp_path, CAROLS, "accept", file, "--yes") == ExitCode.VERIFICATION
    assert ClearingCode.WRONG_SIGNER.label in capsys.readouterr().out
    assert member_of(view, ALICE_CLIENT) == 1


def test_open_portings_are_listed_by_default_with_clients(
    view: ApplyingView, defaulted: ApplyingView, tmp_path: Path, capsys: Output
) -> None:
    assert command(view, tmp_path, BOBS, "list") == ExitCode.OK
    assert "no default lets clients be ported now" in capsys.readouterr().out
    assert command(defaulted, tmp_path, BOBS, "list") == ExitCode.OK
    until = defaulted.world.default().porting_height
    row = capsys.readouterr().out.splitlines()[3]
    assert row.split() == ["1", "member-1", "(member", "1)", str(until), f"{ALICE_CLIENT},", str(KEYED_CLIENT)]


def test_a_defaulters_client_without_a_key_is_taken_over_with_the_house(
    defaulted: ApplyingView, tmp_path: Path
) -> None:
    file = tmp_path / "porting.json"
    request = ("request", ALICE_CLIENT, "member-2", "--default", 1, "--out", file)
    assert command(defaulted, tmp_path, BOBS, *request) == ExitCode.OK
    assert command(defaulted, tmp_path, HOUSE, "accept", file, "--yes") == ExitCode.OK
    assert isinstance(defaulted.submitted[0], ClientRescue)
    assert member_of(defaulted, ALICE_CLIENT) == 2


def test_a_defaulters_client_with_a_key_asks_another_member(defaulted: ApplyingView, tmp_path: Path) -> None:
    """The node does not know its key, so the nonce is the time."""
    file = tmp_path / "porting.json"
    request = ("request", KEYED_CLIENT, "member-3", "--default", 1, "--as", "client", "--out", file)
    assert command(defaulted, tmp_path, CLIENT_SECRET, *request) == ExitCode.OK
    assert command(defaulted, tmp_path, CAROLS, "accept", file, "--yes") == ExitCode.OK
    assert member_of(defaulted, KEYED_CLIENT) == 3


@pytest.mark.parametrize("spoilt", ["kind", "network", "time", "needs", "nothing"])
def test_a_file_that_cannot_be_signed_is_named(spoilt: str, view: ApplyingView, tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "porting.json"
    assert command(view, tmp_path, ALICES, "request", ALICE_CLIENT, 2, "--out", file) == ExitCode.OK
    data = json.loads(file.read_text())
    if spoilt == "kind":
        data["request"] = {"type": "member_exit", "account": 1, "member": 1, "nonce": 1, "not_after_ms": 1}
        data["request"]["signature"] = "0x" + "00" * 65
    elif spoilt == "network":
        data["network"] = "0x" + "00" * 32
    elif spoilt == "time":
        data["request"]["not_after_ms"] = 1
    elif spoilt == "needs":
        data["needs"] = ["nobody"]
    file.write_text(json.dumps(data))
    if spoilt == "nothing":
        file.unlink()
    assert command(view, tmp_path, BOBS, "accept", file, "--yes") == ExitCode.VERIFICATION
    assert "R0871" in capsys.readouterr().err
    assert not view.submitted
