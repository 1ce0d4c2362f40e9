"""`crossclear account`: amounts in units, holdings and instruments by name, shares in per cent."""

import json
from pathlib import Path

import pytest

from clearing.state.holdings import positions_of
from member.notation.amounts import in_units
from member.printing.account import table
from tests.kit.clearing.genesis import ALICE, BOB, BTC
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
    assert f"account {ALICE} of member" in shown
    assert "in good standing" in shown
    assert "initial margin" in shown
    positions = printed("positions")
    held = positions_of(view.state, ALICE).lots
    sides = {view.state.terms.instruments[each].name: "long" if lots > 0 else "short" for each, lots in held}
    assert {line.split()[0]: line.split()[2] for line in positions.splitlines()[1:]} == sides
    assert sides
    assert positions.strip() in shown
    margin, parts = printed("margin"), printed("margin", "--drill")
    assert "share" in margin
    assert "liquidated when" in margin
    assert len(parts.splitlines()) >= len(margin.splitlines())
    answer = json.loads(printed("show", "--output", "json"))
    assert in_units(answer["equity_micros"]) in shown


def test_another_members_account_is_refused(tmp_path: Path) -> None:
    key = ("--secret-file", str(secret_file(tmp_path / "alice", ALICE_KEY)))
    assert run_against(ApplyingView(funded()), "account", "show", str(BOB), *key) != 0


def test_a_shock_is_given_by_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = ApplyingView(traded())
    genesis = view.state.terms.genesis
    key = ("--secret-file", str(secret_file(tmp_path / "alice", ALICE_KEY)))

    def simulated(*words: str) -> str:
        assert run_against(view, "margin", "simulate", str(ALICE), *words, *key, "--output", "json") == 0
        return capsys.readouterr().out

    feed, instrument = genesis.feeds[0], genesis.instruments[0]
    group, cash = genesis.risk.groups[0], genesis.cash_groups[0]
    things = (("index", feed, "-1"), ("volatility", group, "1"), ("trade", instrument, "1"), ("cash", cash, "5000000"))
    for option, thing, value in things:
        named = simulated(f"--{option}", f"{thing.name}={value}")
        assert named == simulated(f"--{option}", f"{thing.id}={value}")
        before, after = (json.loads(named)[side] for side in ("before", "after"))
        assert before != after
    assert run_against(view, "margin", "simulate", str(ALICE), "--trade", "NOTHING=1", *key) == 2


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
