"""Defaults in bad company: closed prices, collateral, several at once, hollow bids, assessments nobody can bring."""

import msgspec
import pytest

from clearing.apply_block import apply_block
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import defaults_under_way
from clearing.default.estate import buy_collateral
from clearing.default_fund.contributions import contribution_micros
from clearing.epochs.snapshot import is_snapshot_possible, take_snapshot
from clearing.schema.receipts.default import (
    AssessmentTaken,
    BiddersRanked,
    CollateralTaken,
    DefaultDeclared,
    DefaultEnded,
    DeficitCured,
    EstatePooled,
    PortfolioSold,
)
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.records.default import DefaultPhase, MemberStatus
from clearing.schema.records.prices import FeedStatus
from clearing.schema.terms.default import DefaultTerms
from clearing.state.ledger import balance
from tests.kit.clearing.defaults import NO_FUND, NOTHING, TERMS, default_genesis, default_world
from tests.kit.clearing.fund import fund_world
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC, BTC_PERP, CAROL, DOLLAR, ETH_PERP, HOUSE, WETH_1
from tests.kit.clearing.world import of_kind


def test_a_portfolio_waits_for_closed_prices_and_ends_at_the_last_mark_at_the_latest() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(house=500_000)
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    world.fall(500_000)
    world.block(prices=((1, 250_000), (2, 20_000)))
    assert world.state.feeds[BTC].status is FeedStatus.HALTED
    held, heights = world.default(), []
    while not world.default().ended_height:
        # Every price is too far from the last: the feed stays halted.
        world.block(prices=((1, 250_000 if world.state.now.height % 2 else 1_000_000), (2, 20_000)))
        heights.append(world.state.now.height)
        assert world.state.feeds[BTC].status is FeedStatus.HALTED
    assert world.default().ended_height == held.auction_height + TERMS.halt_blocks
    assert world.lots(ALICE, BTC_PERP) == 0
    assert world.state.marks[BTC_PERP].ticks == 500_000


def test_the_estate_is_all_own_accounts_netted_and_its_collateral_pays_before_anybody() -> None:
    world = default_world(NOTHING, NO_FUND)
    world.block(facts=[world.deposit_fact(ALICE, WETH_1, 20 * 10**18)])
    world.block(world.perp_trade(ALICE, BOB, 42_000))
    result = world.fall(500_000)
    (taken,) = of_kind(result, CollateralTaken)
    loss = 42_000 * 290_000 * 10 - 100_000 * DOLLAR
    (ended,) = of_kind(result, DefaultEnded)
    assert ended.loss == loss == 21_800 * DOLLAR
    assert taken.units * taken.micros_per_unit == taken.counted_micros + taken.returned
    assert dict(ended.by_layer)[1] == taken.counted_micros == 20_000_000 * taken.micros_per_unit
    assert world.weth(ALICE) == 0
    assert world.weth(HOUSE) == 20_000_000


@pytest.mark.parametrize(("lots", "kept"), [(42_000, 0), (20_000, 20_000_000)])
def test_what_counts_for_nothing_goes_too_where_all_else_is_not_enough(lots: int, kept: int) -> None:
    """Else a defaulter would keep it, and have its worth again when others had borne the loss."""
    genesis = default_genesis(NOTHING, NO_FUND)
    assets = tuple(
        msgspec.structs.replace(each, haircut_ppm=1_000_000) if each.id == WETH_1 else each for each in genesis.assets
    )
    world = fund_world(msgspec.structs.replace(genesis, assets=assets))
    world.block(facts=[world.deposit_fact(DAVE, 1, 100_000 * DOLLAR)])
    world.block(facts=[world.deposit_fact(ALICE, WETH_1, 20 * 10**18)])
    world.block(world.perp_trade(ALICE, BOB, lots))
    before = world.everything()
    (world.prices if kept else world.fall)(500_000)
    taken = [each for one in world.results for each in of_kind(one, CollateralTaken)]
    assert [(each.units, each.counted_micros, each.returned) for each in taken] == (
        [] if kept else [(20_000_000, 0, 0)]
    )
    assert (world.weth(ALICE), world.weth(HOUSE)) == (kept, 20_000_000 - kept)
    assert world.everything() == before


def test_a_bid_that_the_bidder_cannot_carry_is_cut_and_does_not_save_its_contribution() -> None:
    world = default_world()
    world.bring(alice=30_000, bob=30_000)
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    world.fund_paid_in()
    world.bring(dave=900_000)
    world.fall(500_000)
    world.block(world.perp_trade(CAROL, DAVE, 160_000, ETH_PERP, 20_000))
    # Carol asks less than anybody for everything, which her money cannot carry.
    world.block(world.default_bid(CAROL, 1, 100, 0), world.default_bid(DAVE, 1, 100, DOLLAR))
    results = world.until_ended()
    sold = [each for result in results for each in of_kind(result, PortfolioSold)]
    assert [(each.member, each.slices < each.wanted) for each in sold] == [(3, True), (4, True)]
    assert sum(each.slices for each in sold) == 100
    (ranked,) = [each for result in results for each in of_kind(result, BiddersRanked)]
    assert {member: rank for member, *_, rank in ranked.members} == {2: 0, 3: 1, 4: 2}


