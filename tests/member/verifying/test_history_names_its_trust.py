"""`crossclear proof history`: what is the quorum's word is named by value, as `verify` names it, and trust is whole."""

import json
from pathlib import Path

import msgspec
import pytest

from tests.kit.command_line import CommandLine
from tests.kit.member.packages import TRUST
from tests.kit.proofs import small_market
from tests.kit.proofs.stressed import MEMBERS, RULEBOOK, snapshot_of

replace = msgspec.structs.replace
HOLDINGS = {1: (10**12, 0, 5, 0, 0), 2: (5 * 10**12, 0, -5, 0, 0)}
MEASURED = {"file", "seconds", "bytes"}
"""What a report says of a run, and not of the package."""


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two packages of one epoch, the second of prices that are dated a minute later: no row differs."""
    folder = tmp_path_factory.mktemp("stories")
    found = (folder / "one.ccp", folder / "other.ccp")
    for path, late in zip(found, (0, 60_000), strict=True):
        book = replace(RULEBOOK, time_ms=RULEBOOK.time_ms - 120_000 + late)
        path.write_bytes(small_market.honest(snapshot_of(HOLDINGS, MEMBERS, book)))
    return found


def without_measures(value: object) -> object:
    if isinstance(value, dict):
        return {name: without_measures(inner) for name, inner in value.items() if name not in MEASURED}
    return [without_measures(inner) for inner in value] if isinstance(value, list) else value


def test_histories_that_differ_in_a_trusted_value_have_different_reports(
    stories: tuple[Path, Path], cli: CommandLine
) -> None:
    asked = ("proof", "history", *TRUST, "--no-strict", "--output", "json")
    reports = [cli(*asked, path).json for path in stories]
    assert all(report["ok"] for report in reports)
    one, other = (json.dumps(without_measures(report)) for report in reports)
    assert one != other


def test_each_package_of_a_history_names_what_verify_names(stories: tuple[Path, Path], cli: CommandLine) -> None:
    for path in stories:
        (listed,) = cli("proof", "history", *TRUST, "--no-strict", "--output", "json", path).json["packages"]
        assert listed["attested"] == cli("verify", *TRUST, "--no-strict", "--output", "json", path).json["attested"]
        assert listed["attested"]["valuation_time_ms"]


def test_a_history_names_where_its_words_are_listed(stories: tuple[Path, Path], cli: CommandLine) -> None:
    assert "`attested`" in cli("proof", "history", *TRUST, stories[0]).out


@pytest.mark.parametrize("named", [TRUST[:2], TRUST[2:4], ()], ids=["network", "set", "nothing"])
def test_a_set_of_no_named_network_or_a_network_of_no_named_set_is_no_anchor(
    stories: tuple[Path, Path], named: tuple[str, ...], cli: CommandLine
) -> None:
    """One set may serve several networks, such as one for tests: its packages are no history of another."""
    report = cli("proof", "history", *named, "--output", "json", stories[0], code=6).json
    assert "anchor" in report["open"]
    assert not report["ok"]


def test_amendments_are_no_anchor_without_a_genesis(stories: tuple[Path, Path], cli: CommandLine) -> None:
    cli("proof", "history", *TRUST, "--amendments", stories[0], stories[0], code=2)
