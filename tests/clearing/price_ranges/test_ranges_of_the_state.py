"""Ranges in the state: when they are observed and published, who sees them; replicas agree in hostile blocks."""

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.apply_block import apply_block
from clearing.base.errors import LocalFault
from clearing.epochs.snapshot import is_snapshot_possible, take_snapshot
from clearing.initial_state import initial_state
from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.price_ranges.delays import inclusion_delay_ms, next_average, report_age_ms
from clearing.price_ranges.range_rule import price_range_ppm
from clearing.price_ranges.update import group_variance, observation_window
from clearing.schema.blocks.block import BlockInput
from clearing.schema.facts import ChainHeartbeat
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.receipts.prices import RangePublished
from clearing.schema.records.prices import FeedStatus
from clearing.schema.risk.price_ranges import check_range_parameters
from clearing.schema.risk.volatility_surface import VolPillar
from clearing.state.effective_parameters import effective_parameters
from clearing.state.export import export_state, import_state
from clearing.state.holdings import current_arrays
from tests.kit.clearing.fuzz import BLOCKS, MEMBERS, Fuzz, check_provable
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, DOLLAR, ETH, ETH_PERP, SALT, USDC_1, make_genesis
from tests.kit.clearing.ranged import RULES, ranged, ranged_genesis, walk
from tests.kit.clearing.world import World, executed, funded, of_kind, roots
from tests.kit.complete import COMPLETE
from tests.kit.hash_seeds import digest_of, printed


@pytest.fixture(scope="module")
def played() -> World:
    """A story that no test goes on with."""
    return story()


def story() -> World:
    world = ranged()
    world.block(world.trade(ALICE, BOB, BTC_PERP, 4_500, 790_000), world.trade(BOB, ALICE, ETH_PERP, 900, 20_000))
    walk(world, times=2)
    world.block(facts=world.custody_facts(400))
    walk(world)
    return world


def test_without_an_interval_genesis_stands():
    world = funded()
    walk(world)
    assert effective_parameters(world.state) is world.genesis.risk
    assert not list(world.state.returns.ordered())
    assert not list(world.state.price_ranges.ordered())


def test_ranges_follow_the_market_once_an_epoch():
    world = ranged()
    results = walk(world, times=2)
    receipts = [(result.height, each) for result in results for each in of_kind(result, RangePublished)]
    assert receipts
    assert all(height % world.genesis.market.epoch_blocks == 0 for height, _ in receipts)
    last = {each.group: each.range_ppm for _, each in receipts}
    for group in effective_parameters(world.state).groups:
        assert group.range_ppm == world.state.price_ranges[group.id].range_ppm == last[group.id]
        assert group.range_ppm != world.state.terms.groups[group.id].range_ppm
    assert current_arrays(world.state).parameters == effective_parameters(world.state)