def test_two_members_fail_in_one_block_and_both_defaults_end() -> None:
    world = default_world()
    world.bring(alice=30_000, bob=200_000, carol=30_000)
    world.fund_paid_in()
    world.block(world.perp_trade(ALICE, BOB, 60_000), world.perp_trade(CAROL, BOB, 60_000))
    before = world.everything()
    result = world.fall(500_000)
    declared = [each for one in world.results for each in of_kind(one, DefaultDeclared)]
    assert [each.member for each in declared] == [1, 3]
    assert result.height
    world.until_ended(1)
    if not world.default(2).ended_height:
        world.until_ended(2)
    assert [world.status(member) for member in (1, 2, 3)] == [
        MemberStatus.DEFAULTED,
        MemberStatus.ACTIVE,
        MemberStatus.DEFAULTED,
    ]
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
    for _ in range(12):
        world.block()
    taken = [each for one in world.results for each in of_kind(one, AssessmentTaken)]
    assert {each.member for each in taken} >= {2, 3, 4}
    assert not defaults_under_way(world.state)
    ended = [each for one in world.results for each in of_kind(one, DefaultEnded)]
    assert ended
    assert all(each.loss == sum(micros for _, micros in each.by_layer) + each.house for each in ended)
    assert world.everything() == before


def test_an_insolvent_account_with_positions_is_brought_back_to_initial_margin_by_the_members_others() -> None:
    world = default_world(fund=NO_FUND)
    second = world.open_account(ALICE)
    world.block(facts=[world.deposit_fact(second, 1, 80_000 * DOLLAR)])
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    world.prices(500_000)
    world.block()
    world.block()
    (cured,) = [each for one in world.results for each in of_kind(one, DeficitCured)]
    assert cured.deficits == ((1, 56_000 * DOLLAR),), "16,000 owed, and 40,000 of initial margin"
    assert cured.paid == ((second, 1, 56_000 * DOLLAR),)
    assert world.lots(ALICE, BTC_PERP) == 40_000
    assert world.status(1) is MemberStatus.ACTIVE


def test_the_house_bears_no_more_than_it_has() -> None:
    world = default_world(DefaultTerms(enabled=True, house_capital_micros=10**9 * DOLLAR), NO_FUND)
    world.block(world.withdrawal(HOUSE, 1, 99_900 * DOLLAR))
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    (ended,) = of_kind(world.fall(500_000), DefaultEnded)
    assert ended.by_layer == ((3, 100 * DOLLAR), (6, 15_900 * DOLLAR))
    assert ended.house == 0


def test_the_last_unit_of_collateral_is_paid_for_whole() -> None:
    world = default_world(NOTHING, NO_FUND)
    world.block(facts=[world.deposit_fact(ALICE, WETH_1, 10**18)])
    context = BlockContext(world.state.fork(), world.make_block())
    assert buy_collateral(context, 1, ALICE, 1_001) == 1_001
    (taken,) = [each for each in context.receipts if isinstance(each, CollateralTaken)]
    assert (taken.units, taken.micros_per_unit, taken.counted_micros, taken.returned) == (6, 180, 1_001, 79)
    assert balance(context.state, ALICE, 1) == world.cash(ALICE) + 79


def test_no_account_is_brought_below_maintenance_margin_for_another() -> None:
    world = default_world(DefaultTerms(enabled=True, auction_blocks=3), NO_FUND)
    second = world.open_account(ALICE)
    world.block(facts=[world.deposit_fact(second, 1, 60_000 * DOLLAR)])
    # 50,000 dollars in ether need 12,500 of initial margin, 10,000 of maintenance: 50,000 are to spare, 56,000 missing.
    world.bring(carol=100_000)
    world.block(world.perp_trade(ALICE, BOB, 40_000), world.perp_trade(second, CAROL, 25_000, ETH_PERP, 20_000))
    world.prices(500_000)
    world.block()
    assert not [each for one in world.results for each in of_kind(one, DeficitCured)]
    assert world.status(1) is MemberStatus.DEFAULTING
    assert world.lots(ALICE, ETH_PERP) == 25_000, "all of it is the estate's"


def test_own_accounts_help_each_other_before_there_is_a_default() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(client=20_000)
    world.block(world.perp_trade(ALICE_CLIENT, BOB, 9_000), world.perp_trade(ALICE, BOB, 46_000, ETH_PERP, 20_000))
    world.prices(500_000)
    for _ in range(3):
        world.block()
    cured = [each for one in world.results for each in of_kind(one, DeficitCured)]
    assert [each.account for each in cured] == [ALICE_CLIENT]
    assert not [each for one in world.results for each in of_kind(one, DefaultDeclared)]


def test_a_statement_can_be_taken_and_blocks_replayed_in_the_middle_of_a_default() -> None:
    world = default_world()
    world.bring(alice=30_000, bob=30_000)
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    world.fund_paid_in()
    world.fall(500_000)
    epoch = world.state.now.epoch
    while world.state.now.epoch == epoch and not world.default().ended_height:
        world.stride += 4
        world.block(facts=world.custody_facts(world.stride))
    assert is_snapshot_possible(world.state)
    assert world.default().phase is DefaultPhase.OPEN
    snapshot = take_snapshot(world.state)
    assert snapshot
    same, _ = apply_block(world.state, world.make_block())
    assert same.module_roots()


def test_positions_of_other_own_accounts_are_brought_into_the_estate() -> None:
    world = default_world(DefaultTerms(enabled=True, auction_blocks=3), NO_FUND)
    second = world.open_account(ALICE)
    world.block(facts=[world.deposit_fact(second, 1, 10_000 * DOLLAR)])
    world.block(world.perp_trade(ALICE, BOB, 42_000), world.perp_trade(BOB, second, 2_000))
    world.fall(500_000)
    pooled = [each for one in world.results for each in of_kind(one, EstatePooled)]
    assert [(each.account, each.estate, each.positions) for each in pooled] == [(second, ALICE, ((BTC_PERP, -2_000),))]
    assert world.lots(ALICE, BTC_PERP) == 40_000
    assert world.lots(second, BTC_PERP) == world.cash(second) == 0
    world.until_ended()
    assert not [each for one in world.results for each in of_kind(one, Liquidated) if each.account == ALICE]
