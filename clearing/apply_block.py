"""The rulebook, top to bottom: `apply_block(state, block) -> (state, result)`.

Rule: pure and total. Every well-formed block has exactly one outcome, the same in every replica; the given state is
never changed. It must not know how blocks are agreed on or where collateral is seen.
"""

from clearing.blocks import Block, BlockResult
from clearing.state import State


def apply_block(state: State, block: Block) -> tuple[State, BlockResult]:
    """Apply one block to a fork of `state`.

    Cost is proportional to what the block touches. Raises RemoteFault BAD_BLOCK when the block's structure is wrong,
    LocalFault STALE_FORK when `state` was overtaken, Bug when an invariant does not hold.
    """
    raise NotImplementedError
