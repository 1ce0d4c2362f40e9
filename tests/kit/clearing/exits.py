"""Books closed out to cash, and the tree of exits over them."""

from collections import Counter

from clearing.epochs.exit_close_out import close_out
from clearing.schema.blocks.block import BlockResult
from clearing.state.state import State
from tests.kit.clearing.world import World


def closed(world: World) -> BlockResult:
    """Go on until an epoch closes; the result of that block."""
    world.block(facts=world.custody_facts(400))
    result = world.results[-1]
    while not result.snapshot_due:
        result = world.prices(790_000)
    return result


def promised_at_exit(state: State) -> Counter[int]:
    """Token base units by asset that all are promised together; nobody is promised nothing."""
    promised = Counter[int]()
    for payout in close_out(state):
        assert payout.amount > 0, payout
        promised[payout.asset] += payout.amount
    return promised
