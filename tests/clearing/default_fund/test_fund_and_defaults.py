"""The fund beside defaults: calls that lapse, what waits while something is unresolved, who left and still pays."""

import msgspec

from clearing.apply_block import apply_block
from clearing.default_fund.contributions import contribution_micros, required_contribution
from clearing.schema.receipts.default_fund import FundCalled, FundDrawn, FundPaid, FundReturned, FundSized
from clearing.schema.records.default import MemberStatus, MemberStatusRecord
from clearing.schema.terms.default import FundTerms
from tests.kit.clearing.defaults import TERMS, default_world
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, USDC_1
from tests.kit.clearing.world import World, of_all, of_kind
from tests.kit.table import tell


def unable(fund: FundTerms = FUND) -> World:
    """Alice has no more than her margin when the call comes."""
    world = default_world(fund=fund)
    world.block(world.perp_trade(ALICE, BOB, 63_000))
    world.pass_epoch()
    return world


def about_to_fail(**terms: int) -> World:
    """Alice is short of what a fall of the price will cost her; everybody has paid in."""
    world = default_world(fund=msgspec.structs.replace(FUND, **terms))
    world.block(world.perp_trade(ALICE, BOB, 60_000))
    world.bring(alice=200_000, bob=200_000)
    world.fund_paid_in()
    part = contribution_micros(world.state, 1)
    assert not world.refusals(world.withdrawal(ALICE, USDC_1, 200_000 * DOLLAR - part))
    return world


def test_a_call_that_lapses_is_a_default() -> None:
    world = tell(unable(), "wait 2")
    before = world.everything()
    tell(
        world,
        """
        wait    1  -> default_declared member 1 reason CALL_LAPSED, paid member 1 lapsed yes, paid member 2 lapsed yes
        status  1 defaulting
        status  3 active
        """,
    )
    assert [each.member for each in world.last(FundPaid) if each.lapsed] == [1, 2]
    assert world.everything() == before
    world.until_ended()
    assert world.status(1) is MemberStatus.DEFAULTED


def test_within_the_grace_a_member_is_restricted_and_no_more() -> None:
    world = tell(unable(msgspec.structs.replace(FUND, grace_blocks=2)), "wait 3 -> no default_declared")
    assert world.status(1) is MemberStatus.RESTRICTED
    world.deposit(ALICE, USDC_1, world.state.contributions[1].called)
    world.block()
    assert world.status(1) is MemberStatus.ACTIVE, "what was brought is taken at the end of the grace"
    assert not world.state.contributions[1].lapsed, "the next call has a grace of its own"
    assert world.status(2) is MemberStatus.DEFAULTING


def test_a_call_takes_of_all_accounts_of_the_member_s_own() -> None:
    world = default_world()
    second = world.open_account(ALICE)
    world.pay_in(second, 5_000_000)
    world.block(world.perp_trade(ALICE, BOB, 63_000))
    world.pass_epoch()
    owed = required_contribution(world.state, 1)
    world.wait(3)
    paid = {each.account: each.micros for each in world.last(FundPaid) if each.member == 1}
    assert sum(paid.values()) == owed == contribution_micros(world.state, 1)
    assert paid[second] > 0
    assert world.state.contributions[1].account == ALICE
    assert world.status(1) is MemberStatus.ACTIVE


def test_nothing_goes_back_while_a_default_is_under_way() -> None:
    world = default_world(terms=msgspec.structs.replace(TERMS, auction_blocks=12), dollars=300_000)
    world.block(world.perp_trade(CAROL, DAVE, 90_000))
    world.fund_paid_in()
    world.block(world.perp_trade(DAVE, CAROL, 90_000), world.perp_trade(ALICE, BOB, 150_000))
    world.pass_epoch()
    assert world.state.contributions[3].return_height
    world.fall(590_000)
    returned = []
    for result in world.until_ended():
        assert not returned, "paid back in the block in which the default ended, at the earliest"
        returned = of_kind(result, FundReturned)
    while not returned:
        returned = of_kind(world.block(), FundReturned)
    assert {each.member for each in returned} >= {3}


