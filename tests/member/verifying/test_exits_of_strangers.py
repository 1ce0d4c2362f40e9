"""`crossclear exit verify` of a file that a stranger made up: whom nobody trusts, nothing is shown by."""

from pathlib import Path

import pytest

from tests.kit.command_line import CommandLine
from tests.kit.member.packages import TRUST
from tests.kit.proofs.made_exits import made_exit_file

AT = ("--at", "2020-03-12T08:00:00Z")


@pytest.fixture
def exit_of_ten_millions(tmp_path: Path) -> Path:
    path = tmp_path / "exit.json"
    path.write_bytes(made_exit_file(10**13))
    return path


def test_without_a_trusted_set_the_certificate_stays_open(exit_of_ten_millions: Path, cli: CommandLine) -> None:
    text = cli("exit", "verify", exit_of_ten_millions, *AT).out
    assert text.startswith("NOT SHOWN:\n  - nothing but the file itself was trusted")
    assert "open certificate" in text
    assert "whom the file itself names" in text
    assert "Every check is complete" not in text


def test_a_program_is_not_told_that_a_strangers_exit_is_ok(exit_of_ten_millions: Path, cli: CommandLine) -> None:
    report = cli("exit", "verify", exit_of_ten_millions, *AT, "--output", "json", code=6).json
    assert (report["ok"], report["open"], report["strict"], report["claim"]) == (False, ["certificate"], True, "")
    for trusted in (TRUST[:2], TRUST[2:4]):
        assert not cli("exit", "verify", exit_of_ten_millions, *AT, *trusted, "--strict", code=6).err
    words = ("--output", "json", "--allow-open", "certificate")
    assert cli("exit", "verify", exit_of_ten_millions, *AT, *words).json["ok"]


def test_with_the_set_that_signed_it_an_exit_is_whole(exit_of_ten_millions: Path, cli: CommandLine) -> None:
    report = cli("exit", "verify", exit_of_ten_millions, *AT, *TRUST[:4], "--output", "json").json
    assert (report["ok"], report["open"]) == (True, [])
    assert all(check["complete"] for check in report["checks"])


def test_an_exit_names_time_height_epoch_and_root_that_are_the_validators_word(
    exit_of_ten_millions: Path, tmp_path: Path, cli: CommandLine
) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(made_exit_file(1))
    trusted = ("exit", "verify", *AT, *TRUST[:4], "--output", "json")
    one, two = (cli(*trusted, path).json["attested"] for path in (exit_of_ten_millions, other))
    assert set(one) == {"header_time_ms", "header_height", "epoch", "exit_root"}
    assert one["exit_root"] != two["exit_root"]
