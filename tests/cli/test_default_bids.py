"""Bids for a defaulter's portfolio by the command line: what is sent, what is kept, and who can read it."""

import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearing.schema.requests.auctions import DefaultBid, DefaultBidCommitment, DefaultBidReveal
from cli.output import ExitCode
from member.keys.saved_bids import newest_bid
from tests.kit.clearing.auctions import SHIPPED, auction_world, wait_for_reveal
from tests.kit.clearing.genesis import BOB
from tests.kit.node import fake_view
from tests.kit.node.auction_view import AuctionView
from tests.kit.node.fake_view import FakeView
from tests.kit.node.live_view import run_against
from tests.kit.node.station import secret_file


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def command(view: FakeView, home: Path, *words: Any) -> int:
    key = home.parent / "trade"
    if not key.exists():
        secret_file(key, fake_view.BOB)
    options = ["--secret-file", str(key), "--home", str(home)]
    return run_against(view, "waterfall", *(str(word) for word in words), *options)


def test_a_sealed_bid_is_kept_for_its_member_alone_and_only_its_hash_is_sent(home: Path) -> None:
    view = AuctionView(auction_world())
    assert command(view, home, "bid", BOB, 1, 7, "--ask", -5, "--commit-only") == ExitCode.OK
    (sent,) = view.submitted
    assert isinstance(sent, DefaultBidCommitment)
    kept = newest_bid(home, BOB, 1)
    assert (kept.slices, kept.ask_micros, kept.commitment) == (7, -5, sent.commitment)
    (file,) = (home / "bids").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_last_bid_that_was_committed_to_is_revealed(home: Path) -> None:
    world = auction_world()
    for slices in (7, 8):
        assert command(AuctionView(world), home, "bid", BOB, 1, slices, "--ask", 9, "--commit-only") == ExitCode.OK
    wait_for_reveal(world)
    view = AuctionView(world)
    assert command(view, home, "reveal", BOB, 1) == ExitCode.OK
    (sent,) = view.submitted
    assert isinstance(sent, DefaultBidReveal)
    assert (sent.slices, sent.ask_micros, sent.commitment) == (8, 9, newest_bid(home, BOB, 1).commitment)


def test_bid_waits_for_the_reveal_phase_and_reveals(home: Path) -> None:
    world = auction_world()
    wait_for_reveal(world)
    view = AuctionView(world)
    assert command(view, home, "bid", BOB, 1, 7, "--ask", 5) == ExitCode.OK
    assert [type(each) for each in view.submitted] == [DefaultBidCommitment, DefaultBidReveal]


def test_an_open_bid_is_sent_as_it_is(home: Path) -> None:
    view = AuctionView(auction_world(terms=msgspec.structs.replace(SHIPPED, reveal_blocks=0)))
    assert command(view, home, "bid", BOB, 1, 7, "--ask", 5) == ExitCode.OK
    (sent,) = view.submitted
    assert isinstance(sent, DefaultBid)
    assert (sent.slices, sent.ask_micros) == (7, 5)
    assert not (home / "bids").exists()


@pytest.mark.parametrize("words", [("bid", BOB, 2, 7, "--ask", 5), ("reveal", BOB, 1)])
def test_what_is_not_there_is_named(home: Path, words: tuple[Any, ...]) -> None:
    """A default that is not under way, and a bid that was never saved."""
    view = AuctionView(auction_world())
    assert command(view, home, *words) not in (ExitCode.OK, ExitCode.VERIFICATION)
    assert not view.submitted
