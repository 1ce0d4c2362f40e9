"""The house is no principal without limit: ring-fenced capital, limited inventory, forced disposal, own default."""

import msgspec
import pytest

from clearing.context.unresolved_losses import account_deficits, defaults_under_way
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import DefaultDeclared, DefaultEnded, HouseTakeover, LossAllocated, PortfolioSold
from clearing.schema.receipts.house import InventoryClosed, InventoryOffered, InventorySold
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.records.default import MemberStatus
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.terms.house import HouseTerms
from clearing.schema.terms.margin_calls import LiquidationTerms
from tests.kit.clearing.crisis import FALLEN
from tests.kit.clearing.defaults import FALLEN as INSOLVENT
from tests.kit.clearing.defaults import TERMS, default_genesis, default_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.housed import principal_world, recovery_world, with_house
from tests.kit.clearing.world import World

OFF = HouseTerms()
COVERED = HouseTerms(covers_margin=True)
DISPOSAL = HouseTerms(disposal_blocks=5, disposal_end_ppm=20_000)


def test_the_house_takes_over_no_more_than_its_own_margin_covers_and_the_rest_is_closed_in_the_same_block() -> None:
    """Before: with 500 dollars the house took 1.026 BTC over, and was 950.51 dollars below its own initial margin."""
    before, world = (principal_world(terms, dollars=500) for terms in (OFF, COVERED))
    for each in (before, world):
        each.prices(FALLEN)
    assert not before.margin(HOUSE).initial_ok
    assert world.lots(ALICE, BTC_PERP) == before.lots(ALICE, BTC_PERP), "Alice is liquidated all the same"
    assert 0 < world.lots(HOUSE, BTC_PERP) < before.lots(HOUSE, BTC_PERP)
    assert world.margin(HOUSE).initial_ok
    (closed,) = world.every(InventoryClosed)
    assert [account for account, *_ in closed.counterparties] == [BOB]
    assert closed.lots + world.lots(HOUSE, BTC_PERP) == before.lots(HOUSE, BTC_PERP)


@pytest.mark.parametrize(
    "terms", [HouseTerms(inventory_notional_max=2_000 * DOLLAR), HouseTerms(inventory_margin_max=400 * DOLLAR)]
)
def test_inventory_stays_within_its_limits_in_margin_and_in_notional(terms: HouseTerms) -> None:
    """Before: the house had 100,000 dollars and took over whatever came, without limit."""
    world = principal_world(terms)
    world.prices(FALLEN)
    world.prices(600_000)
    kept = world.lots(HOUSE, BTC_PERP)
    assert world.lots(ALICE, BTC_PERP) < 4_500
    assert 0 < kept * 600_000 * 10 <= 2_000 * DOLLAR
    assert world.every(InventoryClosed)


def test_a_default_takeover_beyond_the_limits_is_closed_against_ranked_accounts() -> None:
    limited = recovery_world(HouseTerms(inventory_notional_max=10_000 * DOLLAR))
    fenced = recovery_world(HouseTerms(capital_micros=99_000 * DOLLAR, covers_margin=True))
    free = recovery_world(OFF)
    for world in (limited, fenced, free):
        world.fall(INSOLVENT)
        world.until_ended()
    assert [len(world.every(HouseTakeover)) for world in (limited, fenced, free)] == [0, 0, 1]
    assert [world.lots(BOB, BTC_PERP) for world in (limited, fenced, free)] == [0, 0, -40_000]


def test_the_stated_capital_does_not_leave_before_a_default_that_it_is_for() -> None:
    """Before: the house withdrew 99,900 of its 100,000 dollars; of the 500 that it had stated it bore 100."""
    world = recovery_world(HouseTerms(capital_micros=50_000 * DOLLAR))
    takes_all = world.withdrawal(HOUSE, USDC_1, 99_900 * DOLLAR)
    assert world.refusals(takes_all) == [ClearingCode.RING_FENCED]
    assert not world.refusals(world.withdrawal(HOUSE, USDC_1, 50_000 * DOLLAR))
    assert world.refusals(world.withdrawal(HOUSE, USDC_1, 1)) == [ClearingCode.RING_FENCED]
    ticks = world.state.marks[BTC_PERP].ticks
    loses = world.perp_trade(HOUSE, BOB, 10_000, ticks=ticks + 10_000)
    assert world.refusals(loses) == [ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN]
    world.fall(INSOLVENT)
    world.prices(300_000)
    world.until_ended()
    assert dict(world.default().borne_by_layer)[3] == 500 * DOLLAR


