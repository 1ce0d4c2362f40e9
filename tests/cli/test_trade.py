"""Trades between two members by the command line: one writes a proposal, the other reads it in words and confirms."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clearing.schema.codes import ClearingCode
from clearing.schema.requests.trades import Trade, TradeReport
from clearing.state.holdings import positions_of
from cli.output import ExitCode
from node.store.fate_table import FateRecord
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP
from tests.kit.clearing.requests import SESSION_SECRET
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import funded
from tests.kit.node.applying_view import ApplyingView
from tests.kit.node.live_view import run_against
from tests.kit.node.station import secret_file

ALICES, BOBS, CAROLS = secret(1), secret(2), secret(3)
TERMS = ("member-1", "buy", "BTC-PERP", "member-2", "--size", "0.5", "--price", "7,900.25")


@pytest.fixture
def view() -> ApplyingView:
    view = ApplyingView(funded(check=False, fresh=True))
    view.ticks_per_unit = {BTC: 100}
    return view


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trade.json"


def command(view: ApplyingView, file: Path, key: bytes, *words: Any) -> int:
    """With this trade key."""
    path = file.parent / f"key-{key[-1]}"
    if not path.exists():
        secret_file(path, key)
    return run_against(view, "trade", *map(str, words), "--secret-file", str(path))


def propose(view: ApplyingView, file: Path, *words: Any, key: bytes = ALICES) -> int:
    return command(view, file, key, "propose", *(words or TERMS), "--out", file)


def lots_of(view: ApplyingView, account: int) -> dict[int, int]:
    return dict(positions_of(view.state, account).lots)


def test_a_trade_is_proposed_by_names_and_in_units_and_submitted_by_the_counterparty(
    view: ApplyingView, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert propose(view, file) == ExitCode.OK
    assert not view.submitted
    said = capsys.readouterr().out
    assert "member-1 (account 1) buys 500 lots (0.50) of BTC-PERP" in said
    assert "of member-2 (account 2)" in said
    assert "at 7,900.25 USD (790025 ticks)" in said
    assert "notional 3,950.125 USD" in said
    assert "member-2 (account 2) has not signed" in said
    assert command(view, file, BOBS, "confirm", file, "--yes") == ExitCode.OK
    answer = capsys.readouterr()
    assert "member-1 (account 1) buys 500 lots (0.50) of BTC-PERP" in answer.err
    assert "initial margin" in answer.err
    assert answer.out.startswith("novated at height ")
    (sent,) = view.submitted
    assert isinstance(sent, Trade)
    assert (sent.buyer, sent.seller, sent.lots, sent.ticks) == (ALICE, BOB, 500, 790_025)
    assert (lots_of(view, ALICE), lots_of(view, BOB)) == ({BTC_PERP: 500}, {BTC_PERP: -500})


def test_a_seller_proposes_in_lots_and_ticks_without_a_scale(view: ApplyingView, file: Path) -> None:
    view.ticks_per_unit = {}
    words = (ALICE, "sell", BTC_PERP, BOB, "--lots", 7, "--ticks", 790_000)
    assert propose(view, file, *words) == ExitCode.OK
    assert command(view, file, BOBS, "confirm", file, "--yes") == ExitCode.OK
    assert lots_of(view, ALICE) == {BTC_PERP: -7}


def test_a_price_may_be_the_mark(view: ApplyingView, file: Path) -> None:
    assert propose(view, file, *TERMS[:6], "--price", "mark") == ExitCode.OK
    assert command(view, file, BOBS, "confirm", file, "--yes") == ExitCode.OK
    (sent,) = view.submitted
    assert isinstance(sent, Trade)
    assert sent.ticks == 790_000


def test_the_effect_on_the_own_margin_is_shown_before_signing(
    view: ApplyingView, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert propose(view, file) == ExitCode.OK
    capsys.readouterr()
    assert command(view, file, BOBS, "confirm", file, "--yes", "--output", "json") == ExitCode.OK
    shown = json.loads(capsys.readouterr().out)
    effect = shown["effect"]
    assert effect["before"]["account"] == BOB
    assert int(effect["after"]["initial_margin_micros"]) > int(effect["before"]["initial_margin_micros"]) == 0
    assert shown["transaction"]["state"] == "applied"
    assert (shown["trade"]["lots"], shown["trade"]["price_ticks"]) == ("500", "790025")


def test_nothing_is_signed_without_a_yes(
    view: ApplyingView, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert propose(view, file) == ExitCode.OK
    monkeypatch.setattr("click.confirm", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    assert command(view, file, BOBS, "confirm", file) == ExitCode.INTERRUPTED
    assert not view.submitted


def test_a_refusal_is_shown_with_its_code_and_what_to_do(
    view: ApplyingView, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("member-1", "buy", "BTC-PERP", "member-2", "--size", "0.5", "--price", "1")
    assert propose(view, file, *words) == ExitCode.OK
    assert command(view, file, BOBS, "confirm", file, "--yes") == ExitCode.VERIFICATION
    said = capsys.readouterr().out
    assert ClearingCode.PRICE_OUTSIDE_BAND.label in said
    assert ClearingCode.PRICE_OUTSIDE_BAND.remedy in said


def test_a_key_of_neither_side_signs_nothing_that_counts(
    view: ApplyingView, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert propose(view, file) == ExitCode.OK
    assert command(view, file, CAROLS, "confirm", file, "--yes") == ExitCode.VERIFICATION
    assert "only the member of member-2 (account 2) sees" in capsys.readouterr().err
    assert view.refused == [ClearingCode.WRONG_SIGNER]
    assert not lots_of(view, BOB)


def test_a_trade_for_later_is_pending_until_its_time(
    view: ApplyingView, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = datetime.fromtimestamp(time.time() + 600, UTC).isoformat(timespec="seconds")
    assert propose(view, file, *TERMS, "--novate-at", at) == ExitCode.OK
    assert "pending until" in capsys.readouterr().out
    assert command(view, file, BOBS, "confirm", file, "--yes") == ExitCode.OK
    assert "pending since height" in capsys.readouterr().out
    (sent,) = view.submitted
    assert isinstance(sent, TradeReport)
    for key in (ALICES, BOBS):
        assert command(view, file, key, "status", file) == ExitCode.OK
        assert "pending since height" in capsys.readouterr().out
    assert command(view, file, ALICES, "pending", "member-1") == ExitCode.OK
    row = capsys.readouterr().out.splitlines()[1]
    assert row.split()[:2] == ["BTC-PERP", "buys"]
    assert "500 lots (0.50)" in row
    view.pass_block(after_ms=601_000)
    assert command(view, file, ALICES, "status", file) == ExitCode.OK
    assert "novated at height" in capsys.readouterr().out


def test_a_pending_trade_that_is_refused_says_why(
    view: ApplyingView, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = datetime.fromtimestamp(time.time() + 600, UTC).isoformat(timespec="seconds")
    words = ("member-1", "buy", "BTC-PERP", "member-2", "--size", "0.5", "--price", "1", "--novate-at", at)
    assert propose(view, file, *words) == ExitCode.OK
    assert command(view, file, BOBS, "confirm", file, "--yes") == ExitCode.OK
    view.pass_block(after_ms=601_000)
    capsys.readouterr()
    assert command(view, file, BOBS, "status", file) == ExitCode.OK
    said = capsys.readouterr().out
    assert "pending" in said
    assert ClearingCode.PRICE_OUTSIDE_BAND.label in said


def test_a_proposal_is_open_then_novated_for_either_side(
    view: ApplyingView, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert propose(view, file) == ExitCode.OK
    capsys.readouterr()
    assert command(view, file, ALICES, "status", file) == ExitCode.OK
    assert "open: no block has it" in capsys.readouterr().out
    assert command(view, file, BOBS, "confirm", file, "--yes") == ExitCode.OK
    capsys.readouterr()
    for key in (ALICES, BOBS):
        assert command(view, file, key, "status", file, "--output", "json") == ExitCode.OK
        assert json.loads(capsys.readouterr().out)["status"]["state"] == "novated"
    assert command(view, file, CAROLS, "status", file) != ExitCode.OK


@pytest.mark.parametrize("spoilt", ["kind", "time", "sides", "instrument", "more", "signatures", "nothing"])
def test_a_file_that_cannot_be_signed_is_named(
    spoilt: str, view: ApplyingView, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert propose(view, file) == ExitCode.OK
    data = json.loads(file.read_text())
    changes = {
        "kind": {"type": "withdrawal"},
        "time": {"not_after_ms": 1},
        "sides": {"seller": data["buyer"]},
        "instrument": {"instrument": 999},
        "more": {"more": 1},
        "signatures": {"buyer_signature": ""},
    }
    file.write_text(json.dumps(data | changes.get(spoilt, {})))
    if spoilt == "nothing":
        file.unlink()
    assert command(view, file, BOBS, "confirm", file, "--yes") == ExitCode.VERIFICATION
    assert "R0967" in capsys.readouterr().err
    assert not view.submitted


def test_terms_that_were_changed_after_the_first_signature_are_refused_by_the_rules(
    view: ApplyingView, file: Path
) -> None:
    assert propose(view, file) == ExitCode.OK
    data = json.loads(file.read_text())
    file.write_text(json.dumps(data | {"lots": "501"}))
    assert command(view, file, BOBS, "confirm", file, "--yes") == ExitCode.VERIFICATION
    assert view.refused == [ClearingCode.WRONG_SIGNER]


@pytest.mark.parametrize(
    "words",
    [
        ("nobody", *TERMS[1:]),
        (*TERMS[:2], "NOTHING", *TERMS[3:]),
        (*TERMS[:4], "--size", "0.0005", *TERMS[6:]),
        (*TERMS[:4], "--size", "-1", *TERMS[6:]),
        (*TERMS[:6], "--price", "7900.255"),
        (*TERMS[:6],),
        (*TERMS, "--lots", "5"),
        (*TERMS, "--novate-at", "2020-01-01T00:00"),
        (*TERMS, "--novate-at", "tomorrow"),
    ],
)
def test_what_cannot_be_meant_is_a_mistake_of_use(view: ApplyingView, file: Path, words: tuple[str, ...]) -> None:
    assert propose(view, file, *words) == ExitCode.USAGE
    assert not file.exists()


def test_a_proposal_overwrites_no_file(view: ApplyingView, file: Path) -> None:
    file.write_text("another's")
    assert propose(view, file) == ExitCode.SAFETY
    assert file.read_text() == "another's"


def test_a_session_key_confirms_without_seeing_the_margin(
    view: ApplyingView, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The node knows trade keys alone, so the fate is asked as anybody."""
    assert not view.world.refused(view.world.session_key(BOB))
    assert propose(view, file) == ExitCode.OK
    assert command(view, file, SESSION_SECRET, "confirm", file, "--yes") == ExitCode.OK
    answer = capsys.readouterr()
    assert "only the member of member-2 (account 2) sees" in answer.err
    assert ": applied at height" in answer.out
    assert lots_of(view, BOB) == {BTC_PERP: -500}


def test_receipts_that_a_node_stores_a_moment_later_are_waited_for(
    view: ApplyingView, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, asked = view.outcome, []

    def late(fate: FateRecord) -> Any:
        asked.append(fate)
        return stored(fate) if len(asked) > 2 else None

    monkeypatch.setattr(view, "outcome", late)
    assert propose(view, file) == ExitCode.OK
    capsys.readouterr()
    assert command(view, file, BOBS, "confirm", file, "--yes") == ExitCode.OK
    assert capsys.readouterr().out.startswith("novated at height ")
    assert len(asked) == 3
