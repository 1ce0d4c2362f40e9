"""Affiliates and standby members by the command line: one party writes a file, the other signs and sends it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearing.context.affiliation import are_affiliated
from clearing.schema.requests.accounts import AffiliationDeclaration, StandbyDeclaration
from cli.output import ExitCode
from tests.kit.clearing.attackers import attack_genesis
from tests.kit.clearing.defaults import CLIENT_SECRET, TERMS, default_world
from tests.kit.clearing.funds import KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB
from tests.kit.clearing.signer import secret
from tests.kit.node.applying_view import ApplyingView
from tests.kit.node.live_view import run_against
from tests.kit.node.station import secret_file

HOUSE, ALICES, BOBS, CAROLS = (secret(member) for member in (0, 1, 2, 3))


@pytest.fixture
def view() -> ApplyingView:
    terms = msgspec.structs.replace(TERMS, standby_porting=True)
    return ApplyingView(default_world(genesis=attack_genesis(pool=True, default=terms)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "declaration.json"


def command(view: ApplyingView, file: Path, key: bytes, *words: Any) -> int:
    """With this trade key."""
    secret_path = file.parent / f"key-{key[-1]}"
    if not secret_path.exists():
        secret_file(secret_path, key)
    return run_against(view, *(str(word) for word in words), "--secret-file", str(secret_path))


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def affiliated(view: ApplyingView, one: int, other: int) -> bool:
    view.world.block()
    return are_affiliated(view.state, one, other)


def test_an_affiliate_is_declared_by_one_owner_and_agreed_to_by_the_other(view: ApplyingView, file: Path) -> None:
    assert command(view, file, ALICES, "affiliates", "declare", ALICE, BOB, "--out", file) == ExitCode.OK
    assert not view.submitted
    assert command(view, file, BOBS, "affiliates", "agree", file) == ExitCode.OK
    (sent,) = view.submitted
    assert isinstance(sent, AffiliationDeclaration)
    assert (sent.account, sent.affiliate, sent.ends) == (ALICE, BOB, False)
    assert not view.refused
    assert affiliated(view, ALICE, BOB)


def test_a_clients_own_key_agrees_without_being_known_to_the_node(view: ApplyingView, file: Path) -> None:
    assert command(view, file, ALICES, "affiliates", "declare", ALICE, KEYED_CLIENT, "--out", file) == ExitCode.OK
    assert command(view, file, CLIENT_SECRET, "affiliates", "agree", file) == ExitCode.OK
    assert not view.refused
    assert affiliated(view, ALICE, KEYED_CLIENT)


def test_the_house_declares_and_ends_at_once_with_notice(view: ApplyingView, file: Path) -> None:
    for what, expected in (("declare", True), ("end", False)):
        assert command(view, file, HOUSE, "affiliates", what, ALICE, KEYED_CLIENT) == ExitCode.OK
        assert affiliated(view, ALICE, KEYED_CLIENT) is not expected
        view.world.wait(TERMS.porting_blocks)
        assert affiliated(view, ALICE, KEYED_CLIENT) is expected
    assert not view.refused


def test_a_member_declares_into_a_file_that_must_not_exist(view: ApplyingView, file: Path) -> None:
    declare = ("affiliates", "declare", ALICE, BOB)
    assert command(view, file, ALICES, *declare) == ExitCode.VERIFICATION
    file.write_text("another's")
    assert command(view, file, ALICES, *declare, "--out", file) == ExitCode.SAFETY
    assert file.read_text() == "another's"


def test_affiliates_are_shown(view: ApplyingView, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(view, file, ALICES, "affiliates", "declare", ALICE, BOB, "--out", file)
    command(view, file, BOBS, "affiliates", "agree", file)
    view.world.block()
    capsys.readouterr()
    assert command(view, file, ALICES, "affiliates", "show", ALICE, "--output", "json") == ExitCode.OK
    shown = printed(capsys)
    assert [each["owner"]["member"] for each in shown["affiliates"]] == [2]
    assert shown["stays_for_members"] == [1, 2]
    assert command(view, file, ALICES, "affiliates", "show", ALICE) == ExitCode.OK
    assert "member 2: declared" in capsys.readouterr().out


def test_a_standby_is_named_accepted_shown_and_ended_by_the_standby(
    view: ApplyingView, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(view, file, ALICES, "standby", "name", ALICE_CLIENT, 3, "--out", file) == ExitCode.OK
    assert not view.submitted
    assert command(view, file, CAROLS, "standby", "accept", file) == ExitCode.OK
    assert isinstance(view.submitted[0], StandbyDeclaration)
    assert not view.refused
    assert view.state.standbys[ALICE_CLIENT].standby == 3
    capsys.readouterr()
    command(view, file, ALICES, "standby", "show", ALICE_CLIENT, "--output", "json")
    assert printed(capsys)["standby"] == 3
    command(view, file, CAROLS, "standby", "clients", "--output", "json")
    assert [each["account"] for each in printed(capsys)["clients"]] == [ALICE_CLIENT]
    assert command(view, file, CAROLS, "standby", "end", ALICE_CLIENT) == ExitCode.OK
    assert not view.refused
    assert ALICE_CLIENT not in view.state.standbys


def test_a_client_names_and_ends_its_standby_with_its_own_key_and_a_nonce(view: ApplyingView, file: Path) -> None:
    """The node answers members only, so the client says which nonce is next."""
    name = ("standby", "name", KEYED_CLIENT, 3, "--out", file)
    assert command(view, file, CLIENT_SECRET, *name) not in (ExitCode.OK, ExitCode.VERIFICATION)
    assert not file.exists()
    assert command(view, file, CLIENT_SECRET, *name, "--nonce", 1) == ExitCode.OK
    assert command(view, file, CAROLS, "standby", "accept", file) == ExitCode.OK
    assert view.state.standbys[KEYED_CLIENT].standby == 3
    assert command(view, file, CLIENT_SECRET, "standby", "end", KEYED_CLIENT, "--nonce", 2) == ExitCode.OK
    assert not view.refused
    assert KEYED_CLIENT not in view.state.standbys


def test_a_member_that_is_no_side_ends_no_standby(view: ApplyingView, file: Path) -> None:
    command(view, file, ALICES, "standby", "name", ALICE_CLIENT, 3, "--out", file)
    command(view, file, CAROLS, "standby", "accept", file)
    sent = len(view.submitted)
    assert command(view, file, BOBS, "standby", "end", ALICE_CLIENT) != ExitCode.OK
    assert len(view.submitted) == sent


@pytest.mark.parametrize("spoilt", ["kind", "network", "time", "words", "nothing"])
def test_a_file_that_cannot_be_signed_is_named(
    spoilt: str, view: ApplyingView, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = ("standby", "accept") if spoilt == "kind" else ("affiliates", "agree")
    command(view, file, ALICES, "affiliates", "declare", ALICE, BOB, "--out", file)
    data = json.loads(file.read_text())
    if spoilt == "network":
        data["network"] = "0x" + "00" * 32
    elif spoilt == "time":
        data["request"]["not_after_ms"] = 1
    elif spoilt == "words":
        data["request"]["more"] = 1
    file.write_text(json.dumps(data))
    if spoilt == "nothing":
        file.unlink()
    assert command(view, file, BOBS, *verb, file) == ExitCode.VERIFICATION
    assert "R0871" in capsys.readouterr().err
    assert not view.submitted


def test_words_that_were_changed_after_the_first_signature_are_refused_by_the_rules(
    view: ApplyingView, file: Path
) -> None:
    command(view, file, ALICES, "affiliates", "declare", ALICE, BOB, "--out", file)
    data = json.loads(file.read_text())
    data["request"]["nonce"] += 1
    file.write_text(json.dumps(data))
    command(view, file, BOBS, "affiliates", "agree", file)
    assert view.refused
    assert not affiliated(view, ALICE, BOB)
