"""A package that shows less than it could does not look like success, to a machine or to a person."""

from pathlib import Path

import msgspec
import pytest

from member.verifying.package import Checked, VerificationReport, report_text
from proofs.epoch.package import read_package, write_package
from proofs.verify.standalone_prover import prove_account
from proofs.verify.verdict import OwnAccount
from tests.kit.command_line import CommandLine
from tests.kit.member.packages import AT, TRUST
from tests.kit.proofs import small_market
from tests.kit.proofs.proven_custody import chains_of, proven

replace = msgspec.structs.replace
JSON = ("--output", "json")


@pytest.fixture(scope="module")
def stripped(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without the proof that the house owes no cash: every byte that is left is right."""
    path = tmp_path_factory.mktemp("stripped") / "epoch.ccp"
    path.write_bytes(write_package(replace(read_package(package.read_bytes()), house=b"")))
    return path


def test_a_machine_takes_no_stripped_package_for_a_good_one(stripped: Path, cli: CommandLine) -> None:
    report = cli("verify", stripped, *TRUST, *JSON, code=6).json
    assert (report["ok"], report["claim"], report["strict"]) == (False, "", True)
    assert report["open"] == ["custody", "cover", "house"]
    assert all(check["ok"] for check in report["checks"]), "nothing is wrong, but it is not shown"
    assert report["not_proven"]


def test_a_machine_takes_no_package_without_an_anchor_for_a_good_one(package: Path, cli: CommandLine) -> None:
    for words in ((), TRUST[:2], TRUST[2:]):
        report = cli("verify", package, *words, *JSON, code=6).json
        assert (report["ok"], report["open"][0]) == (False, "certificate")
    assert cli("verify", package, *TRUST, *JSON, code=6).json["open"] == ["custody", "cover"]


def test_what_may_stay_open_is_named_one_by_one_or_all_is_allowed(stripped: Path, cli: CommandLine) -> None:
    words = ["verify", stripped, *TRUST, *JSON]
    some = ["--allow-open", "custody", "--allow-open", "cover"]
    cli(*words, *some, code=6)
    for relaxed in ([*some, "--allow-open", "house"], ["--no-strict"]):
        report = cli(*words, *relaxed).json
        assert (report["ok"], report["open"]) == (True, ["custody", "cover", "house"])
        assert report["claim"]
    cli("verify", stripped, *TRUST)
    cli("verify", stripped, *TRUST, "--strict", code=6)


def test_a_check_that_fails_is_never_allowed(package: Path, tmp_path: Path, cli: CommandLine) -> None:
    (tmp_path / "forged.ccp").write_bytes(package.read_bytes()[:-1])
    for relaxed in (["--no-strict"], ["--allow-open", "encoding"]):
        assert not cli("verify", tmp_path / "forged.ccp", *TRUST, *JSON, *relaxed, code=6).json["ok"]


def test_the_text_begins_with_what_is_not_shown(
    stripped: Path, package: Path, tmp_path: Path, cli: CommandLine
) -> None:
    printed = cli("verify", stripped, *TRUST).out.split("\n\n")[0]
    assert printed.startswith("NOT SHOWN:\n")
    assert all(f"  - {name}: " in printed for name in ("custody", "cover", "house"))
    assert "anybody may have made this file" in cli("verify", package).out.split("\n\n")[0]
    strict = cli("verify", stripped, *TRUST, "--strict", code=6).out
    assert strict.startswith("NOT VERIFIED (R0760)")
    assert "meet their maintenance requirement;" not in strict
    (tmp_path / "forged.ccp").write_bytes(b"junk")
    assert cli("verify", tmp_path / "forged.ccp", code=6).out.startswith("NOT VERIFIED: check `encoding` failed")


def test_where_nothing_is_open_the_text_says_so_and_strictness_changes_nothing() -> None:
    checks = (Checked("certificate", ok=True, detail="final"),)
    report = VerificationReport(ok=True, height=40, network="07", checks=checks, bytes=1, seconds=0.0, claim="All.")
    judged = report.judged(strict=True)
    assert (judged.ok, judged.open, judged.claim) == (True, (), "All.")
    assert report_text(judged).startswith("Every check is complete.")


def test_custody_with_its_evidence_stays_no_more_open(tmp_path: Path, cli: CommandLine) -> None:
    chains = chains_of(small_market.statement().custody)
    for chain in chains.values():
        chain.time_s = 1_584_000_000  # the header's: a block that is dated after the stated time leaves custody open
    stated, evidence = proven(small_market.statement(), chains)
    shot = replace(small_market.snapshot(), statement=stated)
    path = tmp_path / "proven.ccp"
    path.write_bytes(write_package(replace(read_package(small_market.honest(shot)), custody=evidence)))
    assert cli("verify", path, *TRUST, *JSON, "--allow-open", "cover").json["open"] == ["cover"]


def test_proofs_of_single_accounts_are_judged_alike(package: Path, tmp_path: Path, cli: CommandLine) -> None:
    own = OwnAccount(1, dict(small_market.HOLDINGS)[1], small_market.seeds()[1], small_market.owner(1))
    (tmp_path / "own.ccs").write_bytes(prove_account(read_package(package.read_bytes()), own))
    words = ["proof", "verify", tmp_path / "own.ccs", "--package", package, *JSON]
    (report,) = cli(*words, *TRUST).json
    assert (report["ok"], report["open"]) == (True, [])
    (report,) = cli(*words, code=6).json
    assert (report["ok"], report["open"], report["claim"]) == (False, ["certificate"], "")
    assert cli(*words, "--no-strict").json[0]["ok"]


# Time, as the options state it.


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), 6),
        (("--max-age", "any"), 0),
        (("--max-age", "9999d"), 0),
        (AT, 0),
        (("--at", "2020-03-19T08:00:00+00:00"), 0),
        (("--at", "2020-03-19T08:00:01Z"), 6),
        (("--at", "2020-03-19T08:00:01Z", "--max-age", "169h"), 0),
        (("--at", "2020-03-01T00:00:00Z"), 6),
        ((*AT, "--min-height", "40"), 0),
        ((*AT, "--min-height", "41"), 6),
        ((*AT, "--set-known-at", "2020-03-01T00:00:00Z"), 0),
        ((*AT, "--set-known-at", "2020-02-01T00:00:00Z"), 6),
        (("--at", "2020-03-12T08:00:00"), 2),
        (("--at", "yesterday"), 2),
        (("--at", "1900-01-01T00:00:00Z"), 2),
        (("--max-age", "7"), 2),
        (("--max-age", "-1d"), 2),
        (("--min-height", "-1"), 2),
    ],
)
def test_an_old_package_needs_a_time_or_an_age_from_its_reader(
    package: Path, cli: CommandLine, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], code: int
) -> None:
    monkeypatch.undo()  # the clock of this machine
    text = cli("verify", package, *TRUST, *options, code=code)
    assert ("check `freshness` failed" in text.out) is (code == 6)
