"""Defaults from declaration to end, also in bad company: closed prices, several at once, hollow bids, empty pockets."""

import msgspec
import pytest

from clearing.apply_block import apply_block
from clearing.context.unresolved_losses import defaults_under_way, resolution_deadline, unresolved_micros
from clearing.default.estate import buy_collateral
from clearing.default_fund.contributions import contribution_micros
from clearing.epochs.snapshot import is_snapshot_possible, take_snapshot
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import (
    AssessmentsCalled,
    AssessmentTaken,
    BiddersRanked,
    CollateralTaken,
    DefaultDeclared,
    DefaultEnded,
    DeficitCured,
    Deleveraged,
    EstatePooled,
    HouseTakeover,
    LossAllocated,
    MemberStatusChanged,
    PortfolioSold,
    WaterfallLayer,
)
from clearing.schema.receipts.default_fund import FundCalled
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.records.default import DefaultPhase, MemberStatus
from clearing.schema.records.prices import FeedStatus
from clearing.schema.terms.default import DefaultTerms
from clearing.state.ledger import balance
from tests.kit.clearing.defaults import (
    LOTS,
    NO_FUND,
    NOTHING,
    TERMS,
    default_genesis,
    default_world,
    in_default,
    with_fund,
    without_fund,
)
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH_PERP,
    HOUSE,
    USDC_1,
    WETH_1,
)
from tests.kit.clearing.world import of_all, of_kind
from tests.kit.table import tell

BRIEF = DefaultTerms(enabled=True, auction_blocks=3)


