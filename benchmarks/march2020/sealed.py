"""Sealed bids of dealers in a default auction.

Rule: a dealer commits in the first block of the auction to what an open bid would ask then, and reveals it in the first
block in which that is possible.
"""

from typing import TYPE_CHECKING

from benchmarks.march2020.hours import HOUR_MS
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.records.default import DefaultRecord

if TYPE_CHECKING:
    from benchmarks.march2020.market import March


def sealed_bids(market: "March", number: int, default: DefaultRecord) -> list[Transaction]:
    """What dealers send in the next block."""
    height, until = market.state.now.height + 1, {"not_after_ms": market.state.now.time_ms + HOUR_MS // 2}
    mine = [(dealer, bid) for (of, dealer), bid in market.committed.items() if of == number]
    if height < default.reveal_height and not mine:
        bids = market.default_bids(number, default)
        market.committed |= {(number, bid.account): (bid.slices, bid.ask_micros) for bid in bids}
        return [market.bid_commitment(bid.account, number, bid.slices, bid.ask_micros, **until) for bid in bids]
    if height == default.reveal_height:
        return [market.bid_reveal(dealer, number, *bid, **until) for dealer, bid in mine]
    return []
