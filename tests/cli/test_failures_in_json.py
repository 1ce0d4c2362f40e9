"""Who asks for JSON hears of a failure in JSON, on stderr; what the exit code is does not depend on it."""

import json
from pathlib import Path

import pytest

from clearing.base.errors import LocalFault
from cli.output import ExitCode, asks_for_json, say_failure_as_json
from member.codes import NodeCode
from tests.kit.command_line import CommandLine


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        (("status", "--url", "http://127.0.0.1:9"), 4, "node_unreachable"),
        (("config", "show", "--config", "nowhere.toml"), 3, "config_missing"),
        (("backup", "verify", "nowhere"), 2, "usage"),
        (("status", "--nothing"), 2, "usage"),
        (("keys", "list"), 0, ""),
    ],
)
def test_a_failure_is_an_object_with_its_code(
    cli: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    cli(*words, code=code)
    printed = cli(*words, "--output", "json", code=code).err
    if code == 0:
        assert printed == ""
        return
    found = json.loads(printed)
    assert found["exit_code"] == code
    (error,) = found["errors"]
    assert error["name"] == name
    assert error["message"]
    assert name == "usage" or error["remedy"]


def test_every_failure_of_a_group_is_told_and_no_text_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    first = LocalFault(NodeCode.CONFIG_VALUE, "api.port", value=2**300, why="\x1b[2J\u202e")
    second = LocalFault(NodeCode.KEY_MISSING, "keys", key=b"\x01\x02")
    say_failure_as_json(ExceptionGroup("settings", [first, ExceptionGroup("more", [second])]), ExitCode.CONFIG)
    printed = capsys.readouterr().err
    assert printed.isascii()
    assert "\x1b" not in printed
    errors = json.loads(printed)["errors"]
    assert [each["code"] for each in errors] == ["R0822", "R0815"]
    assert errors[0]["values"]["value"] == 2**300
    assert errors[1]["values"]["key"] == "0102"


def test_only_the_option_asks_for_json() -> None:
    assert asks_for_json(["status", "--output", "json"])
    assert asks_for_json(["status", "--output=json"])
    assert not asks_for_json(["status", "json"])
    assert not asks_for_json(["status", "--output", "text", "json"])