def test_an_insolvent_member_is_declared_in_default_and_keeps_its_portfolio_for_the_auction() -> None:
    world = tell(
        without_fund(),
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
    own_part = contribution_micros(world.state, 1)
    world.fall(500_000)
    ask = 10 * DOLLAR
    assert not world.refusals(world.default_bid(DAVE, 1, 60, ask), world.default_bid(CAROL, 1, 20, ask + 1))
    world.prices(400_000)
    results = world.until_ended()
    assert world.everything() == before, "nothing is made or lost"
    sold = [(each.member, each.slices, each.paid) for each in of_all(results, PortfolioSold)]
    assert sold == [(4, 60, 60 * ask), (3, 20, 20 * (ask + 1))]
    assert world.lots(DAVE, BTC_PERP) == LOTS * 60 // 100
    (ranked,) = of_all(results, BiddersRanked)
    assert {member: rank for member, _, _, _, rank in ranked.members}[2] == 0, "Bob did not bid"
    allocated, *_ = of_all(results, LossAllocated)
    assert allocated.loss == LOTS * 390_000 * 10 - alice + 60 * ask + 20 * (ask + 1)
    layers = {step.layer: step.loss_borne for step in allocated.steps}
    assert layers[WaterfallLayer.OWN_CONTRIBUTION] == min(own_part, allocated.loss)
    (ended,) = of_all(results, DefaultEnded)
    assert sum(micros for _, micros in ended.by_layer) + ended.house == allocated.loss
    assert (world.cash(ALICE), world.lots(ALICE, BTC_PERP)) == (0, 0)
    assert (world.status(1), world.default().phase) == (MemberStatus.DEFAULTED, DefaultPhase.ENDED)
    assert unresolved_micros(world.state) == resolution_deadline(world.state) == 0
    assert [each.after for each in of_all(results, MemberStatusChanged)] == [MemberStatus.DEFAULTED]


def test_what_nobody_bid_for_is_the_houses_where_its_capital_carries_it() -> None:
    world = in_default(without_fund(house=200_000))
    (taken,) = of_all(world.until_ended(), HouseTakeover)
    assert [(each.instrument, each.lots) for each in taken.positions] == [(BTC_PERP, LOTS)]
    assert world.lots(HOUSE, BTC_PERP) == LOTS


def test_what_nobody_can_carry_ends_against_who_gained_most_at_most_leverage() -> None:
    world = without_fund(bob=400_000)
    world.block(world.withdrawal(HOUSE, USDC_1, 95_000 * DOLLAR))
    world.block(world.perp_trade(ALICE, BOB, 20_000), world.perp_trade(ALICE, CAROL, 20_000))
    world.fall(500_000)
    mark = world.state.marks[BTC_PERP].ticks
    (ended,) = of_all(world.until_ended(), Deleveraged)
    assert [each[0] for each in ended.counterparties] == [CAROL, BOB], "as much profit on less equity comes first"
    assert (ended.lots, ended.mark_ticks) == (40_000, mark)
    assert [world.lots(each, BTC_PERP) for each in (ALICE, BOB, CAROL, HOUSE)] == [0, 0, 0, 0]
    assert world.state.marks[BTC_PERP].ticks == mark


def test_gains_bear_what_nothing_else_does_and_nobody_goes_below_initial_margin() -> None:
    world = without_fund(NOTHING)
    world.block(
        world.perp_trade(ALICE, BOB, 20_000),
        world.perp_trade(ALICE, CAROL, 10_000),
        world.perp_trade(ALICE, DAVE, 10_000),
    )
    gained = {BOB: 58_000 * DOLLAR, CAROL: 29_000 * DOLLAR, DAVE: 29_000 * DOLLAR}
    before = {each: world.cash(each) for each in gained}
    (ended,) = of_kind(world.fall(500_000), DefaultEnded)
    loss = 16_000 * DOLLAR
    assert (ended.loss, ended.by_layer, ended.house) == (loss, ((int(WaterfallLayer.GAINS), loss),), 0)
    cut = {each: before[each] + gained[each] - world.cash(each) for each in gained}
    assert cut == {BOB: 8_000 * DOLLAR, CAROL: 4_000 * DOLLAR, DAVE: 4_000 * DOLLAR}


def test_gains_count_since_the_member_was_last_fully_margined_also_of_positions_that_are_gone() -> None:
    world = without_fund(NOTHING)
    world.block(world.perp_trade(ALICE, BOB, LOTS))
    world.prices(700_000)  # Bob gains 36,000 dollars; Alice has 64,000 for an initial margin of 56,000
    assert not world.state.gains_windows.get(1)
    world.prices(650_000)  # below initial, not below maintenance
    assert world.state.gains_windows[1].height == world.state.now.height - 1
    world.block(world.perp_trade(BOB, CAROL, 30_000, ticks=650_000))
    (ended,) = of_kind(world.fall(500_000), DefaultEnded)
    weights = [(each.payer, each.weight) for each in world.last(LossAllocated)[-1].steps[0].shares]
    # Bob gained 20,000 on all, then 15,000 on a quarter; Carol 45,000 on the rest.
    assert weights == [(BOB, 35_000 * DOLLAR), (CAROL, 45_000 * DOLLAR)]
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
    (called,) = of_all(results, AssessmentsCalled)
    assert {each.member: each.micros for each in of_all(results, AssessmentTaken)} == dict(called.members)
    for member, micros in called.members:
        assert 0 < micros <= world.state.contributions[member].required
        assert world.state.assessments[member].micros == micros, "counted against the cap of the period"
    assert world.state.now.height == called.deadline_height
    assert any(each.replenishment for each in of_all(results, FundCalled)), "survivors are called for what was used"


def test_a_member_in_default_does_nothing_and_its_bids_and_trades_are_refused() -> None:
    world = in_default()
    assert world.refusals(
        world.perp_trade(ALICE, BOB, 1, ticks=500_000),
        world.withdrawal(ALICE, USDC_1, 1),
        world.default_bid(ALICE, 1, 1, 0),
        world.member_exit(ALICE, 1),
        world.readmission(ALICE, 1, 1),
    ) == [ClearingCode.MEMBER_NOT_ACTIVE] * 3 + [ClearingCode.CANNOT_LEAVE, ClearingCode.NOT_READMITTABLE]


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
    world = in_default()
    assert world.refusals(world.default_bid(account, number, slices, ask)) == [code]


def test_a_bid_is_signed_fresh_in_time_and_used_once() -> None:
    world = in_default()
    good = world.default_bid(CAROL, 1, 10, 5)
    late = world.default_bid(CAROL, 1, 10, 5, not_after_ms=1)
    forged = msgspec.structs.replace(world.default_bid(CAROL, 1, 10, 5), signature=good.signature)
    expected = [ClearingCode.REQUEST_EXPIRED, ClearingCode.WRONG_SIGNER, ClearingCode.NONCE_USED]
    assert world.refusals(late, forged, good, good) == expected
    world.wait(TERMS.auction_blocks)
    (over,) = world.refusals(world.default_bid(CAROL, 1, 10, 5))
    assert over in (ClearingCode.DEFAULT_AUCTION_OVER, ClearingCode.NO_SUCH_DEFAULT)


def test_a_portfolio_waits_for_closed_prices_and_ends_at_the_last_mark_at_the_latest() -> None:
    world = in_default(without_fund(house=500_000))
    auction_height = world.default().auction_height
    world.prices(250_000)
    while not world.default().ended_height:
        # Every price is too far from the last: the feed stays halted.
        world.prices(250_000 if world.state.now.height % 2 else 1_000_000)
        assert world.state.feeds[BTC].status is FeedStatus.HALTED
    assert world.default().ended_height == auction_height + TERMS.halt_blocks
    assert world.lots(ALICE, BTC_PERP) == 0
    assert world.state.marks[BTC_PERP].ticks == 500_000


def test_the_estate_is_all_own_accounts_netted_and_its_collateral_pays_before_anybody() -> None:
    world = without_fund(NOTHING)
    world.deposit(ALICE, WETH_1, 20_000_000)
    world.block(world.perp_trade(ALICE, BOB, 42_000))
    result = world.fall(500_000)
    (taken,), (ended,) = of_kind(result, CollateralTaken), of_kind(result, DefaultEnded)
    assert ended.loss == 42_000 * 290_000 * 10 - 100_000 * DOLLAR == 21_800 * DOLLAR
    assert taken.units * taken.micros_per_unit == taken.counted_micros + taken.returned
    assert dict(ended.by_layer)[1] == taken.counted_micros == 20_000_000 * taken.micros_per_unit
    assert (world.weth(ALICE), world.weth(HOUSE)) == (0, 20_000_000)


@pytest.mark.parametrize(("lots", "kept"), [(42_000, 0), (20_000, 20_000_000)])
def test_what_counts_for_nothing_goes_too_where_all_else_is_not_enough(lots: int, kept: int) -> None:
    """Else a defaulter would keep it, and have its worth again when others had borne the loss."""
    genesis = default_genesis(NOTHING, NO_FUND)
    *cash, weth = genesis.assets
    assets = (*cash, msgspec.structs.replace(weth, haircut_ppm=1_000_000))
    world = default_world(genesis=msgspec.structs.replace(genesis, assets=assets))
    world.deposit(ALICE, WETH_1, 20_000_000)
    world.block(world.perp_trade(ALICE, BOB, lots))
    before = world.everything()
    (world.prices if kept else world.fall)(500_000)
    taken = [(each.units, each.counted_micros, each.returned) for each in world.every(CollateralTaken)]
    assert taken == ([] if kept else [(20_000_000, 0, 0)])
    assert (world.weth(ALICE), world.weth(HOUSE)) == (kept, 20_000_000 - kept)
    assert world.everything() == before


def test_a_bid_that_the_bidder_cannot_carry_is_cut_and_does_not_save_its_contribution() -> None:
    world = with_fund()
    world.bring(dave=900_000)
    world.fall(500_000)
    world.block(world.perp_trade(CAROL, DAVE, 160_000, ETH_PERP, 20_000))
    # Carol asks less than anybody for everything, which her money cannot carry.
    world.block(world.default_bid(CAROL, 1, 100, 0), world.default_bid(DAVE, 1, 100, DOLLAR))
    results = world.until_ended()
    sold = of_all(results, PortfolioSold)
    assert [(each.member, each.slices < each.wanted) for each in sold] == [(3, True), (4, True)]
    assert sum(each.slices for each in sold) == 100
    (ranked,) = of_all(results, BiddersRanked)
    assert {member: rank for member, *_, rank in ranked.members} == {2: 0, 3: 1, 4: 2}


def test_two_members_fail_in_one_block_and_both_defaults_end() -> None:
    world = default_world()
    world.bring(alice=30_000, bob=200_000, carol=30_000)
    world.fund_paid_in()
    world.block(world.perp_trade(ALICE, BOB, 60_000), world.perp_trade(CAROL, BOB, 60_000))
    before = world.everything()
    world.fall(500_000)
    assert [each.member for each in world.every(DefaultDeclared)] == [1, 3]
    world.until_ended(1)
    world.until_ended(2)
    statuses = [world.status(member) for member in (1, 2, 3)]
    assert statuses == [MemberStatus.DEFAULTED, MemberStatus.ACTIVE, MemberStatus.DEFAULTED]
    assert contribution_micros(world.state, 3) == 0, "its own first"
    assert world.everything() == before


def test_a_member_that_cannot_bring_what_it_is_assessed_owes_it_and_may_default_itself() -> None:
    terms = msgspec.structs.replace(TERMS, assessment_ppm=10_000_000, auction_blocks=0, porting_blocks=0)
    world = default_world(terms)
    world.bring(alice=30_000, bob=130_000)
    world.fund_paid_in()
    world.block(world.perp_trade(ALICE, BOB, 60_000), world.perp_trade(CAROL, BOB, 40_000))
    before = world.everything()
    # Carol's 99,000 dollars lose 96,000 while Alice's default is under way, then she is assessed.
    world.fall(550_000)
    world.wait(12)
    assert {each.member for each in world.every(AssessmentTaken)} >= {2, 3, 4}
    assert not defaults_under_way(world.state)
    ended = world.every(DefaultEnded)
    assert ended
    assert all(each.loss == sum(micros for _, micros in each.by_layer) + each.house for each in ended)
    assert world.everything() == before


def test_an_insolvent_account_with_positions_is_brought_back_to_initial_margin_by_the_members_others() -> None:
    world = without_fund()
    second = world.open_account(ALICE)
    world.pay_in(second, 80_000)
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    world.prices(500_000)
    world.wait(2)
    (cured,) = world.every(DeficitCured)
    assert cured.deficits == ((1, 56_000 * DOLLAR),), "16,000 owed, and 40,000 of initial margin"
    assert cured.paid == ((second, 1, 56_000 * DOLLAR),)
    assert world.lots(ALICE, BTC_PERP) == 40_000
    assert world.status(1) is MemberStatus.ACTIVE


def test_the_house_bears_no_more_than_it_has() -> None:
    world = without_fund(DefaultTerms(enabled=True, house_capital_micros=10**9 * DOLLAR))
    world.block(world.withdrawal(HOUSE, 1, 99_900 * DOLLAR))
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    (ended,) = of_kind(world.fall(500_000), DefaultEnded)
    assert ended.by_layer == ((3, 100 * DOLLAR), (6, 15_900 * DOLLAR))
    assert ended.house == 0


def test_the_last_unit_of_collateral_is_paid_for_whole() -> None:
    world = without_fund(NOTHING)
    world.deposit(ALICE, WETH_1, 1_000_000)
    context = world.context()
    assert buy_collateral(context, 1, ALICE, 1_001) == 1_001
    (taken,) = [each for each in context.receipts if isinstance(each, CollateralTaken)]
    assert (taken.units, taken.micros_per_unit, taken.counted_micros, taken.returned) == (6, 180, 1_001, 79)
    assert balance(context.state, ALICE, 1) == world.cash(ALICE) + 79


def test_no_account_is_brought_below_maintenance_margin_for_another() -> None:
    world = without_fund(BRIEF, carol=100_000)
    second = world.open_account(ALICE)
    world.pay_in(second, 60_000)
    # 50,000 dollars in ether need 12,500 of initial margin, 10,000 of maintenance: 50,000 are to spare, 56,000 missing.
    world.block(world.perp_trade(ALICE, BOB, 40_000), world.perp_trade(second, CAROL, 25_000, ETH_PERP, 20_000))
    world.prices(500_000)
    world.block()
    assert not world.every(DeficitCured)
    assert world.status(1) is MemberStatus.DEFAULTING
    assert world.lots(ALICE, ETH_PERP) == 25_000, "all of it is the estate's"


def test_own_accounts_help_each_other_before_there_is_a_default() -> None:
    world = without_fund(client=20_000)
    world.block(world.perp_trade(ALICE_CLIENT, BOB, 9_000), world.perp_trade(ALICE, BOB, 46_000, ETH_PERP, 20_000))
    world.prices(500_000)
    world.wait(3)
    assert [each.account for each in world.every(DeficitCured)] == [ALICE_CLIENT]
    assert not world.every(DefaultDeclared)


def test_a_statement_can_be_taken_and_blocks_replayed_in_the_middle_of_a_default() -> None:
    world = with_fund()
    world.fall(500_000)
    epoch = world.state.now.epoch
    while world.state.now.epoch == epoch and not world.default().ended_height:
        world.stride += 4
        world.block(facts=world.custody_facts(world.stride))
    assert is_snapshot_possible(world.state)
    assert world.default().phase is DefaultPhase.OPEN
    assert take_snapshot(world.state)
    assert apply_block(world.state, world.make_block())[0].module_roots()


def test_positions_of_other_own_accounts_are_brought_into_the_estate() -> None:
    world = without_fund(BRIEF)
    second = world.open_account(ALICE)
    world.pay_in(second, 10_000)
    world.block(world.perp_trade(ALICE, BOB, 42_000), world.perp_trade(BOB, second, 2_000))
    world.fall(500_000)
    pooled = [(each.account, each.estate, each.positions) for each in world.every(EstatePooled)]
    assert pooled == [(second, ALICE, ((BTC_PERP, -2_000),))]
    assert world.lots(ALICE, BTC_PERP) == 40_000
    assert world.lots(second, BTC_PERP) == world.cash(second) == 0
    world.until_ended()
    assert ALICE not in {each.account for each in world.every(Liquidated)}
