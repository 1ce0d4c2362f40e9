"""Rules of `crossclear proof`: what each verb exits with, what it says, what it refuses to read."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from clearing.base.errors import LocalFault
from member.verifying import proof_files
from proofs.epoch.package import commitments_root, read_package, write_package
from proofs.epoch.prover import commit_epoch, prove_epoch
from tests.kit.command_line import CommandLine, Printed
from tests.kit.member.packages import TRUST, heavy_imports, own_account
from tests.kit.proofs import small_market

replace = msgspec.structs.replace


@pytest.fixture(scope="session")
def package_of() -> Callable[..., bytes]:
    def make(epoch: int, **header: object) -> bytes:
        shot, n, seeds = small_market.snapshot(), small_market.N, small_market.seeds()
        custody = tuple(replace(term, block_number=100 * epoch + term.chain_id) for term in shot.statement.custody)
        changes = {"epoch": epoch, "height": 10 * epoch, "state_root": bytes([epoch]) * 32, "custody": custody}
        shot = replace(shot, statement=replace(shot.statement, **changes))
        fields = {"height": 10 * epoch + 3, "commitments_height": 10 * epoch, "epoch": epoch}
        fields["time_ms"] = 1_584_000_000_000 + epoch
        root = commitments_root(shot.statement, commit_epoch(shot, seeds, n), n)
        return prove_epoch(shot, seeds, *small_market.certified(root, **{**fields, **header}), domain=n)

    return make


@pytest.fixture(scope="session")
def folder(package_of: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packages")
    for epoch in (4, 5, 6):
        (path / f"epoch-{epoch:06d}.ccp").write_bytes(package_of(epoch))
    return path


@pytest.fixture
def package(folder: Path) -> Path:
    return folder / "epoch-000004.ccp"


# `proof make` and `proof verify`: one account.


@pytest.fixture
def made(package: Path, tmp_path: Path, cli: CommandLine) -> Path:
    out = tmp_path / "mine.ccs"
    cli("proof", "make", package, *own_account(tmp_path), *TRUST, "--out", out)
    return out


def test_a_made_proof_has_500_bytes_and_verifies(made: Path, package: Path, cli: CommandLine) -> None:
    assert made.stat().st_size == 500
    (report,) = cli("proof", "verify", made, "--package", package, *TRUST, "--output", "json").json
    assert (report["ok"], report["epoch"], report["bytes"]) == (True, 4, 500)
    assert [check["name"] for check in report["checks"]][-2:] == ["listed", "solvency"]
    assert "account 1 meets its maintenance requirement" in report["claim"]
    assert "nothing but the file itself was trusted" in cli("proof", "verify", made, "--package", package).out


def test_another_epochs_package_refuses_a_made_proof(made: Path, folder: Path, cli: CommandLine) -> None:
    other = folder / "epoch-000005.ccp"
    assert "check `listed` failed" in cli("proof", "verify", made, "--package", other, code=6).out


def test_one_bad_proof_among_good_ones_is_named(made: Path, package: Path, tmp_path: Path, cli: CommandLine) -> None:
    bad = tmp_path / "bad.ccs"
    bad.write_bytes(made.read_bytes()[:-1] + b"\0")
    words = ["proof", "verify", made, bad, made, "--package", package, *TRUST]
    reports = cli(*words, "--output", "json", code=6).json
    assert [(report["file"], report["ok"]) for report in reports] == [
        (str(made), True),
        (str(bad), False),
        (str(made), True),
    ]
    assert str(bad) in cli(*words, code=6).out


def test_no_proof_is_made_for_an_untrusted_package(package: Path, tmp_path: Path, cli: CommandLine) -> None:
    own, junk, out = own_account(tmp_path), tmp_path / "junk.ccp", tmp_path / "none.ccs"
    junk.write_bytes(b"junk")
    for file, options, code in (
        (package, own, 2),
        (package, [*own, *TRUST[:2]], 2),
        (package, [*own, *TRUST[:2], "--validators-hash", "11" * 32], 6),
        (package, TRUST, 2),
        (junk, [*own, *TRUST], 6),
    ):
        cli("proof", "make", file, *options, "--out", out, code=code)
    assert not out.exists()


def test_holdings_that_were_not_committed_make_no_proof(package: Path, tmp_path: Path, cli: CommandLine) -> None:
    own = own_account(tmp_path, holdings='{"cash:USD": "9001"}')
    printed = cli("proof", "make", package, *own, *TRUST, "--out", tmp_path / "none.ccs", code=1)
    assert "not_included" in printed.err


def test_an_output_is_never_overwritten(made: Path, package: Path, tmp_path: Path, cli: CommandLine) -> None:
    before = made.read_bytes()
    cli("proof", "make", package, *own_account(tmp_path), *TRUST, "--out", made, code=7)
    assert made.read_bytes() == before


# `proof show`.


def test_a_package_is_shown_by_names_and_words(package: Path, cli: CommandLine) -> None:
    shown, good = cli("proof", "show", package).json, read_package(package.read_bytes())
    assert set(shown) == set(good.__struct_fields__)
    assert shown["header"]["hash"] == "0x" + good.header.hash.hex()
    assert shown["certificate"]["signed_by"] == [0, 1]
    assert shown["statement"]["slots"][0]["kind"] == "CASH"
    groups = shown["statement"]["rules"]["rulebook"]["parameters"]["groups"]
    assert [group["name"] for group in groups] == ["BTC", "ETH"]
    rows = {row["name"]: row["says"] for row in shown["statement"]["rows"]}
    assert rows["BTC/1"] == "−700·position:BTC-PERP + max:BTC ≥ 0"
    assert rows["cash-limit"] == "cash:USD + 1000000000000 + shortfall ≥ 0"
    assert rows["maintenance"].endswith("− 8·max:ETH + shortfall ≥ 0")
    assert shown["commitments"][1] == {"account": 1, "C_W": "0x" + good.commitments[1][1].hex()}
    assert len(shown["proof"]["accounts"]) == 3
    assert [each["base"] for each in shown["book"]["z"]][:2] == ["[Z_H]", "[X·Z_H]"]


def test_a_package_whose_proofs_do_not_parse_is_shown_all_the_same(
    package: Path, tmp_path: Path, cli: CommandLine
) -> None:
    good, path = read_package(package.read_bytes()), tmp_path / "forged.ccp"
    stated = replace(good.statement, rules=b"\3")
    path.write_bytes(write_package(replace(good, proof=b"\1", book=b"\2", domain=3, statement=stated)))
    shown = cli("proof", "show", path).json
    found = (shown["proof"]["bytes"], shown["book"]["bytes"], shown["statement"]["rules"]["bytes"])
    assert found == ("0x01", "0x02", "0x03")


def test_a_proof_of_one_account_is_shown(made: Path, cli: CommandLine) -> None:
    shown = cli("proof", "show", made).json
    assert shown["C_W"] == "0x" + made.read_bytes()[4:52].hex()
    assert len(shown["proof"]["accounts"]) == 1


def test_raw_shows_what_is_there_and_typed_refuses_what_is_no_proof(tmp_path: Path, cli: CommandLine) -> None:
    path = tmp_path / "any"
    path.write_bytes(b"\x92\x01\xa1a")
    assert cli("proof", "show", "--raw", path).json == [1, "a"]
    cli("proof", "show", path, code=6)
    path.write_bytes(b"ccs\x01short")
    cli("proof", "show", path, code=6)


# `proof history`.


@pytest.fixture
def history(cli: CommandLine) -> Callable[..., Printed]:
    return lambda *words, code=0: cli("proof", "history", *words, code=code)


def test_a_machine_takes_no_history_with_something_open_for_a_good_one(
    folder: Path, history: Callable[..., Printed]
) -> None:
    report = history(folder, "--output", "json", code=6).json
    assert (report["ok"], report["open"], report["strict"]) == (False, ["anchor", "cover", "custody"], True)
    assert report["findings"] == []
    assert all(package["ok"] for package in report["packages"])
    allowed = ["--allow-open", "cover", "--allow-open", "custody"]
    history(folder, "--output", "json", *allowed, code=6)
    assert history(folder, *TRUST, "--output", "json", *allowed).json["ok"]
    text = history(folder).out
    assert text.startswith("NOT SHOWN: anchor, cover, custody;")
    assert "R0760" in history(folder, "--strict", code=6).out


def test_a_whole_folder_is_one_history(folder: Path, history: Callable[..., Printed]) -> None:
    report = history(folder, *TRUST, "--no-strict", "--output", "json").json
    assert report["epochs"] == [each["epoch"] for each in report["packages"]] == [4, 5, 6]
    assert report["findings"] == []
    text = history(folder).out
    assert "3 epochs from 4 to 6" in text
    assert "Not proven:" in text


def test_how_claims_moved_is_said_of_each_token(folder: Path, history: Callable[..., Printed]) -> None:
    moved = history(folder, *TRUST, "--no-strict", "--output", "json").json["movements"]
    steps = [(each["from_epoch"], each["to_epoch"]) for each in moved]
    assert steps == [(4, 5)] * 3 + [(5, 6)] * 3
    for each in moved:
        out = int(each["deposits"]) - int(each["withdrawals"]) - int(each["strays"]) - int(each["dust"])
        assert int(each["claims_after"]) - int(each["claims_before"]) == out
    text = history(folder).out
    for each in moved[:3]:
        start = f"{each['token']} on chain {each['chain_id']}: {each['claims_before']} + 0 of deposits"
        assert start in text


def test_gaps_are_found_and_may_be_allowed(folder: Path, history: Callable[..., Printed]) -> None:
    files = [folder / f"epoch-00000{epoch}.ccp" for epoch in (4, 6)]
    assert "FOUND R0734 epoch_missing: epoch 5" in history(*files, code=6).out
    assert "allowed R0734" in history(*files, "--allow", "gaps").out
    history(*files, "--allow", "unlinked", code=6)


def test_an_equivocation_is_never_allowed(
    folder: Path, package_of: Callable[..., bytes], tmp_path: Path, history: Callable[..., Printed]
) -> None:
    other = tmp_path / "other.ccp"
    other.write_bytes(package_of(5, payload_root=bytes(32)))
    text = history(folder, tmp_path, "--allow", "gaps", "--allow", "unlinked", code=6).out
    assert "R0730 equivocation: two headers of height 53; validators 0, 1 signed both" in text
    assert str(other) in text


def test_another_anchor_is_a_finding(folder: Path, history: Callable[..., Printed]) -> None:
    other_set = ["--validators-hash", "11" * 32]
    text = history(folder, *other_set, code=6).out
    assert all(words in text for words in ("set_not_linked", "FAIL ", "nothing was checked but its certificate"))
    assert "no good package" in text
    history(folder, *other_set, "--allow", "unlinked")
    assert "no good package" in history(folder, "--network", "11" * 32, code=6).out


LONG_AGO, LATELY = "2020-01-01T00:00:00Z", "2020-03-11T00:00:00Z"
"""More than two weeks before the small market's time, and a day."""