def test_a_default_draws_its_own_part_then_those_of_survivors_and_calls_them_again() -> None:
    world = about_to_fail()
    before = world.everything()
    parts = {member: contribution_micros(world.state, member) for member in (1, 2, 3, 4)}
    world.fall(560_000)
    world.prices(345_000)
    results = world.until_ended()
    first, *others = of_all(results, FundDrawn)
    assert {each.cause for each in (first, *others)} == {1}
    assert (first.member, first.micros, first.left) == (1, parts[1], 0), "the defaulter's own part first, whole"
    assert {each.member for each in others} == {2, 3, 4}
    assert all(each.micros + each.left >= parts[each.member] for each in others)
    called = [each for each in of_kind(results[-1], FundCalled) if each.replenishment]
    assert {each.member for each in called} <= {2, 3, 4}
    assert all(each.micros <= each.required - each.contributed for each in called)
    assert called
    assert world.everything() == before
    world.read_back()


def test_who_has_left_gets_its_part_back_after_the_delay() -> None:
    world = default_world()
    world.fund_paid_in()
    part = contribution_micros(world.state, 4)
    assert part > 0
    cash = world.cash(DAVE)
    assert not world.refusals(world.member_exit(DAVE, 4))
    assert world.status(4) is MemberStatus.LEFT
    world.pass_epoch()
    due = world.state.contributions[4].return_height
    while world.state.now.height < due:
        assert contribution_micros(world.state, 4) == part
        world.block()
    assert [(each.member, each.amount, each.contributed) for each in world.last(FundReturned)] == [(4, part, 0)]
    assert 4 not in world.state.contributions
    assert world.cash(DAVE) == cash + part
    (sized,) = of_kind(world.pass_epoch(), FundSized)
    assert 4 not in {part.member for part in sized.parts}


def test_a_state_with_a_fund_is_the_same_from_a_snapshot() -> None:
    world = default_world()
    world.fund_paid_in()
    ahead = world.make_block((), [None] * 4)
    (fork, _), (other, _) = (apply_block(each, ahead) for each in (world.state, world.read_back()))
    assert fork.module_roots() == other.module_roots()


def drawn_and_called(world: World) -> tuple[dict[int, int], set[int]]:
    """What the default drew of whose part, and who was called for it again."""
    world.fall(560_000)
    world.prices(345_000)
    results = world.until_ended()
    drawn = {each.member: each.micros for each in of_all(results, FundDrawn)}
    return drawn, {each.member for each in of_all(results, FundCalled) if each.replenishment}


def test_who_leaves_before_a_default_is_declared_pays_like_any_while_its_part_is_there() -> None:
    world = about_to_fail(return_blocks=100)
    part = contribution_micros(world.state, 4)
    assert not world.refusals(world.member_exit(DAVE, 4))
    drawn, called = drawn_and_called(world)
    assert world.status(4) is MemberStatus.LEFT
    assert drawn[4] == part - contribution_micros(world.state, 4) > 0
    assert 4 not in called, "it owes no part any more"
    assert 2 in drawn.keys() & called
    assert not world.default().assessed


def test_a_part_that_has_left_is_paid_back_less_what_it_bore() -> None:
    world = about_to_fail(return_blocks=100)
    assert not world.refusals(world.member_exit(DAVE, 4))
    before = world.everything()
    drawn_and_called(world)
    left, cash = contribution_micros(world.state, 4), world.cash(DAVE)
    world.pass_epoch()
    while world.state.contributions.get(4):
        world.block()
    assert world.cash(DAVE) == cash + left
    assert world.everything() == before


def test_who_fails_on_a_trifle_keeps_nothing_out_of_the_next_default() -> None:
    world = about_to_fail(return_blocks=100)
    part = contribution_micros(world.state, 4)
    world.state.member_statuses.put(4, MemberStatusRecord(MemberStatus.DEFAULTED, world.state.now.height))
    drawn, called = drawn_and_called(world)
    assert drawn[4] == part - contribution_micros(world.state, 4) > 0
    assert 4 not in called
