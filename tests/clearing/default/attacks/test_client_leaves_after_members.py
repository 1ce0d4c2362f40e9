"""A client of a defaulter may withdraw its free money after the members have withdrawn theirs. They keep for that, too.

Before the rule the free money of Alice's client covered its position at the worst price, so Carol kept 2,240 dollars.
Then the client withdrew 173,140. Carol was assessed 6,087, of which others had to bear 3,847.
"""

import msgspec
import pytest

from clearing.context.unresolved_losses import defaults_under_way
from clearing.schema.receipts.default import AssessmentTaken
from clearing.withdrawals.foreseen_assessments import foreseen_assessment, worst_loss
from tests.kit.clearing.defaults import CLIENT_SECRET, TERMS, default_genesis
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BTC_PERP, CAROL, DOLLAR, USDC_1
from tests.kit.clearing.world import World, codes

HELD = msgspec.structs.replace(TERMS, hold_assessments=True, assessment_ppm=10_000_000, assessment_blocks=6)
CAROLS, LOTS, DECLARED = 3, 5_000, 1_106_000
"""Carol's member; the client's short lots; ticks at which Alice is in default."""


def declared(client: int = KEYED_CLIENT, dollars: int = 200_000) -> World:
    """Alice is in default for a short BTC. Her client is short 5 BTC, with so many dollars."""
    world = World(default_genesis(HELD), fresh=True)
    world.prices(790_000)
    world.bring(house=500, alice=1_000, bob=1_000, carol=101_000, dave=201_000)
    world.fund_paid_in()
    world.pay_in(ALICE, 3_000)
    world.pay_in(client, dollars)
    assert not world.refusals(world.perp_trade(DAVE, ALICE, 1_000))
    assert not world.refusals(world.trade(DAVE, client, BTC_PERP, LOTS, 790_000))
    world.fall(DECLARED)
    return world


def leave(world: World, account: int, key: bytes | None = None) -> int:
    """Withdraw all that the account may; dollars."""
    low, high = 0, world.cash(account) // DOLLAR
    while low < high:
        middle = (low + high + 1) // 2
        asked = world.withdrawal(account, USDC_1, middle * DOLLAR, key=key)
        refused = codes(world.fork_with(world.make_block([asked])))
        low, high = (low, middle - 1) if refused else (middle, high)
    assert not low or not world.refusals(world.withdrawal(account, USDC_1, low * DOLLAR, key=key))
    return low


def after_the_worst(world: World) -> World:
    for ticks in (DECLARED * 7 // 5, DECLARED * 2):
        world.prices(ticks)
    while defaults_under_way(world.state):
        world.block()
    return world


@pytest.mark.parametrize("first", [CAROL, KEYED_CLIENT])
def test_whoever_leaves_first_a_member_pays_what_it_is_assessed(first: int) -> None:
    world = declared()
    for account in (first, CAROL + KEYED_CLIENT - first):
        leave(world, account, CLIENT_SECRET if account == KEYED_CLIENT else None)
    assert sum(each.micros for each in after_the_worst(world).every(AssessmentTaken)) > 10_000 * DOLLAR
    assert world.cash(CAROL) >= 0


@pytest.mark.parametrize("dollars", [30_000, 50_000, 200_000])
def test_a_withdrawal_of_a_client_makes_nobody_keep_more(dollars: int) -> None:
    """What it may withdraw was foreseen."""
    world = declared(dollars=dollars)
    ((_, default),) = defaults_under_way(world.state)
    before = worst_loss(world.context(), default), foreseen_assessment(world.context(), CAROLS)
    assert leave(world, KEYED_CLIENT, CLIENT_SECRET)
    assert before == (worst_loss(world.context(), default), foreseen_assessment(world.context(), CAROLS))


def test_money_of_a_client_without_a_key_stays_and_counts_for_its_position() -> None:
    """Nobody can sign for it while its member is in default. Of 6,720 dollars Bob, who has none, can pay nothing."""
    keyed, other = declared(), declared(ALICE_CLIENT)
    assert foreseen_assessment(keyed.context(), CAROLS) == 10_000 * DOLLAR
    assert foreseen_assessment(other.context(), CAROLS) == 3_360 * DOLLAR


def test_what_was_kept_is_free_when_the_default_has_ended() -> None:
    """Nothing more was lost: Carol may take out all that is hers."""
    world = declared()
    assert leave(world, CAROL) == 90_000
    while defaults_under_way(world.state):
        world.block()
    assert leave(world, CAROL) == 10_000
