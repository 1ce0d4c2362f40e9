"""What honest members do in every block: they answer calls, pay contributions and bid at fair prices.

Rule: they know no more than the state shows. They do not mind risk, so what they ask for a position at the mark is
nothing: only so is a colluder's gain in an auction something that others would not have been paid.
"""

from typing import Any

from clearing.context.unresolved_losses import defaults_under_way
from tests.kit.clearing.genesis import USDC_1
from tests.sim.adversary.market import DEALER, HONEST, Market, ether_micros
from tests.sim.adversary.sealed_bids import bid_in_default

Requests = list[Any]


def honest_requests(market: Market, bidders: tuple[int, ...], *, buys_tokens: bool = False) -> Requests:
    """What honest members ask of the block that is being made. `bidders`: those that take part in auctions.

    `buys_tokens`: the dealer buys at its index what the house sells of tokens.
    """
    found = _contributions(market)
    for account in HONEST:
        found += answer_call(market, account)
    if buys_tokens:
        found += _bids_for_tokens(market)
    return found + _bids_for_defaulters(market, bidders) + _bids_for_slices(market, bidders)


def answer_call(market: Market, account: int) -> Requests:
    """Bring what is missing to initial margin, while there is equity to lose."""
    record = market.state.accounts[account]
    if not record.called_height or market.margin(account).equity < 0:
        return []
    missing = -market.spare(account)
    return [market.deposit_fact(account, USDC_1, missing)] if missing > 0 else []


def _contributions(market: Market) -> Requests:
    called = [(member, market.state.contributions.get(member)) for member in HONEST]
    return [market.pay(member, record.called) for member, record in called if record is not None and record.called]


def _bids_for_defaulters(market: Market, bidders: tuple[int, ...]) -> Requests:
    """Each bids once for everything, for nothing."""
    everything = (market.genesis.crisis.default.auction_slices, 0)
    return [
        request
        for number, default in defaults_under_way(market.state)
        for bidder in bidders
        if default.member != bidder
        for request in bid_in_default(market, bidder, number, default, everything)
    ]


def _bids_for_tokens(market: Market) -> Requests:
    """A bid for all ether that the house offers in the block that is being made."""
    offered = [
        token
        for _, record in market.state.recoveries.ordered()
        for token in record.tokens
        if 0 < token.offered_height <= market.state.now.height + 1
    ]
    return [market.inventory_bid(DEALER, token.units, ether_micros(market), asset=token.asset) for token in offered]


def _bids_for_slices(market: Market, bidders: tuple[int, ...]) -> Requests:
    """Each bids for everything that is for sale, at any discount."""
    return [
        market.liquidation_bid(bidder, account)
        for account, record in market.state.liquidations.ordered()
        if record.last_height > market.state.now.height
        for bidder in bidders
    ]
