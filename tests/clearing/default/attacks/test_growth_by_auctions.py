"""What a member buys in an auction is growth of its stress exposure, as in a trade: slices, portfolios, collateral.

Before the rule the two auctions and the sale of collateral asked initial margin only. Carol bought of a liquidation
what a trade refused her, with a friend on the other side, and lacked 602 dollars that the fund was not sized for.
"""

import msgspec
import pytest

from clearing.context.stress_exposure import allowance, stress_exposures
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import BiddersRanked, DefaultEnded, PortfolioSold
from clearing.schema.receipts.liquidation import BackstopTakeover, Liquidated, SliceSold
from clearing.schema.terms.house import HouseTerms
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from tests.kit.clearing.attackers import attack_genesis, attack_world
from tests.kit.clearing.defaults import TERMS
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, USDC_1, WETH_1
from tests.kit.clearing.housed import UNIT, with_house
from tests.kit.clearing.world import World

CAROLS = 3
LOTS, CALLED = 2_000, 330_000
"""Alice's long lots, and ticks at which she has 800 dollars for a maintenance margin of 1,056."""


def for_sale(dollars: int, *, growth: bool = True, backstop: int = 0) -> World:
    """Slices of Alice's 2 BTC are for sale; Carol has so many dollars, and Dave is on the other side."""
    genesis = attack_genesis(growth=growth)
    sale = LiquidationTerms(auction_blocks=0 if backstop else 4, end_ppm=20_000, backstop_account=backstop)
    fund = msgspec.structs.replace(genesis.crisis.fund, call_blocks=30)
    crisis = msgspec.structs.replace(genesis.crisis, liquidation=sale, calls=CallTerms(deadline_blocks=0), fund=fund)
    world = attack_world(msgspec.structs.replace(genesis, crisis=crisis))
    world.bring(alice=10_000)
    assert not world.refusals(world.perp_trade(ALICE, DAVE, LOTS))
    world.block(world.withdrawal(CAROL, USDC_1, world.cash(CAROL) - dollars * DOLLAR))
    for ticks in (500_000, CALLED):
        world.prices(ticks)
    return world


def beyond(world: World, member: int = CAROLS) -> int:
    """Micros that a member lacks beyond its allowance in the worst scenario."""
    lacking = stress_exposures(world.context()).lacking(member)
    return max(lacks - most for lacks, most in zip(lacking, allowance(world.state, member), strict=True))


def test_a_slice_beyond_what_the_fund_was_sized_for_is_not_sold_and_the_sale_ends_all_the_same() -> None:
    """Carol's 1,000 dollars are margin for 1.5 BTC, and cover a crash of 60 % for half a BTC."""
    world = for_sale(1_000)
    bid = world.liquidation_bid(CAROL)
    assert world.refusals(bid) == [ClearingCode.STRESS_NOT_COVERED]
    assert beyond(world) <= 0
    while ALICE in world.state.liquidations:
        world.block()
    assert world.every(Liquidated)
    assert world.margin(ALICE).initial_ok


def test_a_slice_that_the_buyer_covers_in_every_scenario_is_sold() -> None:
    world = for_sale(1_000)
    assert world.refusals(world.liquidation_bid(CAROL)) == [ClearingCode.STRESS_NOT_COVERED]
    assert not world.refusals(world.liquidation_bid(CAROL, slice_ppb=200_000_000))
    assert world.lots(CAROL, BTC_PERP) == 400
    assert beyond(world) <= 0


def test_the_backstop_takes_what_it_covers_and_the_house_the_rest() -> None:
    """Growth by a takeover that the terms order is growth, too."""
    world = for_sale(1_000, backstop=CAROL)
    (taken,) = world.every(BackstopTakeover)
    assert 0 < world.lots(CAROL, BTC_PERP) < 520
    assert taken.fraction < taken.wanted
    assert world.every(Liquidated)
    assert beyond(world) <= 0
    assert world.margin(ALICE).initial_ok


