"""Names and decimals are the asked node's word: a command that signs by them also shows the values that it signs."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearing.schema.receipts.collateral import AuctionOpened
from clearing.schema.requests.auctions import CollateralBid
from clearing.schema.requests.trades import Trade
from clearing.schema.requests.withdrawals import Withdrawal
from cli.main import run
from cli.output import ExitCode
from member.client.trade_proposals import ProposedTerms, unsigned_trade
from member.notation.listing import Listing
from member.printing.trades import proposal_lines
from node.app.clock import clock_ms
from tests.kit.clearing.genesis import BTC, BTC_PERP, USDC_1, WETH_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.vaults import CALL, owing
from tests.kit.clearing.world import World, funded, of_kind
from tests.kit.node.applying_view import ApplyingView
from tests.kit.node.fake_view import NOW
from tests.kit.node.rewriting import Rewrite
from tests.kit.node.served_api import served_api
from tests.kit.node.station import secret_file

Output = pytest.CaptureFixture[str]
TERMS = "/v1/governance/terms"


def command(view: ApplyingView, rewrite: Rewrite, key: Path, *words: Any) -> int:
    with served_api(view, clock_ms, rewrite=rewrite) as url:
        return run([*map(str, words), "--url", url, "--secret-file", str(key)])


def listing(section: str, number: int, **fields: Any) -> Rewrite:
    """A node that lists one thing with other fields."""

    def rewrite(path: str, status: int, value: Any) -> tuple[int, Any]:
        if path == TERMS:
            (found,) = (each for each in value[section] if each["id"] == number)
            assert found.keys() >= fields.keys()
            found |= fields
        return status, value

    return rewrite


def view_of(world: World) -> ApplyingView:
    view = ApplyingView(world)
    view.ticks_per_unit = {BTC: 100}
    return view


def test_a_withdrawal_shows_the_units_of_the_asset_that_are_signed(tmp_path: Path, capsys: Output) -> None:
    """The node says that the ledger counts nine decimals: a thousand times the amount is signed for."""
    view, key = view_of(funded(check=False)), secret_file(tmp_path / "key", secret(1))
    lie = listing("assets", USDC_1, unit_decimals=9, token_decimals=9)
    words = ("withdrawals", "request", "member-1", "0.25 USDC-1", "0x" + "42" * 20, "--wait")
    assert command(view, lie, key, *words) == ExitCode.OK
    (sent,) = view.submitted
    assert isinstance(sent, Withdrawal)
    assert sent.units == 250_000_000
    said = capsys.readouterr().out
    assert f"0.25 USDC-1 (250000000 units of asset {USDC_1})" in said


def test_a_trade_shows_the_number_of_the_instrument_that_is_signed(tmp_path: Path, capsys: Output) -> None:
    """The node calls another instrument by the name that the member knows."""
    view, key, file = view_of(funded(check=False, fresh=True)), tmp_path / "key", tmp_path / "trade.json"
    secret_file(key, secret(1))
    lie = listing("instruments", BTC_PERP, name="SOL-PERP")
    words = ("member-1", "buy", "SOL-PERP", "member-2", "--lots", 5, "--ticks", 790_025, "--out", file)
    assert command(view, lie, key, "trade", "propose", *words) == ExitCode.OK
    named = f"SOL-PERP (instrument {BTC_PERP})"
    assert named in capsys.readouterr().out
    other = secret_file(tmp_path / "other", secret(2))
    assert command(view, lie, other, "trade", "confirm", file, "--yes") == ExitCode.OK
    assert named in capsys.readouterr().err, "before it asks"
    (sent,) = view.submitted
    assert isinstance(sent, Trade)
    assert sent.instrument == BTC_PERP


def test_a_report_shows_the_time_of_the_trade_that_is_signed() -> None:
    """It decides the day whose statement has the trade, and was the one value of a report that nobody saw."""
    view = view_of(funded(check=False, fresh=True))
    listed = Listing(view.state.terms.genesis, view.ticks_per_unit)
    report = unsigned_trade(ProposedTerms(1, 2, BTC_PERP, 5, 790_025, not_after_ms=NOW + 60_000, novate_at_ms=NOW))
    yesterday = msgspec.structs.replace(report, traded_ms=NOW - 86_400_000)
    assert proposal_lines(report, listed, NOW) != proposal_lines(yesterday, listed, NOW)


def test_a_bid_for_collateral_shows_units_and_the_price_of_one(tmp_path: Path, capsys: Output) -> None:
    """The node says that the ledger counts fewer decimals: each unit is bid for at a thousand times the price."""
    view, key = view_of(owing(call=CALL)), secret_file(tmp_path / "key", secret(2))
    while not of_kind(view.world.results[-1], AuctionOpened):
        view.world.block()
    lie = listing("assets", WETH_1, unit_decimals=3)
    words = ("member-2", "member-1", "0.5 WETH-1", "--price", 2000)
    command(view, lie, key, "bids", "collateral", *words)
    (sent,) = view.submitted
    assert isinstance(sent, CollateralBid)
    said = capsys.readouterr().out
    assert f"0.50 WETH-1 ({sent.units} units of asset {WETH_1})" in said
    assert f"at 2,000.00 ({sent.micros_per_unit} micros a unit)" in said
