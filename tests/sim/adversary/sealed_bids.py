"""A bid in a default auction, open or sealed: what its bidder requests in each block of the auction.

Rule: a sealed bid is committed to in the first block in which that is possible, and revealed in the first of the
reveal. What was committed to does not change.
"""

from typing import Any

from clearing.schema.records.default import DefaultRecord
from tests.sim.adversary.market import Market

Requests = list[Any]
AUCTION_BLOCKS = 8
"""Within so many blocks a bid is made: an auction has 4, and a default may be declared a few blocks later."""


def bid_in_default(market: Market, bidder: int, number: int, default: DefaultRecord, bid: tuple[int, int]) -> Requests:
    """`bid`: slices and the ask for one in micros. Nothing where the bid is made, or its time is over."""
    height, record = market.state.now.height + 1, market.state.default_bids.get((number, bidder))
    if height > default.auction_height:
        return []
    if not default.reveal_height:
        return [market.default_bid(bidder, number, *bid)] if record is None else []
    if height < default.reveal_height:
        if record is not None:
            return []
        market.committed[(number, bidder)] = bid
        return [market.bid_commitment(bidder, number, *bid)]
    committed = market.committed.get((number, bidder))
    if record is None or record.revealed or committed is None:
        return []
    return [market.bid_reveal(bidder, number, *committed)]
