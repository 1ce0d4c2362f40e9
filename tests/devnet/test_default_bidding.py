"""Devnet members bid sealed: what they commit to is what they reveal, once, and again where a block refused it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import trio

from clearing.schema.requests.auctions import DefaultBidCommitment, DefaultBidReveal
from devnet.demo.default_bidding import DefaultBidder
from devnet.members import DevnetMember
from devnet.network import Devnet
from member.client.node_client import NodeClient
from node.app.clock import clock_ms
from node.config import Api
from node.http.server import build_api, serve_api
from tests.kit.clearing.auctions import SHIPPED, auction_world, wait_for_reveal
from tests.kit.clearing.genesis import BOB
from tests.kit.node import fake_view
from tests.kit.node.auction_view import AuctionView


@asynccontextmanager
async def client_at(view: AuctionView) -> AsyncIterator[NodeClient]:
    """Bob's client of a socket on which the view answers."""
    settings = Api(port=0)
    async with trio.open_nursery() as nursery:
        urls = await nursery.start(serve_api, build_api(view, settings, clock_ms), settings)
        async with NodeClient(urls[0], view.network, fake_view.BOB) as client:
            yield client
        nursery.cancel_scope.cancel()


def bidder_in(folder: Path) -> DefaultBidder:
    devnet = cast(Devnet, SimpleNamespace(options=SimpleNamespace(output_dir=folder)))
    return DefaultBidder(devnet, DevnetMember(BOB, "bob", fake_view.BOB))


async def test_a_member_commits_once_and_reveals_what_it_committed_to(tmp_path: Path) -> None:
    world, bidder = auction_world(), bidder_in(tmp_path)
    view = AuctionView(world)
    async with client_at(view) as client:
        await bidder.look(client)
        await bidder.look(client)
    (committed,) = view.submitted
    assert isinstance(committed, DefaultBidCommitment)
    wait_for_reveal(world)
    view = AuctionView(world)
    view.submitted.append(committed)
    async with client_at(view) as client:
        await bidder.look(client)
        await bidder.look(client)
    (_, revealed) = view.submitted
    assert isinstance(revealed, DefaultBidReveal)
    assert revealed.commitment == committed.commitment
    assert (revealed.slices, revealed.ask_micros) == (SHIPPED.auction_slices // 2, 0)


async def test_what_a_block_refused_is_sent_again(tmp_path: Path) -> None:
    bidder, view = bidder_in(tmp_path), AuctionView(auction_world())
    view.refuses = True
    async with client_at(view) as client:
        await bidder.look(client)
        await bidder.look(client)
    first, second = view.submitted
    assert isinstance(first, DefaultBidCommitment)
    assert isinstance(second, DefaultBidCommitment)
    assert first.commitment != second.commitment
