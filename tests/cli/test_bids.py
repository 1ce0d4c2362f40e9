"""`crossclear bids`: what is for sale in words, and bids by names and in units."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.collateral import AuctionOpened, CollateralSold
from clearing.schema.receipts.liquidation import SliceSold
from clearing.schema.requests.auctions import DefaultBidCommitment, DefaultBidReveal
from clearing.schema.terms.margin_calls import LiquidationTerms
from cli.output import ExitCode
from member.keys.saved_bids import newest_bid
from tests.kit.clearing.auctions import auction_world, wait_for_reveal
from tests.kit.clearing.crisis import FALLEN, leveraged
from tests.kit.clearing.genesis import ALICE, BOB, BTC
from tests.kit.clearing.signer import secret
from tests.kit.clearing.vaults import CALL, owing
from tests.kit.clearing.world import of_kind
from tests.kit.node.applying_view import ApplyingView
from tests.kit.node.auction_view import AuctionView
from tests.kit.node.fake_view import FakeView
from tests.kit.node.live_view import run_against
from tests.kit.node.station import secret_file

BOBS, CAROLS = secret(2), secret(3)
SALE = LiquidationTerms(auction_blocks=50, start_ppm=1_000, end_ppm=9_000, bidder_share_ppm=400_000)
Output = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def command(view: FakeView, home: Path, *words: Any, key: bytes = BOBS) -> int:
    path = home.parent / f"key-{key[-1]}"
    if not path.exists():
        secret_file(path, key)
    options = ("--secret-file", str(path), "--home", str(home))
    return run_against(view, "bids", *(str(word) for word in words), *options)


def defaulted() -> AuctionView:
    view = AuctionView(auction_world())
    view.ticks_per_unit = {BTC: 100}
    return view


def test_a_defaulters_portfolio_is_shown_in_words_with_the_own_sealed_bid(home: Path, capsys: Output) -> None:
    view = defaulted()
    assert command(view, home, "place", "member-2", 1, 7, "--ask", "20.5", "--commit-only") == ExitCode.OK
    assert "member-2 (account 2) for 7 slices of default 1, asks 20.50 a slice: accepted" in capsys.readouterr().out
    (sent,) = view.submitted
    assert isinstance(sent, DefaultBidCommitment)
    assert newest_bid(home, BOB, 1).ask_micros == 20_500_000
    assert command(view, home, "list") == ExitCode.OK
    said = capsys.readouterr().out
    assert "default 1 of member-1 (member 1)" in said
    assert "sealed bids before height" in said
    (row,) = [line.split() for line in said.splitlines() if line.split()[:1] == ["BTC-PERP"]]
    assert row[1:] == ["long", "23,000", "lots", "(23.00)", "6,060.00", "139,380.00", "USD"]
    assert "all of it at the marks 139,380.00, a slice 6,969.00" in said
    assert "saved here: member-2 (account 2) takes 7 slices, asks 20.50 a slice" in said


def test_what_is_paid_for_a_slice_is_revealed_when_the_phase_begins(home: Path) -> None:
    world = auction_world()
    wait_for_reveal(world)
    view = AuctionView(world)
    assert command(view, home, "place", BOB, 1, 7, "--pay", 5) == ExitCode.OK
    assert [type(each) for each in view.submitted] == [DefaultBidCommitment, DefaultBidReveal]
    assert view.submitted[1].ask_micros == -5_000_000  # type: ignore[union-attr]
    again = AuctionView(world)
    assert command(again, home, "reveal", "member-2", 1) == ExitCode.OK
    assert [type(each) for each in again.submitted] == [DefaultBidReveal]


@pytest.mark.parametrize("words", [(), ("--ask", "1", "--pay", "1"), ("--ask", "-1"), ("--ask", "0.0000001")])
def test_an_ask_that_cannot_be_meant_is_a_mistake_of_use(home: Path, words: tuple[str, ...]) -> None:
    view = defaulted()
    assert command(view, home, "place", BOB, 1, 7, *words) == ExitCode.USAGE
    assert not view.submitted
    assert not (home / "bids").exists()


def in_liquidation() -> ApplyingView:
    """Alice's slices are for sale."""
    world = leveraged(liquidation=SALE)
    view = ApplyingView(world)
    world.go(btc=FALLEN)
    return view


