"""Collateral behind the guard against a token that leaves its peg."""

from typing import Any

import msgspec

from clearing.schema.blocks.block import BlockResult
from clearing.schema.terms.collateral import DepegTerms
from clearing.schema.terms.genesis import Genesis
from tests.kit.clearing.vaults import DEPEG, USDC_FEED, genesis_with, opened
from tests.kit.clearing.world import World

ONLY_FIRST = msgspec.structs.replace(DEPEG, halt_ms=20_000)


def guarded(**changes: Any) -> World:
    return opened(guarded_genesis(), **changes)


def guarded_genesis() -> Genesis:
    """Of the two cash tokens the first has a guard."""
    genesis = genesis_with(depeg=ONLY_FIRST)
    first, second, *others = genesis.assets
    free = msgspec.structs.replace(second, depeg=DepegTerms())
    return msgspec.structs.replace(genesis, assets=(first, free, *others))


def leave(world: World) -> BlockResult:
    """Blocks beyond the band until the token has left; the last of them."""
    world.ticks[USDC_FEED] = 900_000
    return [world.block() for _ in range(DEPEG.blocks)][-1]
