"""What members may be assessed is foreseen without money that bears other losses, however many defaults are open.

Before the rule the contribution of a second defaulter counted for the loss of the first, though it bears only its own
as long as that default is open, and the house's cash counted once for each default. Carol withdrew what was not
foreseen: she was assessed 10,060 dollars, had kept 5,920, and owed 4,140 in the end.
"""

import msgspec
import pytest

from clearing.context.unresolved_losses import defaults_under_way
from clearing.schema.receipts.default import AssessmentTaken
from clearing.schema.receipts.default_fund import FundDrawn
from clearing.withdrawals.foreseen_assessments import foreseen_assessment
from tests.kit.clearing.defaults import TERMS, default_genesis
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, USDC_1
from tests.kit.clearing.world import World

HELD = msgspec.structs.replace(TERMS, hold_assessments=True, assessment_ppm=1_000_000, assessment_blocks=6)
INTO_FUND = 20_000
"""Dollars that every member contributes."""
RISEN = 1_106_000
"""Ticks at which both are in default. The worst price of a short position is twice this."""


def two_defaults(alices: int, bobs: int, house: int) -> World:
    """Alice and Bob are short so many lots against Dave, with 23 % and a quarter of it, and both are in default."""
    fund = msgspec.structs.replace(FUND, minimum_micros=INTO_FUND * DOLLAR)
    world = World(default_genesis(HELD, fund), fresh=True)
    world.prices(790_000)
    world.bring(house=house, alice=INTO_FUND, bob=INTO_FUND, carol=INTO_FUND + 100_000, dave=INTO_FUND + 200_000)
    world.fund_paid_in()
    world.bring(alice=alices * 79 // 100 * 23 // 100 * 10, bob=bobs * 2)
    assert not world.refusals(world.perp_trade(DAVE, ALICE, alices), world.perp_trade(DAVE, BOB, bobs))
    world.fall(RISEN, 2)
    assert {default.member for _, default in defaults_under_way(world.state)} == {1, 2}
    return world


@pytest.mark.parametrize("house", [0, 500, 10_000])
@pytest.mark.parametrize(("alices", "bobs"), [(5_000, 1_000), (6_500, 1_000), (8_000, 1_000), (5_500, 3_000)])
def test_what_a_member_is_assessed_in_two_defaults_was_foreseen_and_kept(alices: int, bobs: int, house: int) -> None:
    """Up to the worst price. With 5.5 and 3 BTC both losses reach the house's capital of 500 dollars for each.

    What Bob's own default leaves of his contribution bears Alice's loss, too, but nobody knows that before: half of it
    Carol kept and was not assessed.
    """
    world = two_defaults(alices, bobs, house)
    foreseen = foreseen_assessment(world.context(), 3)
    assert not world.refusals(world.withdrawal(CAROL, USDC_1, world.cash(CAROL) - foreseen))
    for ticks in (RISEN * 7 // 5, RISEN * 2):
        world.prices(ticks)
    while defaults_under_way(world.state):
        world.block()
    taken = sum(each.micros for each in world.every(AssessmentTaken) if each.member == 3)
    left = sum(each.micros for each in world.every(FundDrawn) if (each.member, each.cause) == (2, 1))
    assert foreseen - left // 2 - 2 <= taken <= foreseen
    assert world.cash(CAROL) >= 0
