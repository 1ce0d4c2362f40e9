"""What a member cannot pay of its assessment is lost again. The others keep for that, too, from the beginning on.

Before the rule a member kept its own part only. Bob had paid his contribution and had nothing else: his assessment was
a second loss a few blocks later, and Carol had withdrawn meanwhile. She owed 1,169 dollars in the end.
"""

import msgspec
import pytest

from clearing.context.unresolved_losses import defaults_under_way
from clearing.schema.receipts.default import AssessmentTaken, DefaultDeclared
from clearing.withdrawals.foreseen_assessments import foreseen_assessment
from tests.kit.clearing.defaults import TERMS, default_genesis
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BTC_PERP, CAROL, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.world import World, codes

CAROLS, BOBS = 3, 2
FALLEN = 553_000
HELD = msgspec.structs.replace(TERMS, hold_assessments=True, assessment_ppm=10_000_000, replenishment_blocks=0)


def declared(bob: int = 0, assessment_blocks: int = 3, house: int = 500) -> World:
    """Alice's 17.5 BTC have lost 41,475 dollars of 30,465. Bob, Carol and Dave have contributed 1,000 dollars each."""
    terms = msgspec.structs.replace(HELD, assessment_blocks=assessment_blocks, porting_blocks=0)
    world = World(default_genesis(terms), fresh=True)
    world.prices(790_000)
    world.bring(house=house, alice=1_000, bob=1_000, carol=101_000, dave=401_000)
    world.fund_paid_in()
    world.bring(alice=30_465, **({"bob": bob} if bob else {}))
    assert not world.refusals(world.perp_trade(ALICE, DAVE, 17_500))
    world.fall(FALLEN)
    return world


def leave(world: World, account: int) -> None:
    """Withdraw all that the account may, to a dollar."""
    low, high = 0, max(world.cash(account), 0) // DOLLAR
    while low < high:
        middle = (low + high + 1) // 2
        refused = codes(world.fork_with(world.make_block([world.withdrawal(account, USDC_1, middle * DOLLAR)])))
        low, high = (low, middle - 1) if refused else (middle, high)
    if low:
        assert not world.refusals(world.withdrawal(account, USDC_1, low * DOLLAR))


def assessed(world: World, member: int) -> list[int]:
    return [each.micros for each in world.every(AssessmentTaken) if each.member == member]


@pytest.mark.parametrize("every", [1, 2, 3, 5])
@pytest.mark.parametrize("assessment_blocks", [1, 3, 6])
def test_who_leaves_whenever_it_may_pays_its_part_of_what_another_cannot_pay(
    every: int, assessment_blocks: int
) -> None:
    world = declared(assessment_blocks=assessment_blocks)
    quiet = 0
    while quiet < 4:
        if world.state.now.height % every == 0:
            leave(world, CAROL)
        world.block()
        quiet = 0 if defaults_under_way(world.state) else quiet + 1
    assert [each.member for each in world.every(DefaultDeclared)] == [1, BOBS]
    assert len(assessed(world, CAROLS)) == 2
    assert world.cash(CAROL) >= 0


def test_what_was_foreseen_at_the_declaration_is_all_that_was_assessed_at_the_same_price() -> None:
    """Both rounds, but for what the worst price would have cost more."""
    world = declared()
    foreseen = foreseen_assessment(world.context(), CAROLS)
    world.until_ended()
    for _ in range(3):
        world.block()
    world.until_ended(2)
    assert sum(assessed(world, CAROLS)) <= foreseen


def test_a_member_that_can_pay_leaves_the_others_their_own_part() -> None:
    """Of the same loss, a third instead of a half."""
    poor, rich = (foreseen_assessment(declared(bob).context(), CAROLS) for bob in (0, 90_000))
    assert poor == rich == 10_000 * DOLLAR, "the worst price reaches the cap"
    poor_world, rich_world = declared(), declared(90_000)
    for world in (poor_world, rich_world):
        while not world.state.defaults[1].assessed:
            world.block()
    poor, rich = (foreseen_assessment(world.context(), CAROLS) for world in (poor_world, rich_world))
    assert rich == 0
    bobs = dict(poor_world.state.defaults[1].assessed)[BOBS]
    # The house has nothing left, and Bob's contribution is used up: Carol and Dave share his assessment.
    assert poor == -(-bobs // 2)


def test_nothing_is_kept_any_more_once_all_is_borne() -> None:
    world = declared()
    for number in (1, 2):
        world.until_ended(number)
        for _ in range(3):
            world.block()
    assert not defaults_under_way(world.state)
    assert foreseen_assessment(world.context(), CAROLS) == 0


def test_the_house_counts_without_what_its_inventory_may_cost() -> None:
    """It took Alice's portfolio over, and may lose its capital with it before the second default."""
    with_capital = declared(house=20_000)
    while not with_capital.state.defaults[1].assessed:
        with_capital.block()
    assert with_capital.lots(HOUSE, BTC_PERP) == 17_500
    bobs = dict(with_capital.state.defaults[1].assessed)[BOBS]
    assert foreseen_assessment(with_capital.context(), CAROLS) == -(-bobs // 2)
