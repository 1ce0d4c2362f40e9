"""Haircuts follow what they are made of, and holders are looked at again when they do."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.apply_block import apply_block
from clearing.base.errors import LocalFault
from clearing.collateral.haircut_rates import outage_component, total_haircut
from clearing.pricing.value_after_haircut import unit_value_after_haircut
from clearing.schema.blocks.block import VoteExtension
from clearing.schema.receipts.collateral import HaircutChanged
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.terms.collateral import HaircutTerms
from clearing.state.effective_parameters import effective_assets
from clearing.state.holdings import current_arrays
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, ETH, POWERS, WETH_1
from tests.kit.clearing.vaults import HAIRCUT, RATE_FEED, STETH_2, genesis_with, opened, vault_world
from tests.kit.clearing.world import World, of_kind, reports


def haircut_of(world: World, asset: int) -> int:
    return next(each.haircut_ppm for each in effective_assets(world.state) if each.id == asset)


def token_value(world: World) -> int:
    """Of a unit of WETH."""
    return int(current_arrays(world.state).token_values[0])


def test_with_all_terms_off_haircuts_are_those_of_genesis() -> None:
    world = opened(genesis_with())
    assert effective_assets(world.state)[0] is world.genesis.assets[2]
    assert not list(world.state.haircuts.ordered())
    assert not any(of_kind(result, HaircutChanged) for result in world.results)


def test_the_haircut_is_base_and_parts_rounded_up_to_the_step() -> None:
    # 10 % + 20 % of the ETH range of 25 % + 0.5 % liquidity + 0.25 % finality, no doubt, chain alive.
    world = opened(genesis_with(haircut=HAIRCUT))
    assert haircut_of(world, WETH_1) == 157_500
    last = [receipt for result in world.results for receipt in of_kind(result, HaircutChanged)][-1]
    parts = (("base", 100_000), ("volatility", 50_000), ("liquidity", 5_000), ("finality", 2_500))
    assert (last.haircut_ppm, last.parts) == (157_500, parts)
    assert token_value(world) == 20_000 * 10_000 * (1_000_000 - 157_500) // 10**12


def test_the_oracles_doubt_counts_by_its_upper_median() -> None:
    world = opened(genesis_with(haircut=HAIRCUT))
    time_ms, beats = world.state.now.time_ms + 1_000, tuple(world.heartbeats())
    sure = reports(*world.ticks.items(), time_ms=time_ms)
    extensions = []
    for doubt in (20, 40, 300, 400):
        prices = tuple(msgspec.structs.replace(each, confidence_ticks=doubt * (each.feed == ETH)) for each in sure)
        extensions.append(VoteExtension(prices, beats))
    world.apply(world.make_block((), extensions))
    # 300 of 20,000 ticks is 1.5 %, twice of which is added.
    assert haircut_of(world, WETH_1) == 157_500 + 30_000


def test_a_silent_chain_raises_its_tokens_haircut_step_by_step_up_to_all_of_it() -> None:
    world = opened(genesis_with(haircut=HAIRCUT))
    seen = []
    for _ in range(40):
        world.block(silent=(1,))
        seen.append(haircut_of(world, WETH_1))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1], token_value(world)) == (157_500, 1_000_000, 0)
    assert haircut_of(world, STETH_2) == 100_000, "the other chain is alive"
    world.block()
    world.block()
    assert haircut_of(world, WETH_1) == 157_500, "and back when it goes on"


def test_an_outage_of_our_own_is_none_of_the_chains() -> None:
    world = opened(genesis_with(haircut=HAIRCUT))
    world.block(after_ms=86_400_000)
    assert haircut_of(world, WETH_1) == 157_500
    world.block()
    assert haircut_of(world, WETH_1) == 157_500
    late = vault_world(genesis_with(haircut=HAIRCUT))
    late.block(after_ms=86_400_000, silent=(1, 2))
    assert haircut_of(late, WETH_1) == 157_500, "a day after genesis nobody was heard yet"


def test_an_outage_of_one_step_counts_from_the_first_millisecond_beyond() -> None:
    token = genesis_with(haircut=HAIRCUT).assets[2]
    silences = (10_000, 10_001, 15_000, 15_001)
    assert [outage_component(token, silence) for silence in silences] == [0, 200_000, 200_000, 400_000]


def test_accounts_are_margined_again_when_their_chain_falls_silent() -> None:
    world = opened(genesis_with(haircut=HAIRCUT), dollars=10_000)
    # Alice: 10,000 cash and 50 WETH at 200.00, worth 8,425 after haircut. 9,500 lots require 15,010.
    world.block(world.perp_trade(ALICE, BOB, 9_500))
    assert world.lots(ALICE, BTC_PERP) == 9_500
    results = [world.block(silent=(1,)) for _ in range(40)]
    for kind in (MarginCalled, Liquidated):
        assert ALICE in {each.account for result in results for each in of_kind(result, kind)}
    assert world.margin(ALICE).maintenance_ok


def test_a_yield_bearing_token_is_worth_shares_times_rate_less_both_haircuts() -> None:
    world = opened(genesis_with())
    steth = effective_assets(world.state)[1]
    assert steth.rate_ticks == 1_100_000
    # 200.00 x 1.1 x 0.9 x 0.98 a token; a millionth of it a unit.
    assert unit_value_after_haircut(steth, 20_000) == 200 * 110 * 90 * 98 // (100 * 100 * 100)
    before = world.margin(CAROL).equity
    world.ticks[RATE_FEED] = 1_210_000
    world.block()
    assert world.margin(CAROL).equity - before == 20_000_000 * (213 - 194)


def test_a_rate_without_a_price_makes_the_token_worth_nothing() -> None:
    world = vault_world(genesis_with())
    world.block(unpriced=(RATE_FEED,))
    assert unit_value_after_haircut(effective_assets(world.state)[1], 20_000) == 0
    world.block()
    assert unit_value_after_haircut(effective_assets(world.state)[1], 20_000) == 194


@given(st.lists(st.integers(0, 2_000_000), max_size=6), st.integers(1, 1_000_000))
def test_a_haircut_is_never_above_all_nor_below_its_parts(parts: list[int], step: int) -> None:
    named = tuple((str(at), part) for at, part in enumerate(parts))
    whole = total_haircut(named, step)
    assert whole <= 1_000_000
    assert whole == 1_000_000 or (whole >= sum(parts) and whole % step == 0)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_longer_silence_never_lowers_a_haircut(one: int, other: int) -> None:
    token = genesis_with(haircut=HAIRCUT).assets[2]
    low, high = sorted((one, other))
    assert outage_component(token, low) <= outage_component(token, high) <= 1_000_000


@given(st.lists(st.sampled_from(((), (1,), (2,), (1, 2))), min_size=1, max_size=12), st.integers(10_000, 40_000))
@settings(max_examples=15, deadline=None)
def test_a_restored_state_has_the_same_haircuts_and_goes_on_alike(path: list[tuple[int, ...]], eth: int) -> None:
    world = opened(genesis_with(haircut=HAIRCUT))
    world.ticks[ETH] = eth
    for silent in path:
        world.block(silent=silent, after_ms=4_000)
    copy = world.restored()
    assert effective_assets(copy) == effective_assets(world.state)
    block = world.make_block((), [None] * len(POWERS), 4_000)
    assert apply_block(copy, block)[1] == apply_block(world.state, block)[1]


@pytest.mark.parametrize(
    "terms", [HaircutTerms(step_ppm=0), HaircutTerms(outage_step_ms=0), HaircutTerms(range_share_ppm=10_000_001)]
)
def test_a_genesis_with_meaningless_haircut_terms_is_refused(terms: HaircutTerms) -> None:
    with pytest.raises(LocalFault, match="haircut"):
        genesis_with(haircut=terms)