def test_a_receipt_tells_how_procyclical_a_change_was():
    world = ranged()
    before = {group.id: group.range_ppm for group in world.genesis.risk.groups}
    for result in walk(world, times=2):
        for each in of_kind(result, RangePublished):
            assert each.previous_ppm == before[each.group]
            assert each.ratio_ppm == -(-each.range_ppm * 1_000_000 // each.previous_ppm)
            assert 990_000 <= each.ratio_ppm <= 1_500_001
            before[each.group] = each.range_ppm
    for group, record in world.state.price_ranges.ordered():
        assert record.lowest_ppm <= before[group] <= record.highest_ppm


def test_the_first_raw_range_is_that_of_genesis():
    genesis = ranged_genesis()
    for group in genesis.risk.groups:
        first = group_variance(initial_state(genesis, SALT), group).variance
        found = price_range_ppm(first, RULES.multiple_ppm, RULES.horizon_ms, RULES.interval_ms)
        assert found - group.range_ppm in (0, 1)


def test_a_return_is_observed_no_sooner_than_an_interval():
    world = ranged(msgspec.structs.replace(RULES, interval_ms=2_500))
    walk(world)
    times = [sample.time_ms for sample in observation_window(world.state)]
    assert times
    assert all(after - before >= 2_500 for before, after in itertools.pairwise(times))


def test_the_window_forgets_the_oldest():
    world = ranged()
    walk(world, times=4)
    times = sorted(sample.time_ms for sample in observation_window(world.state))
    assert len(times) == RULES.window
    assert times[0] == world.time_ms - (RULES.window - 1) * 1_000


def test_a_feed_that_is_not_open_is_not_observed_and_its_gap_counts_once():
    world = ranged()
    walk(world)
    before = world.state.variances[ETH]
    for _ in range(9):
        world.block(prices=((BTC, 790_000),))
    assert world.state.feeds[ETH].status is FeedStatus.STALE
    stale = world.state.variances[ETH]
    assert stale.observations - before.observations <= 5  # open until its reports were too old
    assert stale.age_ms > before.age_ms
    for _ in range(2):
        world.prices(790_000, stale.price_ticks * 11 // 10)
    moves = [sample.moves[1] for sample in observation_window(world.state) if sample.time_ms > stale.time_ms]
    moved = [move.return_nano for move in moves if move.deviation_nano]
    assert 0 < max(moved) < 10**8  # ten percent, over several intervals


def test_every_holder_is_looked_at_when_a_range_grows():
    world = ranged(dollars=8_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 4_500, 790_000))
    margins = [world.margin(ALICE).initial]
    for btc in (900_000, 700_000, 905_000, 720_000, 890_000, 790_000, 790_000, 790_000, 790_000, 790_000):
        result = world.prices(btc)
        margins.append(world.margin(ALICE).initial)
        if of_kind(result, RangePublished) and margins[-1] > 8_000 * DOLLAR:
            break
    assert max(margins) > margins[0]
    assert any(of_kind(result, MarginCalled) for result in world.results)


def test_arrays_and_snapshot_see_the_same_ranges(played):
    genesis, state = played.genesis, played.state
    marks = {instrument: mark.ticks for instrument, mark in state.marks.ordered()}
    index = {feed: record.ticks for feed, record in state.feeds.ordered()}
    listed = genesis.instruments, genesis.assets, genesis.cash_groups
    parameters = effective_parameters(state)
    built = build_risk_arrays(*listed, marks, index, parameters, state.now.arrays_time_ms)
    assert built.rows == current_arrays(state).rows
    assert parameters != genesis.risk
    assert take_snapshot(state).statement.scenarios == len(genesis.risk.scenarios)


def test_joint_scenarios_of_history_give_credit_between_groups(played):
    credit = effective_parameters(played.state).joint
    assert credit.scenarios
    assert sum(each.count for each in credit.scenarios) == RULES.window
    margin = played.margin(ALICE)
    assert margin.initial < sum(margin.group_losses) <= 5 * margin.initial


def test_a_window_that_went_round_is_in_order_of_time(played):
    times = [sample.time_ms for sample in observation_window(played.state)]
    slots = [sample.time_ms for _, sample in played.state.returns.ordered()]
    assert times == sorted(times) != slots


def test_export_and_import_keep_ranges(played):
    state = initial_state(played.genesis, SALT)
    for block, expected in zip(played.blocks, played.results, strict=True):
        fork, result = apply_block(import_state(played.genesis, SALT, export_state(state)), block)
        assert result == expected
        state = fork.absorb()
    assert roots(state) == roots(played.state)
    assert effective_parameters(state) == effective_parameters(played.state)


def test_a_fork_publishes_nothing_in_its_parent(played):
    before, block, fork = effective_parameters(played.state), played.make_block(), played.state
    for step in range(6):
        later = msgspec.structs.replace(block, height=block.height + step, time_ms=block.time_ms + step)
        fork, _ = apply_block(fork, later)
    assert effective_parameters(fork) != before or fork.range_clock[0] != played.state.range_clock[0]
    assert effective_parameters(played.state) == before


def test_roots_do_not_depend_on_the_hash_seed(played):
    results = printed("tests.clearing.price_ranges.test_ranges_of_the_state", "story().results")
    assert results == {digest_of(played.results)}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2**40 - 1), st.integers(0, 50_000)), min_size=1, max_size=30))
def test_no_prices_stop_the_ranges(path):
    world = World(ranged_genesis(msgspec.structs.replace(RULES, volatility_weight_ppm=500_000)), check=False)
    for btc, after_ms in path:
        world.prices(btc, after_ms=after_ms)
    for group in effective_parameters(world.state).groups:
        assert RULES.range_min_ppm <= group.range_ppm <= RULES.range_max_ppm
    assert world.restored().module_roots() == world.state.module_roots()


def beats(number: int) -> tuple[ChainHeartbeat, ...]:
    return tuple(ChainHeartbeat(chain, number, b"\x0b" * 32) for chain in (1, 2))


