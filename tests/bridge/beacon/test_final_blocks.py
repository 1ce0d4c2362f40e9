"""Proven final blocks are of one chain: whatever breaks that is proof of two."""

import pytest

from bridge.beacon.final_blocks import BLOCKS_MAX, FinalBlock, FinalBlocks
from bridge.codes import BridgeCode
from tests.kit.refusals import refused


def block(slot: int, number: int, branch: int = 0) -> FinalBlock:
    return FinalBlock(slot, bytes([branch]) * 31 + bytes([slot % 256]), number, bytes([branch]) * 32)


KNOWN = FinalBlocks().added(block(32, 20)).added(block(96, 70))


@pytest.mark.parametrize(
    "other",
    [block(96, 70, branch=1), block(96, 71), block(97, 70), block(97, 69), block(95, 71), block(31, 20), block(33, 20)],
    ids=str,
)
def test_a_block_that_cannot_be_of_the_same_chain_is_a_conflict(other: FinalBlock) -> None:
    with refused(BridgeCode.LIGHT_CLIENT_CONFLICT):
        KNOWN.added(other)


def test_a_block_between_or_before_others_is_put_in_its_place() -> None:
    more = KNOWN.added(block(64, 45)).added(block(0, 1)).added(block(64, 45))
    assert [each.number for each in more.blocks] == [1, 20, 45, 70]
    assert (more.hash_at(45), more.hash_at(46)) == (bytes(32), None)
    assert (more.newest_within(0, 69), more.newest_within(46, 69)) == (45, None)
    assert (more.oldest_from(21), more.oldest_from(71)) == (45, None)


def test_the_oldest_blocks_are_dropped() -> None:
    blocks = FinalBlocks()
    for slot in range(BLOCKS_MAX + 3):
        blocks = blocks.added(block(slot, slot))
    assert (len(blocks.blocks), blocks.blocks[0].slot) == (BLOCKS_MAX, 3)