def test_a_trusted_set_that_may_have_retired_is_a_finding(folder: Path, history: Callable[..., Printed]) -> None:
    """Who has left a set loses nothing by signing another history."""
    trust = [folder, *TRUST, "--no-strict", "--set-known-at"]
    found = history(*trust, LONG_AGO, "--output", "json", code=6).json
    assert [each["code"] for each in found["findings"]] == ["R0758"]
    assert history(*trust, LONG_AGO, "--allow", "expired", "--output", "json").json["ok"]
    assert history(*trust, LATELY, "--output", "json").json["ok"]
    assert "rests on the caller's word" in history(folder, *TRUST).out
    assert "rests on the caller's word" not in history(*trust, LATELY).out


def test_no_proof_is_made_for_a_set_that_may_have_retired_or_an_old_package(
    package: Path, tmp_path: Path, cli: CommandLine
) -> None:
    """Rows of their own making could ask anything about one's holdings."""
    words = ["proof", "make", package, *own_account(tmp_path), *TRUST, "--out", tmp_path / "mine.ccs"]
    assert "R0758" in cli(*words, "--set-known-at", LONG_AGO, code=6).err
    assert "R0756" in cli(*words, "--at", "2020-06-01T00:00:00Z", code=6).err
    assert not (tmp_path / "mine.ccs").exists()
    cli(*words, "--set-known-at", LATELY)


