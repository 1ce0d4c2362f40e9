"""Rules of `crossclear verify`: what it exits with, what it says, what it never imports."""

import re
from pathlib import Path

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.genesis.custody_listing import listed_custody
from clearing.genesis.json import genesis_to_json
from clearing.margin.statement.rulebook import write_rulebook
from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskParameters
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis, MarketParameters, MemberTerms, network_id
from cli.main import run
from cli.options import MemberKey
from member.api.proofs import InclusionView
from member.verifying.package import TrustAnchor, anchor_of_genesis
from member.verifying.spent import peak_bytes
from proofs.epoch.package import read_package, write_package
from tests.kit.command_line import CommandLine
from tests.kit.member.packages import AT, HOLDINGS, TRUST, heavy_imports, own_account
from tests.kit.proofs import small_market
from tests.kit.proofs.cheated_package import signed_anew

replace = msgspec.structs.replace


def test_an_honest_package_verifies(package: Path, cli: CommandLine) -> None:
    report = cli("verify", package, *TRUST, "--no-strict", "--output", "json").json
    keys = ["ok", "height", "network", "checks", "bytes", "seconds", "epoch", "not_run", "claim", "not_proven", "file"]
    assert list(report) == [*keys, "attested", "open", "strict", "cpu_seconds", "peak_bytes"]
    assert (report["attested"]["mark:BTC-PERP"], report["attested"]["index:WETH"]) == ("1000", "300")
    assert (report["ok"], report["height"], report["network"]) == (True, 40, small_market.NETWORK.hex())
    assert (report["bytes"], report["not_run"]) == (package.stat().st_size, [])
    names = [check["name"] for check in report["checks"]]
    assert names[:5] == ["encoding", "certificate", "sizes", "roots", "freshness"]
    assert all(check["ok"] and check["detail"] and check["meaning"] for check in report["checks"])
    assert all(check["seconds"] > 0 and check["code"] == "" for check in report["checks"])
    partly = [check["name"] for check in report["checks"] if not check["complete"]]
    assert partly == ["custody", "cover"]  # neither storage proofs nor stress scenarios are in this market
    assert sum(check["seconds"] for check in report["checks"]) <= report["seconds"]
    assert "all 3 accounts meet" in report["claim"]
    assert len(report["not_proven"]) > 3
    text = cli("verify", package, *TRUST).out
    assert all(words in text for words in ("open custody", "ok   reserves", "Not proven:"))
    assert "nothing but the file itself was trusted" not in text


def test_what_a_check_took_is_printed(package: Path, cli: CommandLine) -> None:
    report = cli("verify", package, *TRUST, "--no-strict", "--output", "json").json
    assert report["seconds"] > 0
    assert report["cpu_seconds"] > 0
    assert report["peak_bytes"] > 16 << 20
    *_, last = cli("verify", package, *TRUST).out.strip().splitlines()
    assert re.search(r", \d+\.\d{3} s, \d+\.\d{3} s of CPU, at most \d+ MiB of memory$", last), last


def test_the_peak_of_memory_counts_what_was_freed_again() -> None:
    before = peak_bytes()
    block = bytearray(b"\1") * before
    del block
    assert peak_bytes() > before + (16 << 20)


def test_without_an_anchor_the_text_says_what_that_means(package: Path, cli: CommandLine) -> None:
    assert "nothing but the file itself was trusted" in cli("verify", package).out


@pytest.mark.parametrize("option", ["--network", "--validators-hash"])
def test_another_anchor_fails_the_certificate(package: Path, option: str, cli: CommandLine) -> None:
    last = cli("verify", package, option, "11" * 32, "--output", "json", code=6).json["checks"][-1]
    assert (last["name"], last["ok"]) == ("certificate", False)


