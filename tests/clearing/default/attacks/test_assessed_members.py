"""Who may be assessed cannot leave first: from the declaration of a default on, it keeps what it may have to bear.

Alice's default costs 148,200 dollars, more than all contributions. Bob, who gained from her, closes his position
against a friend as soon as her default is declared, and takes out all he can. Before the rule he and his friend had
80,168 dollars more in the end than if he had stayed, which he was assessed and others bore (`outcome` with and without
`hold`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest

from clearing.governance.immutable_fields import check_immutable
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.default import AssessmentTaken
from clearing.schema.records.default import MemberStatus
from clearing.schema.terms.genesis import AccountKind
from clearing.state.holdings import current_holdings
from clearing.state.ledger import token_currency
from clearing.withdrawals.deficit_reserve import gains_reserve, keeps_committed
from clearing.withdrawals.foreseen_assessments import foreseen_assessment, liable_micros, worst_loss
from tests.kit.clearing.defaults import TERMS, default_genesis, default_world, with_fund
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import (
    ALICE,
    BOB,
    BTC,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH,
    USD,
    USDC_1,
    WETH_1,
)
from tests.kit.clearing.world import World, codes, of_all

WETH_MICROS = 200 * DOLLAR
"""What a unit of a thousandth of WETH is worth at most."""


@dataclass(frozen=True)
class Story:
    """Alice is in default; Bob has a client and a second account of his own, and 300,000 dollars more than he needs."""

    world: World
    client: int
    second: int


def declared(hold: bool = True, assessment_ppm: int = 1_000_000) -> Story:
    terms = {"assessment_blocks": 6, "hold_assessments": hold, "assessment_ppm": assessment_ppm}
    world = with_fund(msgspec.structs.replace(TERMS, **terms))
    world.bring(bob=300_000)
    world.deposit(CAROL, WETH_1, 10)
    story = Story(world, world.open_account(BOB, AccountKind.CLIENT), world.open_account(BOB))
    world.fall(500_000)
    return story


Way = Callable[[Story, int], Transaction]
"""A request by which so many micros leave Bob's own accounts."""


WAYS: dict[str, Way] = {
    "withdrawal": lambda story, micros: story.world.withdrawal(BOB, USDC_1, micros),
    "his_client": lambda story, micros: story.world.transfer(BOB, story.client, micros),
    "swap": lambda story, micros: story.world.swap(BOB, CAROL, (USD, micros), (token_currency(WETH_1), 1)),
}


def most(story: Story, way: Way, account: int = BOB) -> int:
    """The most micros that this way lets out of Bob's account now."""
    low, high = 0, story.world.cash(account)
    while low < high:
        middle = (low + high + 1) // 2
        refused = codes(story.world.fork_with(story.world.make_block([way(story, middle)])))
        low, high = (low, middle - 1) if refused else (middle, high)
    return low


def ended(world: World) -> None:
    world.prices(310_000)
    world.prices(250_000)
    world.until_ended()


def outcome(hold: bool, takes: bool) -> int:
    """What Bob and his friend Carol have in the end, inside and outside, when every default that follows is over.

    She takes over his position at its mark, so that nothing binds his money any more. Assessments may bear the whole
    loss.
    """
    story = declared(hold, assessment_ppm=3_000_000)
    world = story.world
    assert not world.refusals(world.perp_trade(BOB, CAROL, 40_000, ticks=world.state.marks[BTC_PERP].ticks))
    out = most(story, WAYS["withdrawal"]) if takes else 0
    if out:
        assert not world.refusals(world.withdrawal(BOB, USDC_1, out))
    ended(world)
    world.wait(60)
    return out + sum(world.cash(account) for account in (BOB, story.client, story.second, CAROL))


def test_who_takes_his_money_out_at_the_declaration_is_no_better_off_than_who_stays():
    assert outcome(hold=True, takes=True) <= outcome(hold=True, takes=False)


@pytest.mark.parametrize("name", WAYS)
def test_no_way_out_leaves_less_in_the_account_than_may_be_assessed(name):
    story = declared()
    world, held = story.world, foreseen_assessment(story.world.context(), 2)
    out = most(story, WAYS[name])
    margin = world.margin(BOB)
    spare = margin.equity - margin.initial - out
    reserved = held + gains_reserve(world.context(), BOB)
    assert reserved - WETH_MICROS <= spare <= reserved + WETH_MICROS
    assert not world.refusals(WAYS[name](story, out))
    ended(world)
    (taken,) = [each for each in of_all(world.results, AssessmentTaken) if each.member == 2]
    assert 0 < sum(micros for *_, micros in taken.paid) == taken.micros <= held
    assert min(world.cash(account) for account in (BOB, story.second)) >= 0
    assert world.status(2) is MemberStatus.ACTIVE