def for_sale(listed: str) -> int:
    """The mask under which another member's account is for sale; a bid names it."""
    (mask,) = re.findall(r"liquidation of account (\d+)", listed)
    assert int(mask) != ALICE
    return int(mask)


def test_a_slice_of_a_liquidation_is_listed_and_bought(home: Path, capsys: Output) -> None:
    view = in_liquidation()
    assert command(view, home, "list") == ExitCode.OK
    said = capsys.readouterr().out
    assert re.search(r"liquidation of account \d+: discount 0\.10 % in the next block", said)
    assert "4,500 lots" in said
    bid = ("liquidation", "member-3", for_sale(said), "--share", "10", "--discount", "0.1", "--wait")
    assert command(view, home, *bid, key=CAROLS) == ExitCode.OK
    (sold,) = of_kind(view.world.results[-1], SliceSold)
    assert sold.account == ALICE
    assert "applied" in capsys.readouterr().out


def test_a_bid_for_a_higher_discount_than_the_blocks_is_refused_with_its_code(home: Path, capsys: Output) -> None:
    view = in_liquidation()
    assert command(view, home, "list", key=CAROLS) == ExitCode.OK
    sale = for_sale(capsys.readouterr().out)
    bid = ("liquidation", "member-3", sale, "--share", "10%", "--discount", "0.9%", "--wait")
    assert command(view, home, *bid, key=CAROLS) == ExitCode.VERIFICATION
    assert ClearingCode(view.refused[0]).label in capsys.readouterr().out


@pytest.mark.parametrize(("share", "discount"), [("0", "1"), ("101", "1"), ("10", "101"), ("x", "1"), ("10", "-1")])
def test_a_share_or_discount_out_of_bounds_is_a_mistake_of_use(home: Path, share: str, discount: str) -> None:
    view = in_liquidation()
    bid = ("liquidation", "member-3", ALICE, "--share", share, "--discount", discount)
    assert command(view, home, *bid, key=CAROLS) == ExitCode.USAGE
    assert not view.submitted


def test_a_bid_for_what_is_not_for_sale_is_not_sent(home: Path) -> None:
    view = in_liquidation()
    assert command(view, home, "liquidation", 3, BOB, "--share", 10, "--discount", 0, key=CAROLS) != ExitCode.OK
    assert command(view, home, "collateral", 3, ALICE, "1 WETH-1", "--price", 1, key=CAROLS) != ExitCode.OK
    assert not view.submitted


def test_collateral_of_a_cash_call_is_listed_and_bought_in_units(home: Path, capsys: Output) -> None:
    world = owing(call=CALL)
    view = ApplyingView(world)
    while not of_kind(world.results[-1], AuctionOpened):
        world.block()
    assert command(view, home, "list", "--output", "json") == ExitCode.OK
    (sale,) = json.loads(capsys.readouterr().out)["collateral"]
    assert command(view, home, "list") == ExitCode.OK
    said = capsys.readouterr().out
    assert "collateral of" in said
    (row,) = [line.split() for line in said.splitlines() if "WETH-1" in line]
    assert row[0] == f"member-{ALICE}"
    price = row[5].replace(",", "")
    bid = ("collateral", "member-2", "member-1", "0.001 WETH-1", "--price", price, "--wait")
    assert command(view, home, *bid) == ExitCode.OK
    (sold,) = of_kind(world.results[-1], CollateralSold)
    assert (sold.units, sold.micros_per_unit <= int(sale["micros_per_unit"])) == (1_000, True)


def test_nothing_for_sale_is_said(home: Path, capsys: Output) -> None:
    assert command(ApplyingView(leveraged()), home, "list") == ExitCode.OK
    assert "nothing is for sale" in capsys.readouterr().out
