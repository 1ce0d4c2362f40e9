"""Books closed out to cash, and the tree of exits over them."""

from clearing.schema.blocks.block import BlockResult
from tests.kit.clearing.world import (
    World,
)


def closed(world: World) -> BlockResult:
    """Go on until an epoch closes; the result of that block."""
    world.block(facts=world.custody_facts(400))
    result = world.results[-1]
    while not result.snapshot_due:
        result = world.prices(790_000)
    return result
