"""`crossclear account`: amounts in units, holdings and instruments by name, shares in per cent."""

import json
from pathlib import Path

import pytest

from clearing.state.holdings import positions_of
from member.printing.account import in_units, share, table
from tests.kit.clearing.genesis import ALICE, BOB
from tests.kit.clearing.margined import traded
from tests.kit.clearing.world import funded
from tests.kit.node.applying_view import ApplyingView
from tests.kit.node.live_view import run_against
from tests.kit.node.station import secret_file
from tests.kit.node.streams import ALICE_KEY


@pytest.mark.parametrize(
    ("amount", "decimals", "text"),
    [
        ("0", 6, "0.00"),
        ("1234567890", 6, "1,234.56789"),
        ("-1", 6, "-0.000001"),
        ("-1500000", 6, "-1.50"),
        ("7", 0, "7"),
        ("15", 1, "1.5"),
        (str(10**30), 6, f"{10**24:,}.00"),
    ],
)
def test_an_amount_is_exact_in_units(amount: str, decimals: int, text: str) -> None:
    assert in_units(amount, decimals) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(1, 3, "33.3 %"), (2, 3, "66.7 %"), (-1, 4, "-25.0 %"), (1, 0, "-"), (1, -5, "-")]
)
def test_a_share_is_rounded_to_a_tenth(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text


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
