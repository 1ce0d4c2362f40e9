"""Collateral inside the scenarios, in the state: its haircut, what it may back, how it is explained and sold."""

import msgspec
import pytest

from clearing.base.codec import encode_trimmed
from clearing.base.errors import LocalFault
from clearing.genesis.checks import check_genesis
from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.governance.bounds import bounds
from clearing.margin_explanation import collect_margin_inputs, explain_margin
from clearing.margin_simulation import Shock, at_index, is_liquidatable, liquidation_prices, simulate
from clearing.schema.receipts.collateral import HaircutChanged
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.collateral import HaircutTerms, ScenarioTerms
from clearing.schema.terms.genesis import FIRST_FIELDS, network_id
from clearing.state.effective_parameters import effective_assets
from clearing.state.holdings import current_arrays
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, DOLLAR, ETH, ETH_PERP, WETH_1, make_genesis
from tests.kit.clearing.inside import SPOT, endowed, inside_genesis
from tests.kit.clearing.vaults import HAIRCUT
from tests.kit.clearing.world import World, of_kind

GENESIS = inside_genesis(powers={1: 1})
OUTSIDE = make_genesis(powers={1: 1})


def test_a_genesis_with_a_token_inside_is_good_and_survives_json() -> None:
    check_genesis(GENESIS)
    assert genesis_from_json(genesis_to_json(GENESIS)) == GENESIS
    assert network_id(GENESIS) != network_id(OUTSIDE)


def test_terms_that_are_off_are_not_hashed() -> None:
    counts = [
        {asset.name: len(items) for asset, items in zip(each.assets, msgspec.msgpack.decode(hashed), strict=True)}
        for each in (OUTSIDE, GENESIS)
        for hashed in [encode_trimmed(each.assets, FIRST_FIELDS)]
    ]
    all_fields = len(Asset.__struct_fields__)
    assert set(counts[0].values()) == {all_fields - 1}, "as before there were any"
    assert counts[1] == counts[0] | {"WETH-1": all_fields}


@pytest.mark.parametrize(
    "terms",
    [
        ScenarioTerms(3, 30_000),  # no such group
        ScenarioTerms(1, 30_000),  # a group on another feed
        ScenarioTerms(2, 30_000, fall_share_ppm=1_000_000),  # its own group, in which it also rises
        ScenarioTerms(2, 1_000_001),
        ScenarioTerms(1, 30_000, fall_share_ppm=3_000_001),
        ScenarioTerms(0, 30_000),
    ],
)
def test_a_token_moves_with_a_listed_group_by_its_feed_or_falls_with_another(terms) -> None:
    with pytest.raises(LocalFault, match=r"WETH-1\.scenarios"):
        check_genesis(inside_genesis(terms, powers={1: 1}))
    check_genesis(inside_genesis(ScenarioTerms(1, 100_000, fall_share_ppm=1_000_000), powers={1: 1}))


def test_no_vote_takes_the_haircut_below_the_least_one() -> None:
    low = inside_genesis(msgspec.structs.replace(SPOT, haircut_ppm=4_999))
    broken = [[field for field, _, good in bounds(genesis) if not good] for genesis in (low, inside_genesis())]
    assert [field for field in broken[0] if field not in broken[1]] == ["assets.3.scenarios.haircut_ppm"]


def test_the_haircut_in_force_is_that_of_the_scenario_terms() -> None:
    world = endowed(inside_genesis())
    assert effective_assets(world.state)[0].haircut_ppm == 30_000
    assert int(current_arrays(world.state).token_values[0]) == 20_000 * 10_000 * 97 // 100 // 10**6


def test_a_dynamic_haircut_has_no_part_for_moves_that_scenarios_cover() -> None:
    world = endowed(inside_genesis(haircut=HAIRCUT))
    last = [receipt for result in world.results for receipt in of_kind(result, HaircutChanged)][-1]
    assert last.parts == (("base", 30_000), ("liquidity", 5_000), ("finality", 2_500))
    assert effective_assets(world.state)[0].haircut_ppm == 37_500


def test_a_token_that_falls_along_keeps_the_part_for_its_own_volatility() -> None:
    terms = ScenarioTerms(1, 100_000, fall_share_ppm=500_000)
    world = endowed(inside_genesis(terms, HaircutTerms(range_share_ppm=200_000)))
    assert effective_assets(world.state)[0].haircut_ppm == 150_000


