"""After its own default the house gains nothing on tokens whose fall others have paid.

Its default leaves it with tokens against as much negative cash. Whenever they fall, another default makes members pay
the difference; whenever they rise, the house keeps it.
"""

from clearing.schema.terms.house import HouseTerms
from tests.kit.clearing.defaults import default_genesis, default_world
from tests.kit.clearing.genesis import BOB, HOUSE, WETH_1
from tests.kit.clearing.housed import house_value, with_house


def test_the_house_is_not_worth_more_after_others_paid_for_the_fall_of_its_tokens() -> None:
    terms = HouseTerms(own_default=True, recovery_blocks=20)
    world = default_world(genesis=with_house(default_genesis(), terms))
    world.bring(alice=100_000, bob=200_000)
    world.fund_paid_in()
    world.deposit(HOUSE, WETH_1, 10 * 10**6)
    world.block(world.perp_trade(HOUSE, BOB, 45_000))
    world.prices(555_000)
    world.prices(400_000)
    world.until_ended()
    before = house_value(world)
    world.prices(400_000, 14_000)
    world.wait(5)
    world.prices(400_000, 19_000)
    world.prices(400_000, 20_000)
    world.wait(25)
    assert house_value(world) <= before
