"""What is in the default fund can be drawn on while it is there: who has left or failed keeps nothing out of it."""

import msgspec

from clearing.default_fund.contributions import contribution_micros
from clearing.schema.receipts.default_fund import FundCalled, FundDrawn
from clearing.schema.records.default import MemberStatus, MemberStatusRecord
from tests.kit.clearing.defaults import default_world
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, USDC_1
from tests.kit.clearing.world import World, codes, of_kind

SLOW = msgspec.structs.replace(FUND, return_blocks=100)


def about_to_fail() -> World:
    """Alice is short of what a fall of the price will cost her; everybody has paid in."""
    world = default_world(fund=SLOW)
    world.block(world.perp_trade(ALICE, BOB, 60_000))
    world.bring(alice=200_000, bob=200_000)
    world.fund_paid_in()
    left = contribution_micros(world.state, 1)
    assert not codes(world.block(world.withdrawal(ALICE, USDC_1, 200_000 * 10**6 - left, key=world.key_of(ALICE))))
    return world


def drawn_and_called(world: World) -> tuple[dict[int, int], set[int]]:
    """What the default drew of whose part, and who was called for it again."""
    world.fall(560_000)
    world.prices(345_000)
    results = world.until_ended()
    drawn = {each.member: each.micros for result in results for each in of_kind(result, FundDrawn)}
    return drawn, {each.member for result in results for each in of_kind(result, FundCalled) if each.replenishment}


def test_who_leaves_before_a_default_is_declared_pays_like_any_while_its_part_is_there() -> None:
    world = about_to_fail()
    part = contribution_micros(world.state, 4)
    assert not codes(world.block(world.member_exit(DAVE, 4)))
    drawn, called = drawn_and_called(world)
    assert world.status(4) is MemberStatus.LEFT
    assert part > 0
    assert drawn[4] == part - contribution_micros(world.state, 4) > 0
    assert 4 not in called, "it owes no part any more"
    assert 2 in drawn
    assert 2 in called
    assert not world.default().assessed


def test_a_part_that_has_left_is_paid_back_less_what_it_bore() -> None:
    world = about_to_fail()
    assert not codes(world.block(world.member_exit(DAVE, 4)))
    before = world.everything()
    drawn_and_called(world)
    left, cash = contribution_micros(world.state, 4), world.cash(DAVE)
    world.pass_epoch()
    record = world.state.contributions.get(4)
    while record is not None:
        world.block()
        record = world.state.contributions.get(4)
    assert world.cash(DAVE) == cash + left
    assert world.everything() == before


def test_who_fails_on_a_trifle_keeps_nothing_out_of_the_next_default() -> None:
    world = about_to_fail()
    part = contribution_micros(world.state, 4)
    world.state.member_statuses.put(4, MemberStatusRecord(MemberStatus.DEFAULTED, world.state.now.height))
    drawn, called = drawn_and_called(world)
    assert drawn[4] == part - contribution_micros(world.state, 4) > 0
    assert 4 not in called
