"""`crossclear onchain check` and `join`: what is nobody's word but the file's, or counts for nothing, stays open."""

from pathlib import Path

import msgspec
import pytest

from tests.kit.command_line import CommandLine
from tests.kit.member.packages import TRUST
from tests.kit.proofs import small_market
from tests.kit.proofs.package_with_keys import written
from tests.kit.proofs.stressed import MEMBERS, RULEBOOK, snapshot_of

replace = msgspec.structs.replace
HOLDINGS = {1: (1_000_000, 0, 5_000, 0, 0), 2: (5 * 10**10, 0, -300, 0, 40)}
"""Account 1 is long 5,000 lots on one dollar: only rows that ask for nothing let it pass."""
TRUSTED = TRUST[:4]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return written(tmp_path_factory.mktemp("plain"), small_market.snapshot())


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    feeds = tuple(replace(feed, used=feed.name != "BTC") for feed in RULEBOOK.feeds)
    snapshot = snapshot_of(HOLDINGS, MEMBERS, replace(RULEBOOK, feeds=feeds))
    return written(tmp_path_factory.mktemp("settled"), snapshot)


def words(verb: str, files: tuple[Path, Path], folder: Path) -> list[object]:
    package, keys = files
    return ["onchain", verb, keys, "--package", package, *(["--out", folder / "out.cco"] if verb == "join" else [])]


@pytest.mark.parametrize("verb", ["check", "join"])
def test_keys_of_strangers_are_not_ok_for_a_program(
    verb: str, plain: tuple[Path, Path], tmp_path: Path, cli: CommandLine
) -> None:
    asked = words(verb, plain, tmp_path)
    report = cli(*asked, "--output", "json", code=6).json
    assert (report["ok"], report["certified"], report["anchored"]) == (False, True, False)
    assert (list(report["open"]), report["strict"]) == (["certificate"], True)
    assert not (tmp_path / "out.cco").exists(), "what fails leaves no file"
    cli(*asked, "--strict", code=6)
    cli(*asked, "--output", "json", *TRUST[:2], code=6)
    report = cli(*asked, "--output", "json", "--allow-open", "certificate").json
    assert (report["ok"], list(report["open"])) == (True, ["certificate"])


def test_a_person_reads_first_what_is_not_shown(plain: tuple[Path, Path], tmp_path: Path, cli: CommandLine) -> None:
    text = cli(*words("check", plain, tmp_path)).out
    assert text.startswith("NOT SHOWN:\n  - certificate: ")
    assert "whom the file itself names" in text
    assert "anybody may have made them" in text
    assert not cli(*words("check", plain, tmp_path), *TRUSTED).out.startswith("NOT SHOWN")


@pytest.mark.parametrize("verb", ["check", "join"])
def test_feeds_that_are_called_settled_leave_the_rules_open(
    verb: str, settled: tuple[Path, Path], tmp_path: Path, cli: CommandLine
) -> None:
    """Accounts under these keys meet rows in which their positions count for nothing."""
    asked = [*words(verb, settled, tmp_path), *TRUSTED]
    report = cli(*asked, "--output", "json", code=6).json
    assert (report["ok"], report["certified"], report["anchored"]) == (False, True, True)
    assert list(report["open"]) == ["rules"]
    assert "call their feeds settled: BTC" in report["open"]["rules"]
    assert cli(*asked, "--output", "json", "--allow-open", "rules").json["ok"]


def test_under_a_trusted_set_nothing_is_open(plain: tuple[Path, Path], tmp_path: Path, cli: CommandLine) -> None:
    report = cli(*words("check", plain, tmp_path), *TRUSTED, "--output", "json").json
    assert (report["ok"], report["open"], report["strict"], report["anchored"]) == (True, {}, True, True)
