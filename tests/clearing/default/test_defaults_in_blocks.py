"""Defaults from declaration to end: cured, declared, auctioned, ported, shared, over."""

import msgspec
import pytest

from clearing.context.unresolved_losses import resolution_deadline, unresolved_micros
from clearing.default_fund.contributions import contribution_micros
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import (
    AssessmentsCalled,
    AssessmentTaken,
    BiddersRanked,
    DefaultDeclared,
    DefaultEnded,
    Deleveraged,
    HouseTakeover,
    LossAllocated,
    MemberStatusChanged,
    PortfolioSold,
    WaterfallLayer,
)
from clearing.schema.receipts.default_fund import FundCalled
from clearing.schema.records.default import DefaultPhase, MemberStatus
from tests.kit.clearing.defaults import NO_FUND, NOTHING, TERMS, default_world
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.world import World, codes, of_kind
from tests.kit.table import tell

LOTS = 40_000
"""Of Alice's long position on 100,000 dollars: 63,200 dollars of initial margin."""


def broken(world: World, ticks: int = 500_000) -> World:
    """Alice long against Bob, and the price gone: 116,000 dollars lost."""
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    world.fall(ticks)
    return world


def with_fund() -> World:
    """The same with a fund paid in: Alice has 68,000 dollars left, and as much as Bob in the fund."""
    world = default_world()
    world.bring(alice=30_000, bob=30_000)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    world.fund_paid_in()
    return world


def test_an_insolvent_member_is_declared_in_default_and_keeps_its_portfolio_for_the_auction() -> None:
    world = tell(
        default_world(fund=NO_FUND),
        """
        trade     alice  bob  BTC-PERP +40 @ 7_900  -> novated
        price     BTC    5_000                      -> one default_declared number 1 member 1 reason DEFICIT
        position  alice  BTC-PERP +40
        status    1 defaulting
        """,
    )
    (declared,) = world.last(DefaultDeclared)
    assert declared.deficits == ((ALICE, 1, 16_000 * DOLLAR),)
    assert declared.auction_height == world.state.now.height + TERMS.auction_blocks
    assert unresolved_micros(world.state) == 16_000 * DOLLAR
    assert resolution_deadline(world.state) == declared.deadline_height
    tell(world, "wait 1 -> no liquidated  # it is default's business now")


def test_a_default_goes_from_auction_through_all_layers_to_its_end() -> None:
    world = with_fund()
    before, alice = world.everything(), world.cash(ALICE)
    parts = {member: contribution_micros(world.state, member) for member in (1, 2, 3, 4)}
    world.fall(500_000)
    ask = 10 * DOLLAR
    taken = world.block(world.default_bid(DAVE, 1, 60, ask), world.default_bid(CAROL, 1, 20, ask + 1))
    assert codes(taken) == []
    world.prices(400_000)
    results = [taken, *world.until_ended()]
    assert world.everything() == before, "nothing is made or lost"
    sold = [each for result in results for each in of_kind(result, PortfolioSold)]
    assert [(each.member, each.slices, each.paid) for each in sold] == [(4, 60, 60 * ask), (3, 20, 20 * (ask + 1))]
    assert world.lots(DAVE, BTC_PERP) == LOTS * 60 // 100
    (ranked,) = [each for result in results for each in of_kind(result, BiddersRanked)]
    assert {member: rank for member, _, _, _, rank in ranked.members}[2] == 0, "Bob did not bid"
    shared = [each for result in results for each in of_kind(result, LossAllocated)]
    loss = LOTS * 390_000 * 10 - alice + 60 * ask + 20 * (ask + 1)
    assert shared[0].loss == loss
    layers = {step.layer: step.loss_borne for step in shared[0].steps}
    assert layers[WaterfallLayer.OWN_CONTRIBUTION] == min(parts[1], loss)
    (ended,) = [each for result in results for each in of_kind(result, DefaultEnded)]
    assert sum(micros for _, micros in ended.by_layer) + ended.house == loss
    assert world.cash(ALICE) == 0
    assert world.lots(ALICE, BTC_PERP) == 0
    assert world.status(1) is MemberStatus.DEFAULTED
    assert world.default().phase is DefaultPhase.ENDED
    assert unresolved_micros(world.state) == resolution_deadline(world.state) == 0
    changes = [each.after for result in results for each in of_kind(result, MemberStatusChanged)]
    assert changes == [MemberStatus.DEFAULTED]


