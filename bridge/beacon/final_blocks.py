"""`FinalBlocks`: the blocks that the light client proved final, and whether a new one contradicts them.

Rule: final blocks are of one chain: a later slot has a greater number of the execution block, and one slot has one
block. Two proven blocks that break this are proof that two thirds of a committee signed two branches.
"""

from typing import Annotated

import msgspec

from bridge.beacon.containers import LightHeader
from bridge.codes import BridgeCode
from clearing.base.codec import U63, Bytes32, Wire
from clearing.base.errors import RemoteFault

BLOCKS_MAX = 512
"""Two days of one block an epoch."""


class FinalBlock(Wire, frozen=True):
    """One proven block: of the beacon chain, and the execution block in it."""

    slot: U63
    root: Bytes32
    number: U63
    hash: Bytes32


def final_block(header: LightHeader) -> FinalBlock:
    """The block of a header whose execution header is proven."""
    execution = header.execution
    return FinalBlock(header.beacon.slot, header.beacon.root, execution.block_number, execution.block_hash)


class FinalBlocks(Wire, frozen=True):
    """The newest proven blocks, ascending by slot."""

    blocks: Annotated[tuple[FinalBlock, ...], msgspec.Meta(max_length=BLOCKS_MAX)] = ()

    def added(self, block: FinalBlock) -> "FinalBlocks":
        """With one more block, which may be older than others. Raises RemoteFault LIGHT_CLIENT_CONFLICT."""
        for known in self.blocks:
            if known == block:
                return self
            in_order = (known.slot < block.slot) == (known.number < block.number) and known.slot != block.slot
            if not in_order or known.number == block.number:
                raise RemoteFault(
                    BridgeCode.LIGHT_CLIENT_CONFLICT,
                    "final headers",
                    slot=block.slot,
                    root=block.root,
                    number=block.number,
                    proven_slot=known.slot,
                    proven_root=known.root,
                    proven_number=known.number,
                )
        ordered = sorted((*self.blocks, block), key=lambda each: each.slot)
        return FinalBlocks(tuple(ordered[-BLOCKS_MAX:]))

    def hash_at(self, number: int) -> bytes | None:
        """The hash of an execution block, if it is one of those proven."""
        return next((block.hash for block in self.blocks if block.number == number), None)

    def oldest_from(self, number: int) -> int | None:
        """The lowest number of a proven execution block from `number` on."""
        return min((block.number for block in self.blocks if block.number >= number), default=None)

    def newest_within(self, first: int, last: int) -> int | None:
        """The highest number of a proven execution block from `first` to `last`."""
        return max((block.number for block in self.blocks if first <= block.number <= last), default=None)
