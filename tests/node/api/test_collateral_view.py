"""What the API tells of collateral is what the next block will do."""

from clearing.schema.receipts.collateral import AuctionOpened, CollateralSold
from devnet.market import load_market
from node.api.state import assets_now, collateral_sales
from tests.kit.clearing.genesis import ALICE, BOB, DOLLAR, USDC_1, WETH_1
from tests.kit.clearing.guarded import guarded, leave
from tests.kit.clearing.vaults import CALL, HAIRCUT, USDC_FEED, genesis_with, opened, owing
from tests.kit.clearing.world import of_kind


def test_a_bid_for_what_is_told_is_filled_at_the_price_told() -> None:
    world = owing(call=CALL)
    assert collateral_sales(world.state) == ()
    while not of_kind(world.results[-1], AuctionOpened):
        world.block()
    for _ in range(3):
        (sale,) = collateral_sales(world.state)
        assert (sale.seller, sale.asset) == (ALICE, WETH_1)
        result = world.block(world.collateral_bid(BOB, ALICE, WETH_1, 10**9, int(sale.micros_per_unit)))
        (sold,) = of_kind(result, CollateralSold)
        assert (str(sold.units), str(sold.micros_per_unit)) == (sale.units, sale.micros_per_unit)
        if world.cash(ALICE) >= -1_000 * DOLLAR:
            break


def test_haircuts_inventory_and_suspension_are_told_as_they_are() -> None:
    world = opened(genesis_with(haircut=HAIRCUT))
    first, _, weth, _ = assets_now(world.state)
    assert (first.cash_group, first.inventory_units, first.haircut_ppm) == (1, str(200_000 * DOLLAR), 0)
    assert (weth.cash_group, weth.haircut_ppm, weth.inventory_units) == (0, 157_500, "100000000")
    judged = guarded()
    judged.ticks[USDC_FEED] = 950_000
    judged.block()
    assert [each.suspended for each in assets_now(judged.state)] == [True, True, False, False]
    leave(judged)
    left = assets_now(judged.state)[0]
    assert (left.asset, left.cash_group, left.unit_decimals, left.suspended) == (USDC_1, 0, 2, False)
    assert not assets_now(judged.state)[1].suspended


def test_the_shipped_market_takes_off_collateral_what_its_file_says() -> None:
    market = load_market()
    weth = next(token for token in market.tokens if not token.cash)
    parts = weth.haircut
    assert parts is not None
    ranges = {group.feed: group.range_ppm for group in market.groups}
    whole = weth.haircut_ppm + ranges[weth.feed] * parts.range_share_ppm // 10**6
    whole += parts.liquidity_ppm + parts.finality_ppm
    assert 190_000 <= whole <= 200_000, "about a fifth, as the file's comment says"
    assert market.cash.skew is not None
    assert market.cash.interest is not None
    assert market.cash.call is not None
    assert market.cash.skew.band_micros > market.house.capital_micros, "the house's first deposit costs nothing"