def test_the_horizon_grows_when_a_chain_is_slow():
    world = ranged()
    for number in range(1, 12):
        world.prices(790_000, facts=beats(number))
    assert world.state.chain_delays[1].gap_ms == 1_000
    assert inclusion_delay_ms(world.state, world.time_ms) == 1_000
    quick = world.state.price_ranges[1].horizon_ms
    for number in range(12, 16):
        for _ in range(2):
            world.prices(790_000, after_ms=5_000)
        world.prices(790_000, facts=beats(number))
    assert 2_000 < world.state.chain_delays[1].gap_ms < 11_000
    assert world.state.price_ranges[1].horizon_ms > quick
    assert world.state.price_ranges[1].raw_ppm > 0
    for _ in range(10):
        world.prices(790_000, after_ms=5_000)  # silence counts as lateness, up to the cap
    assert quick + 30_000 < world.state.price_ranges[1].horizon_ms <= RULES.horizon_ms + RULES.lateness_ms_max


def test_the_fastest_withdrawal_of_an_epoch_tells_the_delay():
    world = ranged()
    world.prices(790_000, facts=beats(1))
    world.block(world.withdrawal(BOB, USDC_1, DOLLAR), world.withdrawal(BOB, USDC_1, DOLLAR))
    released = world.time_ms
    world.prices(790_000, after_ms=3_000)
    world.block(facts=(executed(1, 0),), after_ms=1_000)
    took = world.time_ms - released
    assert world.state.now.height % 5 == 1 or world.state.chain_delays[1].fastest_ms in (0, took, took + 1_000)
    world.block(facts=(executed(1, 1),), after_ms=20_000)  # its owner waited: not the chain's fault
    while world.state.chain_delays[1].fastest_ms:
        world.prices(790_000)
    assert took <= world.state.chain_delays[1].paid_ms <= 25_000


def test_reports_age():
    world = ranged()
    world.prices(790_000)
    assert report_age_ms(world.state, BTC, world.time_ms) == 0
    assert report_age_ms(world.state, BTC, world.time_ms + 700) == 700
    world.block(after_ms=4_000)
    assert report_age_ms(world.state, BTC, world.time_ms) == 4_000


def test_an_average_starts_with_what_is_seen():
    assert next_average(0, 500, 900_000) == 500
    assert next_average(1_000, 2_000, 900_000) == 1_100
    assert next_average(1, 0, 900_000) == 1


def test_a_surface_does_not_follow_volatility():
    group = msgspec.structs.replace(make_genesis().risk.groups[0], surface=(VolPillar(1, 1_000_000),))
    follows = msgspec.structs.replace(RULES, volatility_weight_ppm=1)
    check_range_parameters(RULES, [group])
    check_range_parameters(follows, [])
    with pytest.raises(LocalFault, match="volatility_weight_ppm"):
        check_range_parameters(follows, [group])


def test_only_ranges_volatilities_and_joint_scenarios_differ_from_genesis(played):
    parameters, genesis = effective_parameters(played.state), played.genesis.risk
    still = {"range_ppm": 1, "volatility_ppm": 1, "volatility_range_ppm": 1}
    groups, of_genesis = (
        [msgspec.structs.replace(each, **still) for each in listed] for listed in (parameters.groups, genesis.groups)
    )
    assert groups == of_genesis
    assert msgspec.structs.replace(parameters, groups=genesis.groups, joint=genesis.joint) == genesis
    assert parameters != genesis


def test_prices_that_stood_still_prove_nothing():
    world = ranged()
    for _ in range(30):
        world.prices(790_000)
    record = world.state.price_ranges[1]
    assert record.multiple_ppm == 1_000_000
    assert record.raw_ppm > 0


class RangedFuzz(Fuzz):
    """The rulebook's stories in a network whose ranges, volatilities and joint scenarios move."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        rules = msgspec.structs.replace(RULES, volatility_weight_ppm=500_000, rise_ppm=2_000_000, fall_ppm=500_000)
        genesis = make_genesis(self.world.genesis.market, ranges=rules)
        self.world = funded(genesis=genesis, dollars=20_000)

    def check_value(self, block: BlockInput) -> None:
        state, rules = self.world.state, self.world.genesis.ranges
        for group in effective_parameters(state).groups:
            was = state.terms.groups[group.id].range_ppm
            assert group.range_ppm == was or rules.range_min_ppm <= group.range_ppm <= rules.range_max_ppm
        assert current_arrays(state).parameters == effective_parameters(state)
        if is_snapshot_possible(state):
            check_provable(state)


@pytest.mark.parametrize("seed", range(100 if COMPLETE else 4))
def test_no_block_stops_ranges_that_move(seed):
    fuzz = RangedFuzz(seed)
    for _ in range(BLOCKS):
        fuzz.step()
    fuzz.check_restart()
    assert any(of_kind(result, RangePublished) for result in fuzz.world.results)
    assert any(account in fuzz.world.state.accounts for account in MEMBERS)
