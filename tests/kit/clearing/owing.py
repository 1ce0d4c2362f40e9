"""A member that owes cash it has collateral for."""

from typing import Any

from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, DOLLAR, USDC_1
from tests.kit.clearing.vaults import genesis_with, opened
from tests.kit.clearing.world import World


def owing(dollars: int = 1_500, lots: int = 1_000, **terms: Any) -> World:
    """Alice has 50 WETH and owes so many dollars; she may owe 1,000."""
    world = opened(genesis_with(**terms), dollars=20_000)
    world.block(world.withdrawal(ALICE, USDC_1, world.cash(ALICE) - 100 * DOLLAR))
    world.block(world.trade(ALICE, BOB, BTC_PERP, lots, 790_000))
    lost = (dollars + 100) * DOLLAR // (lots * 10)
    world.ticks[BTC] = 790_000 - lost
    world.block()
    return world
