"""Bids for a defaulter's portfolio through a node: an open one, or a commitment and its reveal.

Rule: the node says whether bids are sealed and where the phases end. The bid itself stays in the member's folder until
the reveal phase. Whether the rules accept a request is seen in its receipt, not here.
"""

from pathlib import Path

import trio

from clearing.base.errors import LocalFault
from clearing.schema.requests.auctions import DefaultBid, DefaultBidCommitment, DefaultBidReveal
from member.api.receipts import DefaultUnderWay
from member.api.submit import SubmitResult
from member.client.node_client import NodeClient
from member.codes import NodeCode
from member.keys.saved_bids import newest_bid, save_new_bid

POLL_SECONDS = 0.5


async def default_under_way(client: NodeClient, number: int) -> DefaultUnderWay:
    """The default with this number. Raises LocalFault API_PARAMETER where none is under way."""
    for default in (await client.defaults()).under_way:
        if default.number == number:
            return default
    raise LocalFault(NodeCode.API_PARAMETER, "number", value=number, why="no default under way has this number")


async def place_bid(
    client: NodeClient, home: Path, account: int, number: int, slices: int, ask_micros: int
) -> SubmitResult:
    """Bid for `slices` at `ask_micros` each: openly, or by a commitment whose bid is saved in `home` before."""
    default = await default_under_way(client, number)
    if not default.reveal_height:
        return await client.submit_own(DefaultBid, account, number, slices, ask_micros)
    bid = save_new_bid(home, account, number, slices, ask_micros)
    return await client.submit_own(DefaultBidCommitment, account, number, bid.commitment)


async def reveal_bid(client: NodeClient, home: Path, account: int, number: int) -> SubmitResult:
    """Reveal the bid that was saved last in `home`, as soon as the reveal phase has begun.

    Raises LocalFault KEY_MISSING where no bid was saved, and API_PARAMETER where the default is no longer under way.
    """
    bid = newest_bid(home, account, number)
    while True:
        default = await default_under_way(client, number)
        if (await client.state()).height + 1 >= default.reveal_height:
            break
        await trio.sleep(POLL_SECONDS)
    salt = bytes.fromhex(bid.salt)
    return await client.submit_own(DefaultBidReveal, account, number, bid.slices, bid.ask_micros, salt)