def test_the_houses_part_of_open_defaults_is_ring_fenced_beyond_its_stated_capital() -> None:
    terms = msgspec.structs.replace(TERMS, house_capital_micros=80_000 * DOLLAR)
    world = recovery_world(HouseTerms(capital_micros=1_000 * DOLLAR), terms=terms)
    world.fall(INSOLVENT)
    assert world.refusals(world.withdrawal(HOUSE, USDC_1, 21_000 * DOLLAR)) == [ClearingCode.RING_FENCED]


def sale(terms: HouseTerms = DISPOSAL) -> World:
    """The house took 1,026 lots over and offers them."""
    world = principal_world(terms)
    world.prices(FALLEN)
    (offered,) = world.every(InventoryOffered)
    assert (offered.first_height, offered.last_height) == (world.state.now.height + 1, world.state.now.height + 5)
    return world


def test_what_the_house_took_is_for_sale_to_members_from_the_next_block_on_at_a_rising_discount() -> None:
    """Before: the house kept its lots for ever, and with them whatever the market did."""
    world = sale()
    lots, cash = world.lots(HOUSE, BTC_PERP), world.cash(CAROL)
    too_early = world.inventory_bid(CAROL, 100, 5_000, instrument=BTC_PERP)
    assert world.refusals(too_early) == [ClearingCode.DISCOUNT_TOO_SMALL]
    assert not world.refusals(world.inventory_bid(CAROL, 100, instrument=BTC_PERP))
    (sold,) = world.every(InventorySold)
    assert (sold.lots, sold.discount_ppm, sold.mark_ticks) == (100, 5_000, FALLEN)
    assert world.lots(CAROL, BTC_PERP) == 100
    assert world.lots(HOUSE, BTC_PERP) == lots - 100
    assert world.cash(CAROL) - cash == sold.discount == 100 * FALLEN * 10 * 5_000 // 1_000_000


def test_what_members_leave_is_closed_at_the_mark_after_the_last_block() -> None:
    world = sale()
    world.wait(5)
    assert world.lots(HOUSE, BTC_PERP) == 0
    assert not list(world.state.inventory_sales.ordered())
    (closed,) = world.every(InventoryClosed)
    assert closed.mark_ticks == FALLEN
    assert world.refusals(world.inventory_bid(CAROL, 1, instrument=BTC_PERP)) == [ClearingCode.NO_INVENTORY_SALE]


def test_whoever_is_liquidated_and_buys_back_from_the_house_through_a_friend_gains_nothing() -> None:
    """With a discount of 2 per cent that only the notional bounds, the pair would gain 1.5 per cent of it each time."""
    world = principal_world(DISPOSAL)
    before = world.cash(ALICE) + world.cash(CAROL) - 4_500 * 10 * (790_000 - FALLEN)
    world.prices(FALLEN)
    world.wait(4)
    assert not world.refusals(world.inventory_bid(CAROL, 10**6, instrument=BTC_PERP))
    (sold,), (taken,) = world.every(InventorySold), world.every(Liquidated)
    assert (sold.discount_ppm, sold.discount) == (20_000, taken.penalty)
    assert world.cash(ALICE) + world.cash(CAROL) - before <= 0


@pytest.mark.parametrize(
    ("bid", "code"),
    [
        ({"size": 0, "instrument": BTC_PERP}, ClearingCode.BAD_SIZE),
        ({"size": 1}, ClearingCode.BAD_SIZE),
        ({"size": 1, "instrument": BTC_PERP, "asset": 3}, ClearingCode.BAD_SIZE),
        ({"size": 1, "instrument": 77}, ClearingCode.NO_INVENTORY_SALE),
        ({"size": 1, "asset": 77}, ClearingCode.NO_INVENTORY_SALE),
        ({"size": 1, "limit": 10**6, "instrument": BTC_PERP}, ClearingCode.DISCOUNT_TOO_SMALL),
    ],
)
def test_a_bid_that_the_sale_does_not_allow_is_refused(bid: dict[str, int], code: ClearingCode) -> None:
    assert sale().refusals(sale().inventory_bid(CAROL, **bid)) == [code]


def test_the_house_buys_nothing_of_itself_and_a_buyer_covers_its_margin() -> None:
    world = sale()
    assert world.refusals(world.inventory_bid(HOUSE, 1, instrument=BTC_PERP)) == [ClearingCode.SAME_ACCOUNT]
    world.block(world.withdrawal(CAROL, USDC_1, 99_990 * DOLLAR))
    needed = world.inventory_bid(CAROL, 900, instrument=BTC_PERP)
    assert world.refusals(needed) == [ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN]