def test_money_may_move_to_another_account_of_the_members_own_but_not_out_of_it():
    story = declared()
    world, held = story.world, foreseen_assessment(story.world.context(), 2)
    moved = world.cash(BOB) - world.margin(BOB).initial - 1
    assert not world.refusals(world.transfer(BOB, story.second, moved))
    assert world.refusals(world.withdrawal(story.second, USDC_1, moved - held + 1)) == [C.DEFICIT_RESERVE]
    assert not world.refusals(world.withdrawal(story.second, USDC_1, moved - held))


def test_nothing_is_lost_to_a_friend_in_a_price():
    story = declared()
    world, held = story.world, foreseen_assessment(story.world.context(), 2)
    moved = world.margin(BOB).equity - world.margin(BOB).initial
    assert not world.refusals(world.transfer(BOB, story.second, moved))
    assert not world.refusals(world.withdrawal(story.second, USDC_1, moved - held))
    mark = world.state.marks[BTC_PERP].ticks
    worse = world.perp_trade(CAROL, story.second, 100, ticks=mark - mark // 20)
    assert world.refusals(worse) == [C.COLLATERAL_NEEDED_FOR_MARGIN]
    assert world.margin(story.second).equity == held


def test_lent_money_and_tokens_without_a_price_keep_nothing():
    story = declared()
    world = story.world
    world.deposit(BOB, WETH_1, 10**9)
    context, holdings = world.context(), current_holdings(world.state, BOB)
    spare = world.margin(BOB).equity - world.margin(BOB).initial
    assert keeps_committed(context, holdings, 0, spare)
    assert not keeps_committed(context, holdings, 1, spare)
    world.ticks = {BTC: world.ticks[BTC]}
    before = world.state.feeds[ETH].status
    while world.state.feeds[ETH].status is before:
        world.block(prices=((BTC, world.ticks[BTC]),))
    assert not keeps_committed(world.context(), holdings, 0, spare)


def test_who_closes_its_positions_after_the_declaration_is_assessed_by_what_was_required_of_it_then():
    world = with_fund(msgspec.structs.replace(TERMS, hold_assessments=True))
    world.bring(bob=300_000)
    world.fall(500_000)
    required = dict(world.default().liable)
    assert required[2] == world.state.contributions[2].required > required[3]
    world.state.contributions.put(2, msgspec.structs.replace(world.state.contributions[2], required=required[3]))
    assert liable_micros(world.state, world.default())[2] == required[2]
    ended(world)
    taken = {each.member: each.micros for each in of_all(world.results, AssessmentTaken)}
    assert taken[2] * required[3] > taken[3] * required[2] * 9 // 10


def test_a_default_that_the_fund_surely_covers_holds_nobodys_money():
    world = default_world(msgspec.structs.replace(TERMS, hold_assessments=True, assessment_ppm=3_000_000))
    world.fund_paid_in()
    world.block(world.withdrawal(DAVE, USDC_1, world.cash(DAVE) - 1_000 * DOLLAR))
    world.block(world.perp_trade(DAVE, CAROL, 600))
    world.fall(500_000)
    assert world.default().member == 4
    assert 0 < worst_loss(world.context(), world.default()) < world.fund
    assert foreseen_assessment(world.context(), 3) == 0


def test_the_worst_loss_of_a_default_is_all_that_its_positions_are_worth_beyond_its_money():
    story = declared()
    world = story.world
    worth = 40_000 * world.state.feeds[BTC].ticks * 10
    assert worst_loss(world.context(), world.default()) == worth - world.cash(ALICE)


def test_no_vote_lets_members_leave_before_they_are_assessed():
    with_hold, without = (
        default_genesis(msgspec.structs.replace(TERMS, hold_assessments=hold)) for hold in (True, False)
    )
    refusal = check_immutable(with_hold, without)
    assert refusal is not None
    assert refusal.code is C.AMENDMENT_FROZEN
    assert check_immutable(without, with_hold) is None
