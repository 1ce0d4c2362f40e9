"""Nobody leaves in the block of the price that makes another member insolvent: its default is declared at the end.

Before the rule Bob, without positions, left in that block. He was assessed nothing, and took out 1,366 dollars that
Carol and Dave were assessed beyond their own shares.
"""

import msgspec

from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import AssessmentTaken
from clearing.schema.records.default import MemberStatus
from tests.kit.clearing.attackers import attack_world
from tests.kit.clearing.defaults import TERMS, default_genesis
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC, DOLLAR, ETH
from tests.kit.clearing.world import World, codes

HELD = msgspec.structs.replace(TERMS, hold_assessments=True, assessment_ppm=10_000_000, assessment_blocks=6)
ETHER = 20_000


def before_the_fall() -> World:
    """Alice is long 4 BTC against Dave; she loses 11,600 dollars in a fall to 5,000.00, and has 8,000."""
    world = attack_world(default_genesis(HELD))
    world.bring(alice=7_000)
    assert not world.refusals(world.perp_trade(ALICE, DAVE, 4_000))
    return world


def assessed(world: World) -> dict[int, int]:
    """Dollars by member, rounded down, after a further fall."""
    world.prices(400_000)
    world.until_ended()
    return {each.member: each.micros // DOLLAR for each in world.every(AssessmentTaken)}


def test_who_leaves_in_the_block_of_the_price_is_refused_and_assessed_as_if_it_had_not_tried() -> None:
    stays, leaves = before_the_fall(), before_the_fall()
    fallen = ((BTC, 500_000), (ETH, ETHER))
    stays.block(prices=fallen)
    assert codes(leaves.block(leaves.member_exit(BOB, 2), prices=fallen)) == [ClearingCode.CANNOT_LEAVE]
    assert leaves.status(2) is MemberStatus.ACTIVE
    assert assessed(leaves) == assessed(stays) == dict.fromkeys((2, 3, 4), 1_366)
    assert leaves.cash(BOB) == stays.cash(BOB)


def test_a_member_leaves_in_the_block_of_a_price_that_makes_nobody_insolvent() -> None:
    world = before_the_fall()
    assert not codes(world.block(world.member_exit(BOB, 2), prices=((BTC, 700_000), (ETH, ETHER))))
    assert world.status(2) is MemberStatus.LEFT