def test_weth_backs_a_short_of_its_own_size_with_little_margin_and_adds_to_a_long() -> None:
    world = endowed(inside_genesis())
    mark = world.state.marks[ETH_PERP].ticks
    alone = world.margin(ALICE).initial
    world.block(world.trade(BOB, ALICE, ETH_PERP, 1_000, mark))  # ten ETH short
    hedged = world.margin(ALICE).initial
    world.block(world.trade(ALICE, BOB, ETH_PERP, 2_000, mark))  # ten ETH long
    wrong_way = world.margin(ALICE).initial
    assert len([each for result in world.results for each in of_kind(result, TradeNovated)]) == 2
    assert alone == 10 * 10**6 * (194 - 145) * 1, "a move of 25 % of 194 dollars, rounded against the member"
    assert hedged < alone // 20
    assert wrong_way == alone + world.margin(BOB).initial


def test_terms_of_an_explanation_name_the_collateral_and_sum_to_the_margin() -> None:
    world = endowed(inside_genesis())
    world.block(world.trade(ALICE, BOB, ETH_PERP, 300, world.state.marks[ETH_PERP].ticks))
    explained = explain_margin(collect_margin_inputs(world.state, ALICE))
    (loss,) = [term for term in explained.requirement if term.name == "group_loss"]
    assert [part.name for part in loss.parts] == ["position_loss", "collateral_loss"]
    assert sum(part.micros for part in loss.parts) == loss.micros == explained.margin.initial
    assert sum(term.micros for term in explained.equity) == explained.margin.equity == world.margin(ALICE).equity


def test_a_simulated_move_of_the_feed_moves_token_and_position_alike() -> None:
    world = endowed(inside_genesis(), dollars=1_000)
    world.block(world.trade(BOB, ALICE, ETH_PERP, 1_000, world.state.marks[ETH_PERP].ticks))
    inputs = collect_margin_inputs(world.state, ALICE)
    after = simulate(inputs, Shock({ETH: 100_000}))
    world.prices(790_000, 22_000)
    explained = explain_margin(after).margin
    assert (explained.equity, explained.initial) == (world.margin(ALICE).equity, world.margin(ALICE).initial)


def test_the_liquidation_price_comes_from_the_same_margin() -> None:
    world = endowed(inside_genesis(), dollars=1_500)
    world.block(world.trade(ALICE, BOB, ETH_PERP, 2_000, world.state.marks[ETH_PERP].ticks))
    inputs = collect_margin_inputs(world.state, ALICE)
    (found,) = [price for price in liquidation_prices(inputs) if price.feed == ETH]
    assert found.below_ticks is not None
    assert is_liquidatable(at_index(inputs, ETH, found.below_ticks))
    assert not is_liquidatable(at_index(inputs, ETH, found.below_ticks + 1))


def indebted() -> World:
    """Alice has ten WETH, no position, and owes 500 dollars after a loss in BTC."""
    world = endowed(inside_genesis(), dollars=1_000)
    world.pay_in(BOB, 10_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 800, world.state.marks[BTC_PERP].ticks))
    world.prices(602_500)
    world.block(world.trade(BOB, ALICE, BTC_PERP, 800, 602_500))
    assert (world.cash(ALICE), world.lots(ALICE, BTC_PERP)) == (-500 * DOLLAR, 0)
    return world


def test_a_debt_behind_the_token_needs_what_the_worst_scenario_takes_of_it() -> None:
    world = indebted()
    margin, least = world.margin(ALICE), min(current_arrays(world.state).token_rows[0])
    assert margin.equity - margin.initial == least * world.weth(ALICE) - 500 * DOLLAR


def test_a_debt_behind_falling_collateral_without_positions_is_paid_from_it() -> None:
    world = indebted()
    for eth in (15_000, 11_000, 8_000, 6_000):
        assert world.cash(ALICE) < 0
        world.prices(602_500, eth)
    assert world.cash(ALICE) >= 0
    assert world.margin(ALICE).initial_ok
    assert world.weth(ALICE) > 0, "sold while it was still worth more than the debt"


def test_deposit_and_withdrawal_of_the_token_leave_nothing_behind() -> None:
    world = endowed(inside_genesis())
    before = world.margin(BOB)
    world.deposit(BOB, WETH_1, 3 * 10**6)
    assert world.margin(BOB).equity > before.equity
    world.block(world.withdrawal(BOB, WETH_1, 3 * 10**6))
    assert world.units(BOB, WETH_1) == 0
    after = world.margin(BOB)
    assert (after.equity, after.initial) == (before.equity, before.initial)
