"""Who withdraws in the block of the price that ruins the house leaves its share of what the house owes.

The search for profits of colluders found it: the house's default is declared at the end of that block, and until then
nothing was reserved. A member that took out all its cash in that block was assessed, and others paid for it.
"""

import msgspec
import pytest

from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import DefaultDeclared
from clearing.schema.terms.house import HouseTerms
from clearing.schema.terms.withdrawals import WithdrawalControlTerms
from tests.kit.clearing.defaults import default_genesis, default_world
from tests.kit.clearing.genesis import BOB, BTC, CAROL, DOLLAR, ETH, HOUSE, USDC_1
from tests.kit.clearing.housed import with_house
from tests.kit.clearing.world import World


def before_the_fall(*, own_default: bool = True) -> World:
    """The house is long 30 BTC against Bob; nothing is wrong yet."""
    genesis = with_house(default_genesis(), HouseTerms(own_default=own_default))
    gates = WithdrawalControlTerms(deficit_reserve=True)
    world = default_world(
        genesis=msgspec.structs.replace(genesis, crisis=msgspec.structs.replace(genesis.crisis, gates=gates))
    )
    world.bring(alice=100_000, bob=200_000)
    world.fund_paid_in()
    world.block(world.perp_trade(HOUSE, BOB, 30_000))
    world.prices(600_000)
    assert not world.every(DefaultDeclared)
    return world


def takes_all_but(world: World, micros: int, ticks: int = 400_000) -> list[int]:
    """Codes with which Carol's withdrawal of all but so much in the block of this price is refused."""
    request = world.withdrawal(CAROL, USDC_1, world.cash(CAROL) - micros)
    return world.refused(request, prices=((BTC, ticks), (ETH, 20_000)))


def takes_all(world: World, ticks: int = 400_000) -> list[int]:
    return takes_all_but(world, 0, ticks)


def test_a_withdrawal_in_the_block_of_the_price_leaves_its_share_of_what_the_house_lacks() -> None:
    world = before_the_fall()
    assert takes_all(world) == [ClearingCode.DEFICIT_RESERVE]
    assert [each.member for each in world.every(DefaultDeclared)] == [0]


def test_it_leaves_no_more_than_its_share() -> None:
    """The house lacks 17,000 dollars; Carol has a ninth of all that is owed to anybody, or less."""
    world = before_the_fall()
    assert 30_000 * 10 * (790_000 - 400_000) - 100_000 * DOLLAR == 17_000 * DOLLAR
    assert takes_all_but(before_the_fall(), 1_000 * DOLLAR) == [ClearingCode.DEFICIT_RESERVE]
    assert takes_all_but(world, 2_500 * DOLLAR) == []


def test_a_house_that_still_has_equity_reserves_nothing() -> None:
    assert takes_all(before_the_fall(), 580_000) == []


@pytest.mark.parametrize("own_default", [False, True])
def test_the_switch_makes_the_difference(own_default: bool) -> None:
    assert bool(takes_all(before_the_fall(own_default=own_default))) is own_default


def test_what_a_default_of_the_house_left_unpaid_is_reserved_no_more() -> None:
    world = before_the_fall()
    world.prices(400_000)
    world.until_ended()
    world.wait(5)
    assert not world.refusals(world.withdrawal(CAROL, USDC_1, world.cash(CAROL) // 2))