def test_a_flipped_bit_is_refused_with_the_failing_check_named(package: Path, tmp_path: Path, cli: CommandLine) -> None:
    data, path = package.read_bytes(), tmp_path / "forged.ccp"
    for at in range(0, len(data), max(1, len(data) // 40)):
        forged = bytearray(data)
        forged[at] ^= 1 << at % 8
        path.write_bytes(forged)
        *others, last = (check["ok"] for check in cli("verify", path, "--output", "json", code=6).json["checks"])
        assert (all(others), last) == (True, False), at


@given(data=st.binary(max_size=200))
@settings(max_examples=50)
def test_malformed_bytes_fail_as_encoding(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("junk") / "junk.ccp"
    path.write_bytes(data)
    assert run(["verify", str(path), "--output", "json"]) == 6


def test_malformed_bytes_are_named_in_words(tmp_path: Path, cli: CommandLine) -> None:
    (tmp_path / "junk.ccp").write_bytes(b"junk")
    text = cli("verify", tmp_path / "junk.ccp", code=6).out
    assert "check `encoding` failed" in text
    assert "crossclear explain R0102" in text
    assert "Not proven" not in text


def test_a_failed_check_names_its_code_and_what_did_not_run(package: Path, tmp_path: Path, cli: CommandLine) -> None:
    good, path = read_package(package.read_bytes()), tmp_path / "forged.ccp"
    path.write_bytes(write_package(replace(good, book=bytes(len(good.book)))))
    report = cli("verify", path, "--output", "json", code=6).json
    assert report["checks"][-1]["code"] == "R0701 bad_point"
    assert report["not_run"][0] == "reserves"
    assert (report["claim"], report["not_proven"]) == ("", [])
    assert "--   reserves" in cli("verify", path, code=6).out


def test_a_hostile_package_cannot_steer_the_terminal(package: Path, tmp_path: Path, cli: CommandLine) -> None:
    good, path = read_package(package.read_bytes()), tmp_path / "forged.ccp"
    slots = tuple(replace(slot, name=f"\x1b[2J\u202e{slot.name}\n") for slot in good.statement.slots)
    totals = tuple(replace(total, total=1) for total in good.statement.totals)
    path.write_bytes(
        signed_anew(small_market, replace(good, statement=replace(good.statement, slots=slots, totals=totals)))
    )
    own = own_account(tmp_path, holdings='{"cash:USD": 1}')
    for words in (["verify"], ["verify", *own], ["proof", "show"], ["proof", "history"]):
        assert cli(*words, path, code=None).is_printable, words


def test_a_package_that_a_command_refuses_cannot_steer_the_terminal_by_the_refusal(
    package: Path, tmp_path: Path, cli: CommandLine
) -> None:
    """Where a package is no report's subject its fault is told as an error, with the names that it brought."""
    good, book, path = read_package(package.read_bytes()), small_market.RULEBOOK, tmp_path / "forged.ccp"
    first = replace(book.instruments[0], name="\x1b[2J\u202e", group=99)
    rules = write_rulebook(replace(book, instruments=(first, *book.instruments[1:])))
    path.write_bytes(signed_anew(small_market, replace(good, statement=replace(good.statement, rules=rules))))
    printed = cli("onchain", "check", path, "--package", path, code=6)
    assert "\\u001b" in printed.err
    assert printed.is_printable


def test_a_nodes_answer_about_an_own_account_cannot_steer_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: CommandLine
) -> None:
    holdings = {"cash:\x1b[2J\u202e": "5"}

    class Node:
        async def inclusion(self, *_: object) -> InclusionView:
            await trio.lowlevel.checkpoint()
            return InclusionView(
                epoch=4, height=40, account=1, seed="11" * 32, holdings=holdings, package=False, owner="0x" + "41" * 20
            )

    monkeypatch.setattr(MemberKey, "ask", lambda _, question: trio.run(question, Node()))
    monkeypatch.setattr(MemberKey, "address", bytes([0x41]) * 20)
    (tmp_path / "key").write_text("11" * 32)
    (tmp_path / "key").chmod(0o600)
    where = ["--out", tmp_path / "inputs", "--secret-file", tmp_path / "key"]
    printed = cli("proof", "inputs", "--url", "http://127.0.0.1:1", "--account", "1", *where)
    assert "cash:" in printed.out
    assert printed.is_printable


def test_a_member_checks_that_its_account_is_in_the_package_with_its_own_holdings(
    package: Path, tmp_path: Path, cli: CommandLine
) -> None:
    own = [*own_account(tmp_path), "--no-strict"]
    assert cli("verify", package, *own, "--output", "json").json["checks"][-1]["name"] == "inclusion"


@pytest.mark.parametrize(("account", "holdings"), [(5, HOLDINGS), (1, HOLDINGS.replace("9000", "9001"))])
def test_other_holdings_or_another_account_are_not_included(
    package: Path, tmp_path: Path, account: int, holdings: str, cli: CommandLine
) -> None:
    own = own_account(tmp_path, account, holdings)
    failed = cli("verify", package, *own, "--output", "json", code=6).json["checks"][-1]
    assert (failed["name"], failed["ok"]) == ("inclusion", False)


@pytest.mark.parametrize("text", ['{"cash:EUR": 1}', "[]", '{"cash:USD": "x"}', '{"cash:USD": 1.5}', "", "[" * 9999])
def test_bad_holdings_are_the_callers_fault(package: Path, tmp_path: Path, text: str, cli: CommandLine) -> None:
    cli("verify", package, *own_account(tmp_path, holdings=text), code=1)


def test_a_seed_file_that_others_can_read_is_refused_for_safety(
    package: Path, tmp_path: Path, cli: CommandLine
) -> None:
    cli("verify", package, *own_account(tmp_path, seed_mode=0o644), code=7)


def test_a_number_that_no_account_has_is_a_usage_error(package: Path, tmp_path: Path, cli: CommandLine) -> None:
    cli("verify", package, *own_account(tmp_path, 2**63), code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "/nowhere.ccp",
        "{file} --network xyz",
        "{file} --account 1",
        "{file} --genesis {file} --network " + "11" * 32,
        "{file} --output xml",
    ],
)
def test_wrong_usage_exits_with_2(package: Path, arguments: str, cli: CommandLine) -> None:
    assert cli("verify", *arguments.format(file=package).split(), code=2).out == ""


def test_a_genesis_file_is_an_anchor(package: Path, tmp_path: Path, cli: CommandLine) -> None:
    house = MemberTerms(0, "house", bytes(20), (AccountTerms(0, AccountKind.HOUSE),))
    risk = RiskParameters(groups=(), scenarios=SPAN_SIXTEEN)
    validators = read_package(package.read_bytes()).validators
    genesis = Genesis("other", 0, validators, (), (), (), (), (), risk, MarketParameters(), (house,))
    path = tmp_path / "genesis.json"
    path.write_bytes(genesis_to_json(genesis))
    anchor = TrustAnchor(network_id(genesis), validators.hash, listed_custody(genesis))
    assert anchor_of_genesis(path.read_bytes()) == anchor
    report = cli("verify", package, "--genesis", path, "--output", "json", code=6).json
    assert report["checks"][-1]["name"] == "certificate"
    path.write_bytes(b"{}")
    cli("verify", package, "--genesis", path, code=6)


@pytest.mark.parametrize("anchored", [False, True])
def test_verify_imports_nothing_heavy(package: Path, anchored: bool) -> None:
    # With a genesis that does not parse, everything that reading one needs is imported all the same.
    anchor = ["--genesis", package] if anchored else []
    words = ("--output", "json", "--no-strict", *AT, *anchor)
    assert heavy_imports("verify", package, *words) == (6 if anchored else 0, [])