def test_what_nobody_bid_for_is_the_houses_where_its_capital_carries_it() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(house=200_000)
    broken(world)
    results = world.until_ended()
    (taken,) = [each for result in results for each in of_kind(result, HouseTakeover)]
    assert [(each.instrument, each.lots) for each in taken.positions] == [(BTC_PERP, LOTS)]
    assert world.lots(HOUSE, BTC_PERP) == LOTS


def test_what_nobody_can_carry_ends_against_who_gained_most_at_most_leverage() -> None:
    world = default_world(fund=NO_FUND, dollars=100_000)
    world.bring(bob=400_000)
    world.block(world.withdrawal(HOUSE, USDC_1, 95_000 * DOLLAR))
    world.block(world.perp_trade(ALICE, BOB, 20_000), world.perp_trade(ALICE, CAROL, 20_000))
    world.fall(500_000)
    mark = world.state.marks[BTC_PERP].ticks
    results = world.until_ended()
    (ended,) = [each for result in results for each in of_kind(result, Deleveraged)]
    assert [each[0] for each in ended.counterparties] == [CAROL, BOB], "as much profit on less equity comes first"
    assert (ended.lots, ended.mark_ticks) == (40_000, mark)
    assert [world.lots(each, BTC_PERP) for each in (ALICE, BOB, CAROL, HOUSE)] == [0, 0, 0, 0]
    assert world.state.marks[BTC_PERP].ticks == mark


def test_gains_bear_what_nothing_else_does_and_nobody_goes_below_initial_margin() -> None:
    world = default_world(NOTHING, NO_FUND)
    world.block(
        world.perp_trade(ALICE, BOB, 20_000),
        world.perp_trade(ALICE, CAROL, 10_000),
        world.perp_trade(ALICE, DAVE, 10_000),
    )
    gained = {BOB: 58_000 * DOLLAR, CAROL: 29_000 * DOLLAR, DAVE: 29_000 * DOLLAR}
    before = {each: world.cash(each) for each in gained}
    result = world.fall(500_000)
    (ended,) = of_kind(result, DefaultEnded)
    assert ended.loss == 16_000 * DOLLAR
    assert ended.by_layer == ((int(WaterfallLayer.GAINS), 16_000 * DOLLAR),)
    cut = {each: before[each] + gained[each] - world.cash(each) for each in gained}
    assert cut == {BOB: 8_000 * DOLLAR, CAROL: 4_000 * DOLLAR, DAVE: 4_000 * DOLLAR}
    assert ended.house == 0


def test_gains_count_since_the_member_was_last_fully_margined_also_of_positions_that_are_gone() -> None:
    world = default_world(NOTHING, NO_FUND)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    world.prices(700_000)  # Bob gains 36,000 dollars; Alice has 64,000 for an initial margin of 56,000
    assert not world.state.gains_windows.get(1)
    world.prices(650_000)  # below initial, not below maintenance
    assert world.state.gains_windows[1].height == world.state.now.height - 1
    world.block(world.perp_trade(BOB, CAROL, 30_000, ticks=650_000))
    (ended,) = of_kind(world.fall(500_000), DefaultEnded)
    shared = of_kind(world.results[-1], LossAllocated)[-1]
    # Bob gained 20,000 on all, then 15,000 on a quarter; Carol 45,000 on the rest.
    assert [(each.payer, each.weight) for each in shared.steps[0].shares] == [
        (BOB, 35_000 * DOLLAR),
        (CAROL, 45_000 * DOLLAR),
    ]
    assert ended.loss == 16_000 * DOLLAR
    world.block()
    assert not world.state.gains_windows.get(1)
    assert not list(world.state.position_changes.ordered()), "forgotten when nobody asks any more"


