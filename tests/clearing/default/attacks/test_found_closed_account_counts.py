"""Money that left a closed account does not count twice for what the default fund need not cover."""

from clearing.schema.codes import ClearingCode
from tests.kit.clearing.attackers import attack_genesis, attack_world
from tests.kit.clearing.genesis import ALICE, BOB


def test_an_account_closed_in_the_same_block_covers_no_growth() -> None:
    """Alice has 61,000 dollars. Trade, move, close and trade in one block allowed her 200 BTC, not 130."""
    world = attack_world(attack_genesis(growth=True))
    other = world.open_account(ALICE)
    world.pay_in(other, 60_000)
    world.pay_in(ALICE, 1_000)
    refused = world.refusals(
        world.perp_trade(other, BOB, 1),
        world.perp_trade(BOB, other, 1),
        world.transfer(other, ALICE, world.cash(other)),
        world.closing(other),
        world.perp_trade(ALICE, BOB, 20_000),
    )
    assert refused == [ClearingCode.STRESS_NOT_COVERED]
