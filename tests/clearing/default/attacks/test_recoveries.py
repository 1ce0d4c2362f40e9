"""What comes in from a default after its end is the payers', in reverse order of the waterfall, never the house's."""

import pytest

from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import CollateralTaken, HouseTakeover, LossAllocated, WaterfallLayer
from clearing.schema.receipts.house import InventorySold, RecoveryEnded, RecoveryPaid
from clearing.schema.terms.house import HouseTerms
from tests.kit.clearing.defaults import FALLEN
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, HOUSE, WETH_1
from tests.kit.clearing.housed import RECOVERY_BLOCKS, default_without_eth, house_value, recovery_world, returned
from tests.kit.clearing.world import World

HOUSE_BORE = 500 * DOLLAR
RECOVERIES = HouseTerms(recovery_blocks=RECOVERY_BLOCKS)
DISPOSAL = HouseTerms(recovery_blocks=RECOVERY_BLOCKS, disposal_blocks=12)


def layers_of(world: World) -> list[int]:
    """The layer of each payment of all recoveries, in order."""
    return [layer for receipt in world.every(RecoveryPaid) for layer, *_ in receipt.paid]


def after_default(house: HouseTerms, price: int = 300_000, **more: int) -> World:
    """Alice's default has ended; the survivors bore a part of its loss."""
    world = recovery_world(house, **more)
    world.fall(FALLEN)
    world.prices(price)
    world.until_ended()
    bore = [share for each in world.every(LossAllocated) for step in each.steps for share in step.shares]
    assert {share.payer for share in bore if share.amount} >= {HOUSE, 1, 2, 3, 4}
    return world


def test_a_token_of_a_dead_feed_that_returns_goes_back_to_who_paid_last() -> None:
    """Before: the house took 20 ether for nothing and had 4,000 dollars more when the feed returned; payers got 0."""
    world = recovery_world(RECOVERIES, weth=20, settle_blocks=3)
    before = house_value(world)
    default_without_eth(world)
    (taken,) = world.every(CollateralTaken)
    assert (taken.units, taken.counted_micros) == (20 * 10**6, 0)
    assert world.refusals(world.inventory_bid(DAVE, 10**6, 200, asset=WETH_1)) == [ClearingCode.NO_INVENTORY_SALE]
    for _ in range(5):
        world.prices(300_000)
    assert not world.refusals(world.inventory_bid(DAVE, 20 * 10**6, 200, asset=WETH_1))
    assert world.weth(DAVE) == 20 * 10**6
    world.wait(RECOVERY_BLOCKS)
    assert layers_of(world) == [WaterfallLayer.ASSESSMENTS] * 3 + [WaterfallLayer.SURVIVORS] * 3
    assert set(returned(world)) == {BOB, CAROL, DAVE}
    (paid,) = world.every(RecoveryPaid)
    assert sum(returned(world).values()) + paid.rounding == 4_000 * DOLLAR
    assert paid.rounding < 6
    assert house_value(world) == before - HOUSE_BORE


def test_a_haircut_that_was_not_used_goes_back_to_who_paid_last() -> None:
    """Before: 20 ether counted for 3,600 dollars; the house sold them for 4,000, and payers got 0."""
    world = recovery_world(RECOVERIES, weth=20)
    before = house_value(world)
    world.fall(FALLEN)
    world.prices(300_000)
    world.until_ended()
    world.block()
    assert not world.refusals(world.inventory_bid(DAVE, 20 * 10**6, 200, asset=WETH_1))
    assert world.last(InventorySold)[0].micros_per_unit == 200
    world.wait(RECOVERY_BLOCKS)
    assert 400 * DOLLAR - 3 < sum(returned(world).values()) <= 400 * DOLLAR
    assert house_value(world) == before - HOUSE_BORE


def test_inventory_sold_above_the_mark_at_which_it_was_taken_goes_back_in_reverse_order() -> None:
    """Before: the house took 40 BTC at 3,000 dollars; at 4,000 it had gained 40,000 on the default, payers got 0."""
    world = after_default(DISPOSAL)
    (taken,) = world.every(HouseTakeover)
    assert taken.positions[0].lots == 40_000
    cash = world.cash(HOUSE)
    world.prices(400_000)
    world.wait(RECOVERY_BLOCKS + 2)
    assert world.lots(HOUSE, BTC_PERP) == 0
    assert layers_of(world) == [WaterfallLayer.ASSESSMENTS] * 3 + [WaterfallLayer.SURVIVORS] * 3
    (paid,) = world.every(RecoveryPaid)
    assert paid.micros == 40_000 * DOLLAR
    assert world.cash(HOUSE) == cash