OWN = HouseTerms(own_default=True)


def insolvent_house(terms: HouseTerms = OWN, default: DefaultTerms = TERMS, ticks: int = 400_000) -> World:
    """A fund paid in; the house is long 45 BTC against Bob on 100,000 dollars, and the price falls."""
    world = default_world(genesis=with_house(default_genesis(default), terms))
    world.bring(alice=100_000, bob=200_000)
    world.fund_paid_in()
    world.block(world.perp_trade(HOUSE, BOB, 45_000))
    world.prices(555_000)
    world.prices(ticks)
    return world


def test_a_house_below_its_own_maintenance_margin_is_in_default_like_any_member() -> None:
    """Before: it was called, and nothing followed: 75,500 dollars that it owed were nobody's loss."""
    world = insolvent_house()
    (declared,) = world.every(DefaultDeclared)
    assert (declared.member, declared.own, declared.clients) == (0, (HOUSE,), ())
    assert world.status(0) is MemberStatus.DEFAULTING
    assert world.refusals(world.withdrawal(HOUSE, USDC_1, 1))[0] in (
        ClearingCode.BALANCE_TOO_SMALL,
        ClearingCode.MEMBER_NOT_ACTIVE,
    )
    ended = [each for result in world.until_ended() for each in result.receipts if isinstance(each, DefaultEnded)]
    assert [each.member for each in ended] == [0]
    assert ended[0].house == 0
    assert world.lots(HOUSE, BTC_PERP) == 0
    layers = [layer for layer, _ in ended[0].by_layer]
    assert layers == sorted(layers)
    assert layers[0] == 4, "its own money has paid before"
    assert not account_deficits(world.state, (HOUSE,))
    assert world.status(0) is MemberStatus.ACTIVE


def test_the_houses_positions_are_auctioned_to_members() -> None:
    world = insolvent_house(ticks=520_000)
    assert world.every(DefaultDeclared)
    assert not world.refusals(world.default_bid(CAROL, 1, 100, 0))
    world.until_ended()
    sold = world.every(PortfolioSold)
    assert {each.account for each in sold} == {CAROL}
    assert world.lots(HOUSE, BTC_PERP) == 0


def test_a_house_default_that_nobody_can_pay_does_not_follow_itself() -> None:
    """Nothing bears the loss: no fund, no gains of others. The house owes it once, and no second default begins."""
    terms = DefaultTerms(enabled=True, auction_blocks=2)
    world = insolvent_house(default=terms)
    world.until_ended()
    world.wait(20)
    numbers = [each.number for each in world.every(DefaultDeclared) if each.member == 0]
    assert numbers == [1]
    assert not defaults_under_way(world.state)


def test_a_member_that_defaults_while_the_house_is_in_default_is_managed_without_the_house() -> None:
    world = default_world(genesis=with_house(default_genesis(), OWN))
    world.bring(bob=600_000)
    world.fund_paid_in()
    world.block(world.perp_trade(HOUSE, BOB, 35_000))
    world.block(world.perp_trade(ALICE, BOB, 30_000))
    before = world.everything()
    world.prices(555_000)
    world.prices(400_000)
    world.wait(40)
    assert {each.member for each in world.every(DefaultEnded)} == {0, 1}
    assert not defaults_under_way(world.state)
    assert not world.every(HouseTakeover)
    assert (world.lots(HOUSE, BTC_PERP), world.lots(ALICE, BTC_PERP)) == (0, 0)
    assert world.everything() == before
    allocated = world.every(LossAllocated)
    assert all(
        sum(share.amount for share in step.shares) == step.loss_borne for each in allocated for step in each.steps
    )
    world.check_replay()


@pytest.mark.parametrize("own_default", [False, True])
def test_the_switch_of_the_own_default_makes_the_difference(own_default: bool) -> None:
    world = insolvent_house(HouseTerms(own_default=own_default))
    world.wait(20)
    assert bool(account_deficits(world.state, (HOUSE,))) is not own_default
    assert bool(world.every(DefaultDeclared)) is own_default


def test_a_liquidation_in_stages_leaves_its_last_stage_within_the_limits_too() -> None:
    liquidation = LiquidationTerms(step_ppm=500_000, cooldown_blocks=1)
    world = principal_world(COVERED, dollars=500, liquidation=liquidation)
    for _ in range(8):
        world.prices(FALLEN)
        assert world.margin(HOUSE).initial_ok
    assert world.every(InventoryClosed)
    assert world.lots(ALICE, BTC_PERP) < 4_500
