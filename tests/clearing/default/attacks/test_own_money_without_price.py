"""A token without an open price is no money of the defaulter's own that a bidder is paid with.

Before the rule it counted at its last price, as an option does not. The feed settled before the close-out, the token
counted for nothing, and others bore the 698 dollars that Alice's friend Dave was paid for her portfolio.
"""

import msgspec

from clearing.schema.receipts.default import DefaultEnded, PortfolioSold, WaterfallLayer
from clearing.schema.records.prices import FeedStatus
from clearing.schema.terms.prices import PriceTerms
from tests.kit.clearing.auctions import INTO_FUND, MARGIN, SHIPPED, ask_bounds, auction_genesis
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, DOLLAR, ETH, WETH_1
from tests.kit.clearing.world import World

ALL = SHIPPED.auction_slices
BY_OTHERS = {layer for layer in WaterfallLayer if layer > WaterfallLayer.OWN_CONTRIBUTION}
OWED_IN_CASH = 5_702
"""Dollars that Alice owes after her margin at 5,826.00; 30 ether cover 5,400 of them."""


def in_default() -> World:
    """Alice has 1,000 dollars in the fund and 30 ether, and owes 302 dollars beyond the ether."""
    genesis = auction_genesis()
    market = msgspec.structs.replace(genesis.market, prices=PriceTerms(settle_blocks=40))
    world = World(msgspec.structs.replace(genesis, market=market), fresh=True)
    world.prices(790_000)
    world.bring(house=300_000, bob=300_000, carol=300_000, dave=300_000)
    world.pay_in(ALICE, INTO_FUND)
    world.fund_paid_in()
    world.pay_in(ALICE, MARGIN)
    world.deposit(ALICE, WETH_1, 30 * 10**6)
    assert not world.refusals(world.perp_trade(ALICE, DAVE, 23_000))
    world.fall(582_600)
    return world


def borne_by_others(world: World, *unpriced: int, ask: int | None) -> int:
    """Micros, after Dave bid so much for all slices, or nobody bid; nothing is heard of these feeds."""
    if ask is not None:
        world.block(world.bid_commitment(DAVE, 1, ALL, ask), unpriced=unpriced)
        while world.state.now.height < world.default().reveal_height - 1:
            world.block(unpriced=unpriced)
        world.block(world.bid_reveal(DAVE, 1, ALL, ask), unpriced=unpriced)
    while not world.default().ended_height:
        world.block(unpriced=unpriced)
    (ended,) = world.every(DefaultEnded)
    return ended.house + sum(micros for layer, micros in ended.by_layer if layer in BY_OTHERS)


def test_a_token_counts_as_own_money_while_its_price_is_open() -> None:
    world = in_default()
    _, own = ask_bounds(world)
    assert own == (INTO_FUND - 302) * DOLLAR // ALL
    assert borne_by_others(world, ask=own) == 0
    assert sum(each.slices for each in world.every(PortfolioSold)) == ALL


def test_others_bear_nothing_for_a_bid_that_a_token_without_a_price_would_have_paid() -> None:
    world, without = in_default(), in_default()
    _, own = ask_bounds(world)
    assert borne_by_others(world, ETH, ask=own) == borne_by_others(without, ETH, ask=None)
    assert not world.every(PortfolioSold)
    assert borne_by_others(in_default(), ETH, ask=0) == (OWED_IN_CASH - INTO_FUND) * DOLLAR


def test_from_the_block_on_in_which_its_feed_is_not_open_a_token_is_no_own_money() -> None:
    world = in_default()
    while world.state.feeds[ETH].status is FeedStatus.OPEN:
        assert ask_bounds(world)[1] == (INTO_FUND - 302) * DOLLAR // ALL
        world.block(unpriced=(ETH,))
    assert ask_bounds(world)[1] == 0
