"""Vaults that lack some of a token: what they count, and a world whose epoch closes meanwhile."""

import msgspec

from clearing.base.codec import u256
from clearing.schema.facts import CustodySeen
from clearing.schema.terms.genesis import Genesis
from tests.kit.clearing.genesis import CAROL, WETH_1, make_genesis
from tests.kit.clearing.world import World, funded


def counters_without(world: World, asset: int, missing: int, block_number: int = 400) -> tuple[CustodySeen, ...]:
    """What all vaults count where one lacks so many base units of this asset."""
    return tuple(
        msgspec.structs.replace(fact, balance=u256(int.from_bytes(fact.deposited, "big") - missing))
        if listed.id == asset
        else fact
        for fact, listed in zip(world.custody_facts(block_number), world.genesis.assets, strict=True)
    )


def short_epoch(missing: int, asset: int = WETH_1, genesis: Genesis | None = None) -> World:
    """A world past an epoch's boundary, with 1,000 units of collateral, in the block of the counters."""
    world = funded(genesis=genesis or make_genesis())
    world.deposit(CAROL, WETH_1, 1_000)
    while world.state.now.height < world.state.terms.market.epoch_blocks:
        world.prices(790_000)
    world.block(facts=counters_without(world, asset, missing))
    return world
