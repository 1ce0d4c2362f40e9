"""Rules of `crossclear proof`: what each verb exits with, what it says, what it refuses to read."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from clearing.base.errors import LocalFault
from cli.main import run
from member.verifying import proof_files
from proofs.epoch.package import commitments_root, read_package, write_package
from proofs.epoch.prover import commit_epoch, prove_epoch
from tests.kit.proofs import small_market

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("web3", "libp2p", "numpy", "trio", "httpx", "starlette", "hypercorn", "py_ecc", "eth_utils")
Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="session")
def package_of() -> Callable[..., bytes]:
    def make(epoch: int, **header: object) -> bytes:
        shot = small_market.snapshot()
        custody = tuple(
            msgspec.structs.replace(term, block_number=100 * epoch + term.chain_id) for term in shot.statement.custody
        )
        stated = msgspec.structs.replace(
            shot.statement, epoch=epoch, height=10 * epoch, state_root=bytes([epoch]) * 32, custody=custody
        )
        shot = msgspec.structs.replace(shot, statement=stated)
        n, seeds = small_market.N, small_market.seeds()
        fields = {"height": 10 * epoch + 3, "commitments_height": 10 * epoch, "epoch": epoch}
        fields["time_ms"] = 1_584_000_000_000 + epoch
        root = commitments_root(stated, commit_epoch(shot, seeds, n), n)
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


@pytest.fixture
def own(tmp_path: Path) -> list[str]:
    seed, holdings = tmp_path / "seed", tmp_path / "holdings.json"
    seed.write_text(small_market.seeds()[1].hex() + "\n")
    seed.chmod(0o600)
    holdings.write_text('{"cash:USD": "9000", "token:31337:WETH": 40, "position:BTC-PERP": "-2"}')
    return ["--account", "1", "--seed-file", str(seed), "--holdings", str(holdings)]


@pytest.fixture(scope="session")
def trust() -> list[str]:
    return ["--network", small_market.NETWORK.hex(), "--validators-hash", small_market.validator_set().hash.hex()]


@pytest.fixture
def made(package: Path, own: list[str], trust: list[str], tmp_path: Path) -> Path:
    out = tmp_path / "mine.ccs"
    assert run(["proof", "make", str(package), *own, *trust, "--out", str(out)]) == 0
    return out


class TestOneAccount:
    """`proof make` and `proof verify`."""

    def test_a_made_proof_has_500_bytes_and_verifies(
        self, made: Path, package: Path, trust: list[str], capsys: Output
    ) -> None:
        assert made.stat().st_size == 500
        assert run(["proof", "verify", str(made), "--package", str(package), *trust, "--output", "json"]) == 0
        (report,) = json.loads(capsys.readouterr().out)
        assert report["ok"] is True
        assert (report["epoch"], report["bytes"]) == (4, 500)
        assert [check["name"] for check in report["checks"]][-2:] == ["listed", "solvency"]
        assert "account 1 meets its maintenance requirement" in report["claim"]
        assert run(["proof", "verify", str(made), "--package", str(package)]) == 0
        assert "nothing but the file itself was trusted" in capsys.readouterr().out

    def test_another_epochs_package_refuses_it(self, made: Path, folder: Path, capsys: Output) -> None:
        other = folder / "epoch-000005.ccp"
        assert run(["proof", "verify", str(made), "--package", str(other)]) == 6
        assert "check `listed` failed" in capsys.readouterr().out

    def test_one_bad_proof_among_good_ones_is_named(
        self, made: Path, package: Path, tmp_path: Path, capsys: Output
    ) -> None:
        bad = tmp_path / "bad.ccs"
        bad.write_bytes(made.read_bytes()[:-1] + b"\0")
        files = [str(made), str(bad), str(made)]
        assert run(["proof", "verify", *files, "--package", str(package), "--output", "json"]) == 6
        reports = json.loads(capsys.readouterr().out)
        assert [report["ok"] for report in reports] == [True, False, True]
        assert [report["file"] for report in reports] == files
        assert run(["proof", "verify", *files, "--package", str(package)]) == 6
        assert str(bad) in capsys.readouterr().out

    def test_no_proof_is_made_for_an_untrusted_package(
        self, package: Path, own: list[str], trust: list[str], tmp_path: Path
    ) -> None:
        out = tmp_path / "none.ccs"
        assert run(["proof", "make", str(package), *own, "--out", str(out)]) == 2
        assert run(["proof", "make", str(package), *own, *trust[:2], "--out", str(out)]) == 2
        wrong = [*trust[:2], "--validators-hash", "11" * 32]
        assert run(["proof", "make", str(package), *own, *wrong, "--out", str(out)]) == 6
        assert run(["proof", "make", str(package), *trust, "--out", str(out)]) == 2
        (tmp_path / "junk.ccp").write_bytes(b"junk")
        assert run(["proof", "make", str(tmp_path / "junk.ccp"), *own, *trust, "--out", str(out)]) == 6
        assert not out.exists()

    def test_holdings_that_were_not_committed_make_none(
        self, package: Path, own: list[str], trust: list[str], tmp_path: Path, capsys: Output
    ) -> None:
        Path(own[-1]).write_text('{"cash:USD": "9001"}')
        assert run(["proof", "make", str(package), *own, *trust, "--out", str(tmp_path / "none.ccs")]) == 1
        assert "not_included" in capsys.readouterr().err

    def test_an_output_is_never_overwritten(self, made: Path, package: Path, own: list[str], trust: list[str]) -> None:
        before = made.read_bytes()
        assert run(["proof", "make", str(package), *own, *trust, "--out", str(made)]) == 7
        assert made.read_bytes() == before


class TestShow:
    """`proof show`."""

    def test_a_package_is_shown_by_names_and_words(self, package: Path, capsys: Output) -> None:
        assert run(["proof", "show", str(package)]) == 0
        shown = json.loads(capsys.readouterr().out)
        good = read_package(package.read_bytes())
        assert set(shown) == set(good.__struct_fields__)
        assert shown["header"]["hash"] == "0x" + good.header.hash.hex()
        assert shown["certificate"]["signed_by"] == [0, 1]
        assert shown["statement"]["slots"][0]["kind"] == "CASH"
        assert [group["name"] for group in shown["statement"]["rules"]["rulebook"]["parameters"]["groups"]] == [
            "BTC",
            "ETH",
        ]
        rows = {row["name"]: row["says"] for row in shown["statement"]["rows"]}
        assert rows["BTC/1"] == "−700·position:BTC-PERP + max:BTC ≥ 0"
        assert rows["cash-limit"] == "cash:USD + 1000000000000 + shortfall ≥ 0"
        assert rows["maintenance"].endswith("− 8·max:ETH + shortfall ≥ 0")
        assert shown["commitments"][1] == {"account": 1, "C_W": "0x" + good.commitments[1][1].hex()}
        assert len(shown["proof"]["accounts"]) == 3
        assert [each["base"] for each in shown["book"]["z"]][:2] == ["[Z_H]", "[X·Z_H]"]

    def test_a_package_whose_proofs_do_not_parse_is_shown_all_the_same(
        self, package: Path, tmp_path: Path, capsys: Output
    ) -> None:
        good = read_package(package.read_bytes())
        path = tmp_path / "forged.ccp"
        path.write_bytes(
            write_package(
                msgspec.structs.replace(
                    good,
                    proof=b"\1",
                    book=b"\2",
                    domain=3,
                    statement=msgspec.structs.replace(good.statement, rules=b"\3"),
                )
            )
        )
        assert run(["proof", "show", str(path)]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert (shown["proof"]["bytes"], shown["book"]["bytes"]) == ("0x01", "0x02")
        assert shown["statement"]["rules"]["bytes"] == "0x03"

    def test_a_proof_of_one_account_is_shown(self, made: Path, capsys: Output) -> None:
        assert run(["proof", "show", str(made)]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["C_W"] == "0x" + made.read_bytes()[4:52].hex()
        assert len(shown["proof"]["accounts"]) == 1

    def test_raw_shows_what_is_there_and_typed_refuses_what_is_no_proof(self, tmp_path: Path, capsys: Output) -> None:
        (tmp_path / "any").write_bytes(b"\x92\x01\xa1a")
        assert run(["proof", "show", "--raw", str(tmp_path / "any")]) == 0
        assert json.loads(capsys.readouterr().out) == [1, "a"]
        assert run(["proof", "show", str(tmp_path / "any")]) == 6
        (tmp_path / "any").write_bytes(b"ccs\x01short")
        assert run(["proof", "show", str(tmp_path / "any")]) == 6


class TestHistory:
    """`proof history`."""

    def test_a_whole_folder_is_one_history(self, folder: Path, trust: list[str], capsys: Output) -> None:
        assert run(["proof", "history", str(folder), *trust, "--output", "json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["epochs"] == [4, 5, 6]
        assert [each["epoch"] for each in report["packages"]] == [4, 5, 6]
        assert report["findings"] == []
        assert run(["proof", "history", str(folder)]) == 0
        text = capsys.readouterr().out
        assert "3 epochs from 4 to 6" in text
        assert "Not proven:" in text

    def test_gaps_are_found_and_may_be_allowed(self, folder: Path, capsys: Output) -> None:
        files = [str(folder / f"epoch-00000{epoch}.ccp") for epoch in (4, 6)]
        assert run(["proof", "history", *files]) == 6
        assert "FOUND R0734 epoch_missing: epoch 5" in capsys.readouterr().out
        assert run(["proof", "history", *files, "--allow", "gaps"]) == 0
        assert "allowed R0734" in capsys.readouterr().out
        assert run(["proof", "history", *files, "--allow", "unlinked"]) == 6

    def test_an_equivocation_is_never_allowed(
        self, folder: Path, package_of: Callable[..., bytes], tmp_path: Path, capsys: Output
    ) -> None:
        (tmp_path / "other.ccp").write_bytes(package_of(5, payload_root=bytes(32)))
        arguments = [str(folder), str(tmp_path), "--allow", "gaps", "--allow", "unlinked"]
        assert run(["proof", "history", *arguments]) == 6
        text = capsys.readouterr().out
        assert "R0730 equivocation: two headers of height 53; validators 0, 1 signed both" in text
        assert str(tmp_path / "other.ccp") in text

    def test_another_anchor_is_a_finding(self, folder: Path, capsys: Output) -> None:
        assert run(["proof", "history", str(folder), "--validators-hash", "11" * 32]) == 6
        text = capsys.readouterr().out
        assert "set_not_linked" in text
        assert "open " in text
        assert "no good package" in text
        assert run(["proof", "history", str(folder), "--validators-hash", "11" * 32, "--allow", "unlinked"]) == 0
        capsys.readouterr()
        assert run(["proof", "history", str(folder), "--network", "11" * 32]) == 6
        assert "no good package" in capsys.readouterr().out

    def test_an_empty_folder_shows_nothing(self, tmp_path: Path, capsys: Output) -> None:
        assert run(["proof", "history", str(tmp_path)]) == 6
        assert "there is no good package here" in capsys.readouterr().out

    def test_what_is_no_ordinary_file_is_not_opened(self, folder: Path, tmp_path: Path, capsys: Output) -> None:
        os.mkfifo(tmp_path / "pipe.ccp")
        (tmp_path / "loop.ccp").symlink_to(tmp_path / "loop.ccp")
        (tmp_path / "zero.ccp").symlink_to("/dev/zero")
        (tmp_path / "folder.ccp").mkdir()
        (tmp_path / "notes.txt").write_text("x")
        (tmp_path / "4.ccp").write_bytes((folder / "epoch-000004.ccp").read_bytes())
        assert run(["proof", "history", str(tmp_path), "--output", "json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert (len(report["packages"]), report["skipped"]) == (1, 5)

    def test_a_name_with_control_characters_is_printed_escaped(self, tmp_path: Path, capsys: Output) -> None:
        (tmp_path / "a\x1b[2J\n\u202e.ccp").write_bytes(b"junk")
        (tmp_path / os.fsdecode(b"\xff.ccp")).write_bytes(b"junk")
        assert run(["proof", "history", str(tmp_path)]) == 6
        told = capsys.readouterr().out
        assert all(each.isprintable() or each == "\n" for each in told)
        assert run(["proof", "history", str(tmp_path), "--output", "json"]) == 6

    def test_a_folder_of_too_many_entries_is_refused(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
    ) -> None:
        monkeypatch.setattr(proof_files, "FILES_MAX", 2)
        assert run(["proof", "history", str(folder)]) == 1
        assert "limit=2" in capsys.readouterr().err

    def test_a_file_that_cannot_be_read_is_a_finding(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
    ) -> None:
        for epoch in (4, 5):
            (tmp_path / f"{epoch}.ccp").write_bytes((folder / f"epoch-00000{epoch}.ccp").read_bytes())
        opened = os.open

        def without_right(path: str | Path, *flags: int) -> int:
            if str(path).endswith("5.ccp"):
                raise PermissionError(13, "Permission denied")
            return opened(path, *flags)

        monkeypatch.setattr(proof_files.os, "open", without_right)
        assert run(["proof", "history", str(tmp_path)]) == 6
        assert "Permission denied" in capsys.readouterr().out

    def test_a_pipe_that_took_a_files_place_after_the_folder_was_read_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "5.ccp")
        with pytest.raises(LocalFault, match="no ordinary file"):
            proof_files._read_ordinary(tmp_path / "5.ccp")


@pytest.mark.parametrize(
    "arguments", [["show", "{file}"], ["history", "{file}"], ["verify", "{file}", "--package", "{file}"]]
)
def test_the_tools_import_nothing_heavy(package: Path, arguments: list[str]) -> None:
    words = [each.replace("{file}", str(package)) for each in arguments]
    program = (
        "import sys, json\n"
        "from cli.main import run\n"
        f"run(['proof', *{words!r}])\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert json.loads(done.stderr.splitlines()[-1]) == []