def test_an_empty_folder_shows_nothing(tmp_path: Path, history: Callable[..., Printed]) -> None:
    assert "there is no good package here" in history(tmp_path, code=6).out


def test_what_is_no_ordinary_file_is_not_opened(folder: Path, tmp_path: Path, history: Callable[..., Printed]) -> None:
    os.mkfifo(tmp_path / "pipe.ccp")
    (tmp_path / "loop.ccp").symlink_to(tmp_path / "loop.ccp")
    (tmp_path / "zero.ccp").symlink_to("/dev/zero")
    (tmp_path / "folder.ccp").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "4.ccp").write_bytes((folder / "epoch-000004.ccp").read_bytes())
    report = history(tmp_path, "--no-strict", "--output", "json").json
    assert (len(report["packages"]), report["skipped"]) == (1, 5)


def test_a_name_with_control_characters_is_printed_escaped(tmp_path: Path, history: Callable[..., Printed]) -> None:
    (tmp_path / "a\x1b[2J\n\u202e.ccp").write_bytes(b"junk")
    (tmp_path / os.fsdecode(b"\xff.ccp")).write_bytes(b"junk")
    assert history(tmp_path, code=6).is_printable
    assert history(tmp_path, "--output", "json", code=6).json


def test_a_folder_of_too_many_entries_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, history: Callable[..., Printed]
) -> None:
    monkeypatch.setattr(proof_files, "FILES_MAX", 2)
    assert "limit=2" in history(folder, code=1).err


def test_a_file_that_cannot_be_read_is_a_finding(
    folder: Path, monkeypatch: pytest.MonkeyPatch, history: Callable[..., Printed]
) -> None:
    opened = os.open

    def without_right(path: str | Path, *flags: int) -> int:
        if str(path).endswith("5.ccp"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *flags)

    monkeypatch.setattr(proof_files.os, "open", without_right)
    assert "Permission denied" in history(folder, code=6).out


def test_a_pipe_that_took_a_files_place_after_the_folder_was_read_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "5.ccp")
    with pytest.raises(LocalFault, match="no ordinary file"):
        proof_files._read_ordinary(tmp_path / "5.ccp")


@pytest.mark.parametrize("words", ["show {file}", "history {file}", "verify {file} --package {file}"])
def test_the_tools_import_nothing_heavy(package: Path, words: str) -> None:
    assert heavy_imports("proof", *words.format(file=package).split())[1] == []
