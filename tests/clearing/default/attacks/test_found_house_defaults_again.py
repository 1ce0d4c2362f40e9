"""A house that owes nothing is not in default again, because its default bore more than the loss began with."""

from clearing.context.unresolved_losses import account_deficits
from clearing.schema.receipts.default import DefaultDeclared, DefaultEnded
from clearing.schema.terms.house import HouseTerms
from tests.kit.clearing.defaults import default_genesis, default_world
from tests.kit.clearing.genesis import BOB, HOUSE, WETH_1
from tests.kit.clearing.housed import with_house


def test_a_loss_that_grew_before_the_end_declares_no_default_without_debt() -> None:
    """While assessments are due, the house's ether falls: 540 dollars more are borne, and a default 2 owed nothing."""
    world = default_world(genesis=with_house(default_genesis(), HouseTerms(own_default=True)))
    world.bring(alice=100_000, bob=200_000)
    world.fund_paid_in()
    world.deposit(HOUSE, WETH_1, 10 * 10**6)
    world.block(world.perp_trade(HOUSE, BOB, 45_000))
    world.prices(555_000)
    world.prices(400_000)
    while not world.default().assessed:
        world.block()
    for _ in range(8):
        world.prices(400_000, 14_000)
    assert world.every(DefaultEnded)[0].house == 0
    assert not account_deficits(world.state, (HOUSE,))
    assert [each.number for each in world.every(DefaultDeclared)] == [1]
