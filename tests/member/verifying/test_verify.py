"""Rules of `crossclear verify`: what it exits with, what it says, what it never imports."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.margin.statement.rulebook import write_rulebook
from cli.main import run
from cli.options import MemberKey
from member.api.proofs import InclusionView
from member.verifying.package import TrustAnchor, anchor_of_genesis
from proofs.epoch.package import commitments_root, read_package, write_package
from tests.kit.proofs import small_market

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("web3", "libp2p", "numpy", "trio", "httpx", "starlette", "hypercorn", "py_ecc", "eth_utils")


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "epoch.ccp"
    path.write_bytes(small_market.honest(small_market.snapshot()))
    return path


def trust() -> list[str]:
    validators = small_market.validator_set().hash.hex()
    return ["--network", small_market.NETWORK.hex(), "--validators-hash", "0x" + validators]


def test_an_honest_package_verifies(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(package), *trust(), "--output", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    keys = ["ok", "height", "network", "checks", "bytes", "seconds", "epoch", "not_run", "claim", "not_proven", "file"]
    assert list(report) == keys
    assert (report["ok"], report["height"], report["network"]) == (True, 40, small_market.NETWORK.hex())
    assert report["bytes"] == package.stat().st_size
    names = [check["name"] for check in report["checks"]]
    assert names[:3] == ["encoding", "certificate", "roots"]
    assert all(check["ok"] and check["detail"] and check["meaning"] for check in report["checks"])
    assert all(check["seconds"] > 0 and check["code"] == "" for check in report["checks"])
    partly = [check["name"] for check in report["checks"] if not check["complete"]]
    assert partly == ["custody", "cover"]  # neither storage proofs nor stress scenarios are in this market
    assert sum(check["seconds"] for check in report["checks"]) <= report["seconds"]
    assert "all 3 accounts meet" in report["claim"]
    assert len(report["not_proven"]) > 3
    assert report["not_run"] == []
    assert run(["verify", str(package), *trust()]) == 0
    text = capsys.readouterr().out
    assert "open custody" in text
    assert "ok   reserves" in text
    assert "Not proven:" in text
    assert "nothing but the file itself was trusted" not in text


def test_without_an_anchor_the_text_says_what_that_means(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(package)]) == 0
    assert "nothing but the file itself was trusted" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--network", "--validators-hash"])
def test_another_anchor_fails_the_certificate(package: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(package), option, "11" * 32, "--output", "json"]) == 6
    report = json.loads(capsys.readouterr().out)
    assert report["checks"][-1]["name"] == "certificate"
    assert report["checks"][-1]["ok"] is False


def test_a_flipped_bit_is_refused_with_the_failing_check_named(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = package.read_bytes()
    for at in range(0, len(data), max(1, len(data) // 40)):
        forged = bytearray(data)
        forged[at] ^= 1 << at % 8
        (tmp_path / "forged.ccp").write_bytes(forged)
        assert run(["verify", str(tmp_path / "forged.ccp"), "--output", "json"]) == 6, at
        report = json.loads(capsys.readouterr().out)
        assert [check["ok"] for check in report["checks"]].count(False) == 1
        assert report["checks"][-1]["ok"] is False


@given(data=st.binary(max_size=200))
@settings(deadline=None, max_examples=50)
def test_malformed_bytes_fail_as_encoding(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("junk") / "junk.ccp"
    path.write_bytes(data)
    assert run(["verify", str(path), "--output", "json"]) == 6


def test_malformed_bytes_are_named_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "junk.ccp").write_bytes(b"junk")
    assert run(["verify", str(tmp_path / "junk.ccp")]) == 6
    out = capsys.readouterr().out
    assert "check `encoding` failed" in out
    assert "crossclear explain R0102" in out
    assert "Not proven" not in out


def test_a_failed_check_names_its_code_and_what_did_not_run(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = read_package(package.read_bytes())
    path = tmp_path / "forged.ccp"
    path.write_bytes(write_package(msgspec.structs.replace(good, book=bytes(len(good.book)))))
    assert run(["verify", str(path), "--output", "json"]) == 6
    report = json.loads(capsys.readouterr().out)
    assert report["checks"][-1]["code"] == "R0701 bad_point"
    assert report["not_run"][0] == "reserves"
    assert (report["claim"], report["not_proven"]) == ("", [])
    assert run(["verify", str(path)]) == 6
    assert "--   reserves" in capsys.readouterr().out


def test_a_hostile_package_cannot_steer_the_terminal(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = read_package(package.read_bytes())
    slots = tuple(msgspec.structs.replace(slot, name=f"\x1b[2J\u202e{slot.name}\n") for slot in good.statement.slots)
    totals = tuple(msgspec.structs.replace(total, total=1) for total in good.statement.totals)
    stated = msgspec.structs.replace(good.statement, slots=slots, totals=totals)
    head = small_market.certified(commitments_root(stated, good.commitments, good.domain))
    forged = msgspec.structs.replace(good, statement=stated, header=head[0], certificate=head[1], validators=head[2])
    path = tmp_path / "forged.ccp"
    path.write_bytes(write_package(forged))
    holdings, seed = tmp_path / "holdings.json", tmp_path / "seed"
    holdings.write_text('{"cash:USD": 1}')
    seed.write_text("11" * 32)
    seed.chmod(0o600)
    own = ["--account", "1", "--seed-file", str(seed), "--holdings", str(holdings)]
    for arguments in (["verify"], ["verify", *own], ["proof", "show"], ["proof", "history"]):
        run([*arguments, str(path)])
        told = capsys.readouterr()
        assert all(each.isprintable() or each == "\n" for each in told.out + told.err), arguments


def test_a_package_that_a_command_refuses_cannot_steer_the_terminal_by_the_refusal(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a package is no report's subject its fault is told as an error, with the names that it brought."""
    good, book = read_package(package.read_bytes()), small_market.RULEBOOK
    first = msgspec.structs.replace(book.instruments[0], name="\x1b[2J\u202e", group=99)
    rules = write_rulebook(msgspec.structs.replace(book, instruments=(first, *book.instruments[1:])))
    stated = msgspec.structs.replace(good.statement, rules=rules)
    head = small_market.certified(commitments_root(stated, good.commitments, good.domain))
    forged = msgspec.structs.replace(good, statement=stated, header=head[0], certificate=head[1], validators=head[2])
    path = tmp_path / "forged.ccp"
    path.write_bytes(write_package(forged))
    assert run(["onchain", "check", str(path), "--package", str(path)]) != 0
    told = capsys.readouterr().err
    assert "\\u001b" in told
    assert all(each.isprintable() or each == "\n" for each in told)


