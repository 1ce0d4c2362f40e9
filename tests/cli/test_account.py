"""`crossclear account`: amounts in units, holdings and instruments by name, shares in per cent."""

import json
import re
from pathlib import Path

import pytest

from clearing.state.holdings import positions_of
from member.notation.amounts import in_units
from member.printing.account import table
from node.api.accounts import account_of
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, ETH, WETH_1
from tests.kit.clearing.margined import traded
from tests.kit.clearing.world import funded
from tests.kit.node.applying_view import ApplyingView
from tests.kit.node.live_view import run_against
from tests.kit.node.station import secret_file
from tests.kit.node.streams import ALICE_KEY


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(("a", "b"), [("long name", "1"), ("x", "1,000")]) == [
        "a              b",
        "long name      1",
        "x          1,000",
    ]


def test_an_account_is_shown_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = ApplyingView(traded())
    key = ("--secret-file", str(secret_file(tmp_path / "alice", ALICE_KEY)))

    def printed(*words: str) -> str:
        assert run_against(view, "account", *words, str(ALICE), *key) == 0
        return capsys.readouterr().out

    shown = printed("show")
    assert f"member-1 (account {ALICE}), house, after height" in shown
    assert "in good standing" in shown
    assert "initial margin" in shown
    positions = printed("positions")
    held = positions_of(view.state, ALICE).lots
    sides = {view.state.terms.instruments[each].name: "long" if lots > 0 else "short" for each, lots in held}
    assert {line.split()[0]: line.split()[1] for line in positions.splitlines()[1:]} == sides
    assert sides
    assert positions.strip() in shown
    margin, parts = printed("margin"), printed("margin", "--drill")
    assert "share" in margin
    assert "liquidated when" in margin
    assert len(parts.splitlines()) >= len(margin.splitlines())
    answer = json.loads(printed("show", "--output", "json"))
    assert in_units(answer["equity_micros"]) in shown


@pytest.mark.parametrize(
    "words",
    [
        ("account", "show"),
        ("account", "positions"),
        ("account", "margin", "--drill"),
        ("margin", "explain"),
        ("margin", "explain", "--group", "BTC"),
        ("margin", "simulate", "--index", "BTC=-1"),
    ],
)
def test_an_account_has_names_and_units_and_neither_ticks_nor_milliseconds(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    view = ApplyingView(traded())
    view.ticks_per_unit = {BTC: 100, ETH: 100}
    key = ("--secret-file", str(secret_file(tmp_path / "alice", ALICE_KEY)))
    assert run_against(view, *words, "member-1", *key) == 0
    shown = capsys.readouterr().out
    assert "positions" in words or f"member-1 (account {ALICE})" in shown
    assert not re.search(r"[0-9] ?(ticks|ms|micros|units)\b|_", shown)
    if words[:2] != ("account", "margin"):
        (lots,) = (lots for instrument, lots in positions_of(view.state, ALICE).lots if instrument == BTC_PERP)
        assert f"{abs(lots):,} lots ({in_units(abs(lots), 3)})" in shown


def test_another_members_account_is_refused(tmp_path: Path) -> None:
    key = ("--secret-file", str(secret_file(tmp_path / "alice", ALICE_KEY)))
    assert run_against(ApplyingView(funded()), "account", "show", str(BOB), *key) != 0


def test_a_shock_is_given_by_names_and_in_units(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = ApplyingView(traded())
    view.ticks_per_unit = {BTC: 100}
    key = ("--secret-file", str(secret_file(tmp_path / "alice", ALICE_KEY)))

    def simulated(*words: str) -> str:
        assert run_against(view, "margin", "simulate", "member-1", *words, *key, "--output", "json") == 0
        return capsys.readouterr().out

    by_name = (
        ("index", "BTC=-1", "1=-1"),
        ("volatility", "BTC=1", "1=1"),
        ("trade", "BTC-PERP=0.5@8,000.25", "1=0.5@8000.25"),
        ("cash", "USD=1,234.5", "1=1234.5"),
        ("token", "WETH-1=1.5", "3=1.5"),
    )
    for option, named, numbered in by_name:
        found = simulated(f"--{option}", named)
        assert found == simulated(f"--{option}", numbered)
        before, after = (json.loads(found)[side] for side in ("before", "after"))
        assert before != after
    assert simulated("--trade", "BTC-PERP=-0.5@8000") == simulated("--lots", "BTC-PERP=-500@800000")
    paid = json.loads(simulated("--cash", "USD=1,234.5"))
    assert int(paid["after"]["equity_micros"]) - int(paid["before"]["equity_micros"]) == 1_234_500_000


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--index", "BTC=0.00001", "more than 4 decimals"),
        ("--volatility", "NOTHING=1", "no single risk group 'NOTHING'"),
        ("--trade", "BTC-PERP=0.0001", "no whole number of lots"),
        ("--lots", "BTC-PERP=0.5", "expected a whole number of lots"),
        ("--cash", "USD=0.0000001", "more than 6 decimals"),
        ("--token", "USDC-1=1", "give it with --cash"),
    ],
)
def test_a_shock_is_refused_with_its_option_its_value_and_what_is_expected(
    option: str, value: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    view = ApplyingView(traded())
    view.ticks_per_unit = {BTC: 100}
    key = ("--secret-file", str(secret_file(tmp_path / "alice", ALICE_KEY)))
    assert run_against(view, "margin", "simulate", str(ALICE), option, value, *key) == 2
    said = capsys.readouterr().err
    assert f"{option}: {value}: " in said
    assert why in said


def test_more_tokens_than_the_account_has_are_refused_with_what_it_would_be_left_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    view = ApplyingView(traded())
    held = next((int(each.amount_units) for each in account_of(view.state, ALICE).tokens if each.asset == WETH_1), 0)
    key = ("--secret-file", str(secret_file(tmp_path / "alice", ALICE_KEY)))
    assert run_against(view, "margin", "simulate", str(ALICE), "--token", "WETH-1=-1000000", *key) == 1
    assert f"shock.tokens: asset=3 units={held - 10**12} " in capsys.readouterr().err


def test_a_margin_is_explained_by_name_and_drilled_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = ApplyingView(traded())
    view.ticks_per_unit = {BTC: 100}
    key = ("--secret-file", str(secret_file(tmp_path / "alice", ALICE_KEY)))

    def explained(*words: str, code: int = 0) -> str:
        assert run_against(view, "margin", "explain", "member-1", *words, *key) == code
        return capsys.readouterr().out

    whole = explained()
    assert "share" in whole
    assert "worst of 16 scenarios" in whole
    assert "liquidated when BTC falls to 4," in whole
    assert "position loss BTC-PERP" in explained("--group", "BTC")
    assert "rate of a lot up" in explained("--term", "impact", "--detail")
    explained("--group", "NOTHING", code=2)
    explained("--term", "nothing", code=2)
    shown = json.loads(explained("--group", "BTC", "--output", "json"))
    assert {each["name"] for each in shown["requirement"]} > {"group_loss", "impact"}, "JSON has everything"
    for words in (("account", "show"), ("account", "positions"), ("account", "margin"), ("margin", "simulate")):
        assert run_against(view, *words, "member-1", *key) == 0
    assert run_against(view, "account", "show", "nobody", *key) == 2