def in_auction(dollars: int, *, growth: bool = True, duty: bool = False) -> World:
    """Alice is in default with 2 BTC at 3,100.00; Carol has so many dollars, the others plenty."""
    default = TERMS
    if duty:
        default = msgspec.structs.replace(TERMS, auction_duty_ppm=100_000, auction_absence_ppm=1_000_000)
    world = attack_world(attack_genesis(growth=growth, default=default))
    world.bring(alice=9_500)
    assert not world.refusals(world.perp_trade(ALICE, BOB, LOTS))
    world.block(world.withdrawal(CAROL, USDC_1, world.cash(CAROL) - dollars * DOLLAR))
    world.prices(500_000)
    world.fall(310_000)
    return world


def sold(world: World) -> BiddersRanked:
    while not world.every(BiddersRanked):
        world.block()
    return world.every(BiddersRanked)[0]


def test_a_bidder_gets_no_more_of_a_portfolio_than_it_covers_under_stress() -> None:
    """1,300 dollars are margin for all of the portfolio, and cover a crash for 34 hundredths of it."""
    world = in_auction(1_300)
    assert not world.refusals(world.default_bid(CAROL, 1, 100, 0))
    ranked = sold(world)
    (filled,) = world.every(PortfolioSold)
    assert (filled.wanted, filled.slices) == (100, 34)
    assert beyond(world) <= 0
    assert (ranked.carried, ranked.uncovered) == ((), (CAROLS,))
    assert {member: rank for member, *_, rank in ranked.members}[CAROLS] == 1
    world.until_ended()
    assert world.every(DefaultEnded)[0].house == 0


def test_who_may_not_grow_has_not_failed_its_duty_to_bid() -> None:
    """It could margin all that it bid for. The others, who did not bid, are charged."""
    world = in_auction(1_300, duty=True)
    assert not world.refusals(world.default_bid(CAROL, 1, 100, 0))
    assert [member for member, _ in sold(world).absence_charges] == [2, 4]


def test_who_cannot_margin_what_it_bid_for_has_failed_its_duty() -> None:
    world = in_auction(1_200, duty=True)
    assert not world.refusals(world.default_bid(CAROL, 1, 100, 0))
    ranked = sold(world)
    assert (ranked.carried, ranked.uncovered) == ((), ())
    assert [member for member, _ in ranked.absence_charges] == [2, 3, 4]


@pytest.mark.parametrize("dollars", [1_300, 5_000])
def test_where_growth_is_not_covered_slices_are_sold_as_before(dollars: int) -> None:
    world = for_sale(dollars, growth=False)
    assert not world.refusals(world.liquidation_bid(CAROL))
    assert world.every(SliceSold)
    world = in_auction(dollars, growth=False)
    assert not world.refusals(world.default_bid(CAROL, 1, 100, 0))
    assert sold(world).carried == (CAROLS,)
    assert world.every(PortfolioSold)[0].slices == 100


def with_ether_for_sale(*, growth: bool = True) -> World:
    """The house took Alice's ten ether over and offers them. Carol is long a BTC at 2,400.00, and her cash just covers
    the crash of 60 %."""
    world = attack_world(with_house(attack_genesis(growth=growth), HouseTerms(recovery_blocks=20, disposal_blocks=10)))
    world.bring(alice=9_000)
    world.deposit(ALICE, WETH_1, 10 * UNIT)
    assert not world.refusals(world.perp_trade(ALICE, BOB, LOTS))
    world.prices(500_000)
    world.prices(310_000)
    world.fall(240_000)
    world.until_ended()
    world.block(world.withdrawal(CAROL, USDC_1, world.cash(CAROL) - 1_440 * DOLLAR))
    assert not world.refusals(world.perp_trade(CAROL, DAVE, 1_000, ticks=240_000))
    return world


def test_ether_that_the_house_took_over_is_not_sold_for_cash_that_covers_a_crash() -> None:
    """Ether falls by 70 % in the crash, and cash does not."""
    world = with_ether_for_sale()
    assert beyond(world) <= 0
    bid = world.inventory_bid(CAROL, UNIT, asset=WETH_1, limit=200)
    assert world.refusals(bid) == [ClearingCode.STRESS_NOT_COVERED]
    world.pay_in(CAROL, 200)
    assert not world.refusals(world.inventory_bid(CAROL, UNIT, asset=WETH_1, limit=200))
    assert beyond(world) <= 0


def test_where_growth_is_not_covered_ether_is_sold_as_before() -> None:
    world = with_ether_for_sale(growth=False)
    assert not world.refusals(world.inventory_bid(CAROL, UNIT, asset=WETH_1, limit=200))