def test_members_bring_what_they_are_assessed_by_a_deadline_and_no_more_than_the_cap() -> None:
    world = with_fund()
    world.bring(bob=300_000)
    world.fall(500_000)
    world.prices(310_000)
    world.prices(250_000)
    results = world.until_ended()
    (called,) = [each for result in results for each in of_kind(result, AssessmentsCalled)]
    taken = [each for result in results for each in of_kind(result, AssessmentTaken)]
    assert {each.member: each.micros for each in taken} == dict(called.members)
    for member, micros in called.members:
        assert 0 < micros <= world.state.contributions[member].required
        assert world.state.assessments[member].micros == micros, "counted against the cap of the period"
    assert world.state.now.height == called.deadline_height
    replenished = [each for result in results for each in of_kind(result, FundCalled) if each.replenishment]
    assert replenished, "survivors are called for what was used"


def test_a_member_in_default_does_nothing_and_its_bids_and_trades_are_refused() -> None:
    world = broken(default_world(fund=NO_FUND))
    refused = codes(
        world.block(
            world.perp_trade(ALICE, BOB, 1, ticks=500_000),
            world.withdrawal(ALICE, USDC_1, 1),
            world.default_bid(ALICE, 1, 1, 0),
            world.member_exit(ALICE, 1),
            world.readmission(ALICE, 1, 1),
        )
    )
    assert refused == [
        ClearingCode.MEMBER_NOT_ACTIVE,
        ClearingCode.MEMBER_NOT_ACTIVE,
        ClearingCode.MEMBER_NOT_ACTIVE,
        ClearingCode.CANNOT_LEAVE,
        ClearingCode.NOT_READMITTABLE,
    ]


@pytest.mark.parametrize(
    ("account", "number", "slices", "ask", "code"),
    [
        (CAROL, 2, 1, 0, ClearingCode.NO_SUCH_DEFAULT),
        (CAROL, 1, 101, 0, ClearingCode.BAD_SIZE),
        (CAROL, 1, 100, 2**60, ClearingCode.BAD_SIZE),
        (CAROL, 1, 1, 401 * DOLLAR, ClearingCode.ASK_TOO_HIGH),
        (HOUSE, 1, 1, 0, ClearingCode.OWN_DEFAULT),
        (99, 1, 1, 0, ClearingCode.UNKNOWN_ACCOUNT),
    ],
)
def test_bids_that_may_not_be_are_refused(account: int, number: int, slices: int, ask: int, code: int) -> None:
    world = broken(default_world(fund=NO_FUND))
    assert codes(world.block(world.default_bid(account, number, slices, ask))) == [code]


def test_a_bid_is_signed_fresh_in_time_and_used_once() -> None:
    world = broken(default_world(fund=NO_FUND))
    good = world.default_bid(CAROL, 1, 10, 5)
    late = world.default_bid(CAROL, 1, 10, 5, not_after_ms=1)
    forged = msgspec.structs.replace(world.default_bid(CAROL, 1, 10, 5), signature=good.signature)
    assert codes(world.block(late, forged, good, good)) == [
        ClearingCode.REQUEST_EXPIRED,
        ClearingCode.WRONG_SIGNER,
        ClearingCode.NONCE_USED,
    ]
    for _ in range(TERMS.auction_blocks):
        world.block()
    assert codes(world.block(world.default_bid(CAROL, 1, 10, 5))) in (
        [ClearingCode.DEFAULT_AUCTION_OVER],
        [ClearingCode.NO_SUCH_DEFAULT],
    )
