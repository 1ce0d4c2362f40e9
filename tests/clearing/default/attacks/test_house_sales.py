"""What the house sells to members: never nothing, and to nobody beyond what the buyer can carry everywhere else."""

import msgspec

from clearing.context.unresolved_losses import outstanding_assessment
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.house import InventoryOffered, InventorySold
from clearing.schema.terms.house import HouseTerms
from clearing.state.ledger import token_currency
from clearing.state.state import State
from clearing.trades.balance_limits import BALANCE_MAX
from tests.kit.clearing.crisis import FALLEN
from tests.kit.clearing.defaults import FALLEN as INSOLVENT
from tests.kit.clearing.genesis import BTC_PERP, CAROL, DOLLAR, HOUSE, USD, USDC_1, WETH_1
from tests.kit.clearing.housed import RECOVERY_BLOCKS, principal_world, recovery_world
from tests.kit.clearing.world import World

DISPOSAL = HouseTerms(recovery_blocks=RECOVERY_BLOCKS, disposal_blocks=12, disposal_end_ppm=20_000)


def move(state: State, currency: int, giver: int, taker: int, units: int) -> None:
    """Units that change accounts by no rule: a state that no known request leads to."""
    for account, added in ((giver, -units), (taker, units)):
        record = state.balances[(account, currency)]
        state.balances.put((account, currency), msgspec.structs.replace(record, credits=record.credits + added))


def test_a_token_of_which_the_house_has_nothing_is_not_sold() -> None:
    """Before: the bid was accepted, used its nonce, and its receipt said that 0 units were sold."""
    world = recovery_world(DISPOSAL, weth=20)
    world.deposit(CAROL, WETH_1, 1)
    world.fall(INSOLVENT)
    world.prices(300_000)
    world.until_ended()
    world.block()
    move(world.state, token_currency(WETH_1), HOUSE, CAROL, world.weth(HOUSE))
    assert world.refusals(world.inventory_bid(CAROL, 10**6, 200, asset=WETH_1)) == [C.NO_INVENTORY_SALE]
    assert not world.every(InventorySold)


def assessed() -> World:
    """The house took 40 BTC of Alice's over; the survivors have been called for assessments."""
    world = recovery_world(DISPOSAL)
    world.fall(INSOLVENT)
    world.prices(300_000)
    while not world.every(InventoryOffered):
        world.block()
    return world


def test_who_buys_of_the_house_keeps_its_assessment() -> None:
    """Before: Carol bought lots for all her free money, and her assessment was paid on credit."""
    world = assessed()
    owed = outstanding_assessment(world.state, CAROL)
    per_lot = world.state.marks[BTC_PERP].ticks * 10 // 5
    assert owed > 2 * per_lot
    assert not world.refusals(world.withdrawal(CAROL, USDC_1, world.cash(CAROL) - 1_000 * DOLLAR - owed))
    carries = (1_000 * DOLLAR + owed) // per_lot
    assert carries < world.lots(HOUSE, BTC_PERP)
    too_many = world.inventory_bid(CAROL, carries, instrument=BTC_PERP)
    assert world.refusals(too_many) == [C.COLLATERAL_NEEDED_FOR_MARGIN]
    assert outstanding_assessment(world.state, CAROL) == owed
    assert not world.refusals(world.inventory_bid(CAROL, 1_000 * DOLLAR // per_lot, instrument=BTC_PERP))


def test_a_discount_brings_no_balance_beyond_the_limit() -> None:
    """Before: a purchase was the one trade that could bring cash beyond half of what the ledger counts."""
    world = principal_world(HouseTerms(disposal_blocks=5, disposal_end_ppm=20_000))
    world.prices(FALLEN)
    world.block()
    move(world.state, USD, HOUSE, CAROL, BALANCE_MAX - world.cash(CAROL))
    bid = world.inventory_bid(CAROL, 100, instrument=BTC_PERP)
    assert world.refusals(bid) == [C.BALANCE_LIMIT]
    move(world.state, USD, CAROL, HOUSE, 100 * DOLLAR)
    assert not world.refusals(world.inventory_bid(CAROL, 100, instrument=BTC_PERP))