def test_a_nodes_answer_about_an_own_account_cannot_steer_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = InclusionView(
        epoch=4, height=40, account=1, seed="11" * 32, holdings={"cash:\x1b[2J\u202e": "5"}, package=False
    )

    class Node:
        async def inclusion(self, *_: object) -> InclusionView:
            await trio.lowlevel.checkpoint()
            return told

    monkeypatch.setattr(MemberKey, "ask", lambda _, question: trio.run(question, Node()))
    key = tmp_path / "key"
    key.write_text("11" * 32)
    out = ["--out", str(tmp_path / "inputs"), "--secret-file", str(key)]
    assert run(["proof", "inputs", "--url", "http://127.0.0.1:1", "--account", "1", *out]) == 0
    shown = capsys.readouterr()
    assert "cash:" in shown.out
    assert all(each.isprintable() or each == "\n" for each in shown.out + shown.err)


class TestOwnAccount:
    """A member checks that its account is in the package with its own holdings."""

    @pytest.fixture
    def seed(self, tmp_path: Path) -> Path:
        path = tmp_path / "seed"
        path.write_text(small_market.seeds()[1].hex() + "\n")
        path.chmod(0o600)
        return path

    @pytest.fixture
    def holdings(self, tmp_path: Path) -> Path:
        path = tmp_path / "holdings.json"
        path.write_text('{"cash:USD": "9000", "token:31337:WETH": 40, "position:BTC-PERP": "-2"}')
        return path

    def verify(self, package: Path, account: int, seed: Path, holdings: Path) -> int:
        own = ["--account", str(account), "--seed-file", str(seed), "--holdings", str(holdings)]
        return run(["verify", str(package), *own, "--output", "json"])

    def test_a_number_that_no_account_has_is_a_usage_error(self, package: Path, seed: Path, holdings: Path) -> None:
        assert self.verify(package, 2**63, seed, holdings) == 2

    def test_its_own_holdings_are_included(
        self, package: Path, seed: Path, holdings: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.verify(package, 1, seed, holdings) == 0
        assert json.loads(capsys.readouterr().out)["checks"][-1]["name"] == "inclusion"

    def test_other_holdings_or_another_account_are_not(
        self, package: Path, seed: Path, holdings: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.verify(package, 5, seed, holdings) == 6
        holdings.write_text('{"cash:USD": "9001", "token:31337:WETH": 40, "position:BTC-PERP": "-2"}')
        capsys.readouterr()
        assert self.verify(package, 1, seed, holdings) == 6
        failed = json.loads(capsys.readouterr().out)["checks"][-1]
        assert (failed["name"], failed["ok"]) == ("inclusion", False)

    @pytest.mark.parametrize(
        "text", ['{"cash:EUR": 1}', "[]", '{"cash:USD": "x"}', '{"cash:USD": 1.5}', "", "[" * 9999]
    )
    def test_bad_holdings_are_the_callers_fault(self, package: Path, seed: Path, holdings: Path, text: str) -> None:
        holdings.write_text(text)
        assert self.verify(package, 1, seed, holdings) == 1

    def test_a_seed_file_that_others_can_read_is_refused_for_safety(
        self, package: Path, seed: Path, holdings: Path
    ) -> None:
        seed.chmod(0o644)
        assert self.verify(package, 1, seed, holdings) == 7


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify"],
        ["verify", "/nowhere.ccp"],
        ["verify", "{file}", "--network", "xyz"],
        ["verify", "{file}", "--account", "1"],
        ["verify", "{file}", "--genesis", "{file}", "--network", "11" * 32],
        ["verify", "{file}", "--output", "xml"],
    ],
)
def test_wrong_usage_exits_with_2(package: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([each.replace("{file}", str(package)) for each in arguments]) == 2
    assert capsys.readouterr().out == ""


def test_a_genesis_file_is_an_anchor(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from clearing.genesis.custody_listing import listed_custody
    from clearing.genesis.json import genesis_to_json
    from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskParameters
    from clearing.schema.terms.genesis import (
        AccountKind,
        AccountTerms,
        Genesis,
        MarketParameters,
        MemberTerms,
        network_id,
    )

    house = MemberTerms(0, "house", bytes(20), (AccountTerms(0, AccountKind.HOUSE),))
    risk = RiskParameters(groups=(), scenarios=SPAN_SIXTEEN)
    validators = read_package(package.read_bytes()).validators
    genesis = Genesis("other", 0, validators, (), (), (), (), (), risk, MarketParameters(), (house,))
    path = tmp_path / "genesis.json"
    path.write_bytes(genesis_to_json(genesis))
    assert anchor_of_genesis(path.read_bytes()) == TrustAnchor(
        network_id(genesis), validators.hash, listed_custody(genesis)
    )
    assert run(["verify", str(package), "--genesis", str(path), "--output", "json"]) == 6
    assert json.loads(capsys.readouterr().out)["checks"][-1]["name"] == "certificate"
    path.write_bytes(b"{}")
    assert run(["verify", str(package), "--genesis", str(path)]) == 6


@pytest.mark.parametrize("anchored", [False, True])
def test_verify_imports_nothing_heavy(package: Path, anchored: bool) -> None:
    # With a genesis that does not parse, everything that reading one needs is imported all the same.
    options = f", '--genesis', {str(package)!r}" if anchored else ""
    program = (
        "import sys, json\n"
        "from cli.main import run\n"
        f"code = run(['verify', {str(package)!r}, '--output', 'json'{options}])\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print(json.dumps([code, loaded]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert json.loads(done.stderr.splitlines()[-1]) == [6 if anchored else 0, []]
