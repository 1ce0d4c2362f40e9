"""Replaying a block log from genesis, and blocks on a state that was read from its export."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from clearing.apply_block import apply_block
from clearing.base.ids import Hash32
from clearing.initial_state import initial_state
from clearing.schema.blocks.block import BlockInput
from clearing.schema.terms.genesis import Genesis
from tests.kit.clearing.world import World


def replay(
    genesis: Genesis, state_salt: bytes, blocks: Iterable[BlockInput]
) -> Iterator[tuple[int, tuple[Hash32, ...]]]:
    """Apply a block log from genesis and yield (height, module roots) after each block. Raises as `apply_block`."""
    state = initial_state(genesis, state_salt)
    for block in blocks:
        fork, result = apply_block(state, block)
        yield result.height, fork.module_roots()
        state = fork.absorb()


@contextmanager
def same_after_restart(world: World) -> Iterator[None]:
    """What is done inside comes to the same on the state that was read from the export before it."""
    copy, first = world.restored(), len(world.blocks)
    yield
    world.check_replay(copy, first)
