"""The fund beside defaults: calls that lapse, what waits while something is unresolved, who left and still pays.

In random stories of a fund, whatever members do, its parts add up, and states are proven and taken over as ever.
"""

import random
from collections import Counter

import msgspec
import pytest

from clearing.apply_block import apply_block
from clearing.default_fund.contributions import contributing_and_owing, contribution_micros, required_contribution
from clearing.epochs.snapshot import snapshot_due, take_snapshot
from clearing.margin.statement.snapshot import SlotKind
from clearing.schema.blocks.block import BlockResult
from clearing.schema.receipts.default_fund import FundCalled, FundDrawn, FundPaid, FundReturned, FundSized, ReturnCause
from clearing.schema.records.default import MemberStatus, MemberStatusRecord
from clearing.schema.terms.default import FundSizing, FundTerms
from clearing.state.ledger import FUND_ACCOUNT, inventory_units
from clearing.state.state import State
from tests.kit.clearing.defaults import TERMS, default_world
from tests.kit.clearing.exits import promised_at_exit
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, ETH_PERP, HOUSE, USDC_1
from tests.kit.clearing.rows import complete_values
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


WHO = {ALICE: 1, BOB: 2, CAROL: 3, DAVE: 4}


def check_statement_of(state: State) -> None:
    """Every row holds, holdings sum to the totals, and the house's fund with what is listed covers the two largest."""
    snapshot = take_snapshot(state)
    values = complete_values(snapshot)
    (terms,) = snapshot.statement.cover
    members = dict(terms.members)
    assert members[FUND_ACCOUNT] == HOUSE
    uncovered = [at for at, slot in enumerate(snapshot.statement.slots) if slot.kind is SlotKind.UNCOVERED]
    for slot, deficit in zip(uncovered, terms.deficits, strict=True):
        lacks = dict.fromkeys(members.values(), 0)
        for account, member in members.items():
            lacks[member] += values[account][slot]
        assert sum(sorted(lacks.values())[-2:]) <= terms.fund + deficit


class Story:
    """A world with its own books of what receipts told."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        fund = msgspec.structs.replace(
            FUND,
            sizing=self.chance.choice(list(FundSizing)),
            minimum_micros=self.chance.choice((0, 1, 1_000 * DOLLAR)),
            step_micros=self.chance.choice((1, 7, DOLLAR)),
            call_blocks=self.chance.choice((1, 3, 9)),
            return_blocks=self.chance.choice((1, 4)),
            grace_blocks=self.chance.choice((0, 2)),
            lookback_epochs=self.chance.choice((1, 3)),
            buffer_ppm=self.chance.choice((0, 123_457)),
            exposure_memory_ppm=self.chance.choice((0, 800_000)),
            reduce_blocks=(0, 1, 9)[seed % 3],
        )
        self.world = default_world(terms=TERMS, fund=fund)
        self.parts_by_receipts: Counter[int] = Counter()
        self.price = 790_000

    def go(self) -> None:
        """One block of random requests, judged."""
        chance, world = self.chance, self.world
        requests = []
        for _ in range(chance.randrange(3)):
            buyer, seller = chance.sample(list(WHO), 2)
            instrument, ticks = chance.choice(((BTC_PERP, self.price), (ETH_PERP, 20_000)))
            requests.append(world.perp_trade(buyer, seller, chance.randrange(1, 25_000), instrument, ticks))
        for account, member in WHO.items():
            missing = required_contribution(world.state, member) - contribution_micros(world.state, member)
            if chance.random() < 0.4:
                requests.append(world.pay(account, max(missing + chance.choice((0, 0, -5, 1)), 0)))
        if chance.random() < 0.2:
            account = chance.choice(list(WHO))
            requests.append(world.withdrawal(account, USDC_1, chance.randrange(1, 30_000) * DOLLAR))
        facts = []
        if chance.random() < 0.3:
            account = chance.choice(list(WHO))
            facts.append(world.deposit_fact(account, USDC_1, chance.randrange(1, 20_000) * DOLLAR))
        world.stride += 4
        facts += world.custody_facts(world.stride)
        move = chance.choice((62, 70, 130)) if chance.random() < 0.08 else chance.randrange(93, 108)
        self.price = min(max(self.price * move // 100, 50_000), 3_000_000)
        self.judge(world.block(*requests, prices=((1, self.price), (2, 20_000)), facts=facts))

    def judge(self, result: BlockResult) -> None:
        """Parts, ledger and receipts say the same."""
        world = self.world
        for each in result.receipts:
            if isinstance(each, FundPaid):
                self.parts_by_receipts[each.member] += each.micros
                assert self.parts_by_receipts[each.member] == each.contributed
            elif isinstance(each, FundDrawn):
                self.parts_by_receipts[each.member] -= each.micros
                assert self.parts_by_receipts[each.member] == each.left >= 0
            elif isinstance(each, FundReturned):
                self.parts_by_receipts[each.member] -= (
                    each.amount if each.cause is ReturnCause.BEYOND_PART else each.surrendered
                )
                assert self.parts_by_receipts[each.member] == each.contributed
            elif isinstance(each, FundSized):
                paying = [part.required for part in each.parts if world.status(part.member).value <= 1]
                assert sum(paying) >= each.target or not paying
                assert each.target == max(each.sizes)
            elif isinstance(each, FundCalled):
                assert 0 < each.micros <= each.required - each.contributed
                assert each.deadline > result.height
        parts = Counter({each: contribution_micros(world.state, each) for each in contributing_and_owing(world.state)})
        assert parts == self.parts_by_receipts
        assert world.fund == parts.total()
        record = [each for _, each in world.state.contributions.ordered()]
        assert all((each.called > 0) == (each.deadline > 0) for each in record)
        assert all(each.called <= max(each.required - each.micros, 0) for each in record)
        nearest = world.state.fund_sizes.get(0)
        waiting = [h for each in record for h in (each.deadline, each.return_height) if h]
        if waiting:
            assert nearest is not None
            assert 0 < nearest.next_review_height <= max(min(waiting), result.height + 1)
        if snapshot_due(world.state, world.state.now.height):
            check_statement_of(world.state)
            promised = promised_at_exit(world.state)[USDC_1]
            assert promised <= inventory_units(world.state, world.state.terms.assets[USDC_1])


@pytest.mark.parametrize("seed", range(10))
def test_a_random_story_of_a_fund_adds_up(seed: int) -> None:
    story = Story(seed)
    for _ in range(60):
        story.go()
    world = story.world
    world.read_back()
    assert all(world.every(kind) for kind in (FundSized, FundCalled, FundPaid))
