"""What a member buys of the house's inventory is growth of its stress exposure, as in a trade.

Before the rule Alice bought of the house the 6.3 BTC that a trade refused her, with her friend Dave on the other side.
After a fall to 5,150.00 she walked away, and the two had 4,825 dollars more than they had brought.
"""

import pytest

from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.house import InventorySold
from clearing.schema.terms.house import HouseTerms
from tests.kit.clearing.attackers import Attack, attack_genesis, attack_world
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, HOUSE
from tests.kit.clearing.housed import with_house
from tests.kit.clearing.world import World

LOTS = 6_300
SOLD = HouseTerms(disposal_blocks=12, recovery_blocks=40, own_default=True)


def offered(*, growth: bool = True) -> tuple[World, Attack]:
    """Dave is short 6.3 BTC against the house, which offers them. Alice has 10,500 dollars."""
    world = attack_world(with_house(attack_genesis(growth=growth), SOLD))
    world.bring(house=100_000)
    attack = Attack(world, ALICE, DAVE, members=(1, 4))
    attack.bring(10_500, 0)
    if growth:
        assert world.refusals(world.perp_trade(ALICE, DAVE, LOTS)) == [ClearingCode.STRESS_NOT_COVERED]
    assert not world.refusals(world.perp_trade(HOUSE, DAVE, LOTS))
    world.block()
    return world, attack


def test_inventory_beyond_what_the_fund_was_sized_for_is_not_sold() -> None:
    world, attack = offered()
    others = {account: world.cash(account) for account in (BOB, CAROL)}
    bid = world.inventory_bid(ALICE, LOTS, instrument=BTC_PERP)
    assert world.refusals(bid) == [ClearingCode.STRESS_NOT_COVERED]
    assert not world.every(InventorySold)
    attack.fall(515_000)
    assert {account: world.cash(account) for account in others} == others


def test_inventory_that_the_buyer_covers_in_every_scenario_is_sold() -> None:
    """3 BTC lose 14,220 dollars in the crash of 60 %. Alice brings what is missing, to the dollar."""
    world, _ = offered()
    bid = world.inventory_bid(ALICE, 3_000, instrument=BTC_PERP)
    assert world.refusals(bid) == [ClearingCode.STRESS_NOT_COVERED]
    world.pay_in(ALICE, 14_220 - 10_500 - 1)
    assert world.refusals(world.inventory_bid(ALICE, 3_000, instrument=BTC_PERP)) == [ClearingCode.STRESS_NOT_COVERED]
    world.pay_in(ALICE, 1)
    assert not world.refusals(world.inventory_bid(ALICE, 3_000, instrument=BTC_PERP))
    assert world.lots(ALICE, BTC_PERP) == 3_000


@pytest.mark.parametrize("lots", [3_000, LOTS])
def test_where_growth_is_not_covered_inventory_is_sold_as_before(lots: int) -> None:
    world, _ = offered(growth=False)
    assert not world.refusals(world.inventory_bid(ALICE, lots, instrument=BTC_PERP))
    assert world.lots(ALICE, BTC_PERP) == lots
