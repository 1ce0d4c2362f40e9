"""A trifle priced by a halted feed keeps no account from being liquidated; what it is priced by stays out of it."""

import pytest

from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.records.prices import FeedStatus
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, DOLLAR, ETH, ETH_PERP, HOUSE, WETH_1
from tests.kit.clearing.world import World, funded, of_kind


def leveraged() -> World:
    """Alice long 4.5 BTC on 8,000 dollars; Bob, well funded, short."""
    world = funded(dollars=8_000)
    world.block(facts=(world.deposit_fact(BOB, 1, 100_000 * DOLLAR), world.deposit_fact(HOUSE, 1, 100_000 * DOLLAR)))
    world.block(world.trade(ALICE, BOB, BTC_PERP, 4_500, 790_000))
    return world


@pytest.mark.parametrize("shield", ["position", "token"])
def test_dust_on_a_halted_feed_saves_nobody_from_liquidation(shield: str) -> None:
    world = leveraged()
    if shield == "position":
        world.block(world.trade(ALICE, BOB, ETH_PERP, 1, 20_000))
    else:
        world.deposit(ALICE, WETH_1, 1)
    result = world.prices(720_000, eth=10_000)
    assert world.state.feeds[ETH].status == FeedStatus.HALTED
    (done,) = of_kind(result, Liquidated)
    assert [taken.instrument for taken in done.positions] == [BTC_PERP], "what is halted is not taken over"
    assert world.lots(ALICE, ETH_PERP) == (shield == "position")
    assert holdings_margin(current_arrays(world.state), current_holdings(world.state, ALICE)).initial_ok


def test_tokens_without_an_open_price_stay_and_the_house_does_not_pay_in_their_place() -> None:
    world = leveraged()
    world.deposit(ALICE, WETH_1, 1_000_000)  # one, worth 200 dollars
    (done,) = of_kind(world.prices(590_000, eth=10_000), Liquidated)
    assert world.lots(ALICE, BTC_PERP) == 0
    assert done.deficits == ()
    assert world.cash(ALICE) < 0
    assert world.weth(ALICE) == 1_000_000
    assert not of_kind(world.prices(590_000, eth=10_000), Liquidated), "once: nothing is left to take now"
    world.prices(590_000, eth=10_000)
    (done,) = of_kind(world.prices(590_000, eth=10_000), Liquidated)  # held still long enough: open again
    assert [each.units for each in done.collateral] == [1_000_000]
    assert done.deficits
    assert world.cash(ALICE) == 0