def test_a_recovery_beyond_the_survivors_repays_the_house_then_the_defaulters_contribution_then_its_margin() -> None:
    """What is left after every claim is the members', by contribution: the house keeps only its own 500 dollars."""
    world = after_default(DISPOSAL, weth=20)
    layers = dict(world.default().borne_by_layer)
    cash = world.cash(HOUSE)
    for ticks in (400_000, 550_000, 700_000):
        world.prices(ticks)
    world.wait(RECOVERY_BLOCKS + 2)
    (paid, *_) = world.every(RecoveryPaid)
    assert paid.micros == 40_000 * 400_000 * 10
    order = [layer for layer, *_ in paid.paid]
    assert [layer for at, layer in enumerate(order) if at == 0 or order[at - 1] != layer] == [4, 3, 2, 1, 0]
    for layer in (1, 2, 3, 4):
        assert sum(micros for of, _, _, micros in paid.paid if of == layer) == layers[layer]
    assert sum(micros for *_, account, micros in paid.paid if account == HOUSE) == HOUSE_BORE
    assert world.cash(HOUSE) == cash + HOUSE_BORE


def test_losses_on_inventory_come_before_payers_and_gains_after() -> None:
    """The house lost 1,000 dollars on lots and gained 4,000 on ether: 3,000 go back."""
    world = recovery_world(DISPOSAL, weth=20, settle_blocks=3)
    default_without_eth(world)
    for _ in range(5):
        world.prices(297_500)
    assert not world.refusals(world.inventory_bid(DAVE, 20 * 10**6, 200, asset=WETH_1))
    assert not world.every(RecoveryPaid), "the lots may still lose more"
    world.wait(RECOVERY_BLOCKS + 2)
    assert sum(each.micros for each in world.every(RecoveryPaid)) == 3_000 * DOLLAR


def test_what_nobody_bought_goes_to_the_payers_in_kind_and_the_house_keeps_what_it_paid_for() -> None:
    """Before: the house kept 20 ether, worth 4,000 dollars, for which it had paid 3,600."""
    world = after_default(RECOVERIES, weth=20)
    world.wait(RECOVERY_BLOCKS + 1)
    (ended,) = world.every(RecoveryEnded)
    assert world.weth(HOUSE) == 18 * 10**6
    assert {layer for layer, *_ in ended.in_kind} == {WaterfallLayer.SURVIVORS}
    assert 2 * 10**6 - 3 < sum(units for *_, units in ended.in_kind) <= 2 * 10**6
    assert 0 not in world.state.recoveries
    assert not list(world.state.recoveries.ordered())


def test_a_token_that_never_had_a_price_goes_to_the_payers_in_kind() -> None:
    world = recovery_world(RECOVERIES, weth=20, settle_blocks=3)
    default_without_eth(world)
    world.wait(RECOVERY_BLOCKS + 1)
    assert world.weth(HOUSE) == 0
    assert sum(world.weth(each) for each in (BOB, CAROL, DAVE)) >= 20 * 10**6 - 3


def test_the_house_takes_no_recoverable_token_out_of_its_account() -> None:
    world = after_default(RECOVERIES, weth=20)
    assert world.refusals(world.withdrawal(HOUSE, WETH_1, 1)) == [ClearingCode.RECOVERY_OWED]
    world.wait(RECOVERY_BLOCKS + 1)
    assert not world.refusals(world.withdrawal(HOUSE, WETH_1, 1))


def test_a_token_is_sold_at_the_value_without_haircut_and_falls_by_the_discount_at_most() -> None:
    """A friend of the defaulter could else buy its collateral below its value, at the payers' expense."""
    terms = HouseTerms(recovery_blocks=RECOVERY_BLOCKS, disposal_blocks=5, disposal_end_ppm=20_000)
    world = after_default(terms, weth=20)
    assert world.refusals(world.inventory_bid(CAROL, 10**6, 199, asset=WETH_1)) == [ClearingCode.BID_BELOW_PRICE]
    world.wait(10)
    assert world.refusals(world.inventory_bid(CAROL, 10**6, 195, asset=WETH_1)) == [ClearingCode.BID_BELOW_PRICE]
    assert not world.refusals(world.inventory_bid(CAROL, 10**6, 196, asset=WETH_1))


@pytest.mark.parametrize("blocks", [0, RECOVERY_BLOCKS])
def test_the_switch_makes_the_difference(blocks: int) -> None:
    """Off, the rule of before: the house ends the default with 40,000 dollars more than it began with."""
    world = after_default(HouseTerms(recovery_blocks=blocks))
    cash = world.cash(HOUSE)
    world.prices(400_000)
    world.wait(RECOVERY_BLOCKS + 1)
    gained = world.cash(HOUSE) - cash
    assert gained == (0 if blocks else 40_000 * DOLLAR)
    assert bool(returned(world)) is bool(blocks)


def test_a_recovery_replays_from_its_blocks_and_from_a_snapshot() -> None:
    world = after_default(DISPOSAL, weth=20)
    world.read_back()
    world.prices(320_000)
    world.wait(RECOVERY_BLOCKS + 2)
    assert world.every(RecoveryPaid)
    assert world.cash(ALICE) >= 0
    world.check_replay()
