"""Moves of history: exact prices and volatilities of every observation, from prices and agreed surfaces, as the
requirement that a state publishes once an epoch."""

import msgspec
import pytest

from clearing.base.errors import LocalFault
from clearing.base.units import DAY_MS, PPM
from clearing.epochs.snapshot import take_snapshot
from clearing.genesis.checks import check_terms
from clearing.margin.requirement.account_margin import account_margin
from clearing.margin.statement.snapshot import SlotKind
from clearing.price_ranges.historical_moves import GroupHorizon, historical_moves, historical_requirement
from clearing.price_ranges.history import deviation_over, sqrt_up
from clearing.price_ranges.update import observation_window
from clearing.price_ranges.volatility_levels import reference_level_ppm
from clearing.schema.receipts.prices import RangePublished
from clearing.schema.records.prices import GroupMove, MovesRecord
from clearing.schema.risk.history import HistoricalMove, HistoricalRequirement, HistoricalScenario
from clearing.schema.risk.parameters import JointCredit
from clearing.schema.risk.price_ranges import check_range_parameters
from clearing.schema.risk.volatility_surface import VolPillar
from clearing.state.effective_parameters import effective_parameters
from clearing.state.export import export_state, import_state
from clearing.state.holdings import current_arrays
from proofs.statement.rulebook_checks import check_rulebook
from tests.kit.clearing.fuzz import check_provable
from tests.kit.clearing.genesis import BTC_PERP, SALT
from tests.kit.clearing.ranged import PATH, RULES
from tests.kit.clearing.surfaced import FAR, NEAR, SurfacedWorld, surfaced_genesis
from tests.kit.clearing.world import of_kind, roots
from tests.kit.margin.books import BTC, ETH, JOINT

replace = msgspec.structs.replace
HISTORY = replace(RULES, joint_scenarios=0, historical_scenarios=12, joint_tail_exact=True, joint_tail_ppm=250_000)
NOW = (GroupHorizon(20_000_000, 60_000_000), GroupHorizon(30_000_000, 0))


def observed(time_ms: int, *moves: tuple[int, int]) -> MovesRecord:
    return MovesRecord(time_ms, tuple(GroupMove(*move) for move in moves))


def test_past_moves_are_scaled_by_their_deviations_and_rounded_away_from_zero():
    returns = [observed(5, (-10_000_001, 10_000_000), (3_000, 15_000_000))]
    levels = {5: observed(5, (40_000_000, 80_000_000), (-7, 1))}
    assert historical_moves(returns, levels, NOW) == [((-20_001, 30_000), (6, 0))]


def test_what_was_not_observed_in_every_group_is_left_out():
    price, level = ((1, 1), (1, 1)), ((1, 1), (0, 0))
    returns = [observed(time, *price) for time in (1, 2, 3)]
    levels = {1: observed(1, *level), 3: observed(3, (5, 1), (5, 1))}
    assert len(historical_moves(returns, levels, NOW)) == 1


def test_the_largest_moves_are_kept_and_the_mild_ones_count_as_none():
    groups, rules = (BTC, ETH), replace(HISTORY, window_min=3, historical_scenarios=2, joint_tail_ppm=500_000)
    moves = [((10, 0), (0, 0)), ((-90_000, 0), (0, 0)), ((0, 200_000), (0, 1)), ((0, 0), (0, 0)), ((0, 0), (7, 0))]
    found = historical_requirement(moves, groups, rules, HistoricalRequirement())
    none = HistoricalScenario((HistoricalMove(0), HistoricalMove(0)), 3)
    assert (found.tail, found.tail_part_ppm) == (2, 500_000)
    assert none in found.scenarios
    assert {each.moves[0].price_ppm for each in found.scenarios} == {-90_000, 0}
    assert sum(each.count for each in found.scenarios) == len(moves)
    assert historical_requirement(moves[:2], groups, rules, HistoricalRequirement()) == HistoricalRequirement()


def test_the_level_is_that_of_thirty_days():
    near, far = VolPillar(20 * DAY_MS, 800_000), VolPillar(50 * DAY_MS, 650_000)
    variance = (800_000**2 * 20 * 20 + 650_000**2 * 50 * 10) / (30 * 30)
    assert reference_level_ppm((near, far)) == int(variance**0.5)
    assert reference_level_ppm((far,)) == 650_000
    assert reference_level_ppm((near,)) == 800_000


def world_of(rules=HISTORY) -> SurfacedWorld:
    return SurfacedWorld(surfaced_genesis(ranges=rules))


def played(world: SurfacedWorld, times: int = 2) -> SurfacedWorld:
    """Volatility moves with the price, and at times by itself."""
    for turn in range(times):
        for step, btc in enumerate(PATH):
            level = 700_000 + (790_000 - btc) * 2 + 1_000 * ((7 * step + turn) % 5)
            world.ticks[2] = 20_000 + (btc - 790_000) // 25
            world.quote((replace(NEAR, level_ppm=level), replace(FAR, level_ppm=level)), btc=btc)
    return world


@pytest.fixture(scope="module")
def story() -> SurfacedWorld:
    """A story that no test goes on with."""
    return played(world_of())


def test_the_window_has_the_moves_of_the_agreed_surface(story):
    levels = {record.time_ms: record for _, record in story.state.level_moves.ordered()}
    window = observation_window(story.state)
    assert [sample.time_ms for sample in window] == sorted(levels)
    btc = [levels[sample.time_ms].moves[0] for sample in window]
    rises = sum(move.return_nano > 0 for move in btc if move.deviation_nano)
    falls = sum(move.return_nano < 0 for move in btc if move.deviation_nano)
    assert min(rises, falls) >= 5


def test_the_moves_in_force_are_those_of_the_window(story):
    stated = effective_parameters(story.state).history
    assert 1 < len(stated.scenarios) <= HISTORY.historical_scenarios + 1
    assert any(scenario.moves[0].volatility_ppm for scenario in stated.scenarios)
    assert sum(scenario.count for scenario in stated.scenarios) >= HISTORY.window_min
    assert (stated.tail, stated.tail_part_ppm) == HISTORY.joint_tail(sum(each.count for each in stated.scenarios))
    assert current_arrays(story.state).parameters.history == stated


def test_an_account_is_charged_at_least_the_shortfall_of_the_moves_in_force(story):
    arrays = current_arrays(story.state)
    lots = [0] * len(arrays.instruments)
    lots[[each.id for each in arrays.instruments].index(BTC_PERP)] = 1_000
    margin = account_margin(arrays, [0] * len(arrays.cash_groups), [0] * len(arrays.assets), lots)
    group = [each.id for each in arrays.groups].index(1)
    stated, notional = arrays.parameters.history, arrays.index_ticks[0] * 1_000 * arrays.instruments[0].micros_per_tick
    losses = sorted(
        (-scenario.moves[group].price_ppm for scenario in stated.scenarios for _ in range(scenario.count)), reverse=True
    )
    mean = (sum(losses[: stated.tail]) + losses[stated.tail] * stated.tail_part_ppm / PPM) / (
        stated.tail + stated.tail_part_ppm / PPM
    )
    # each move is rounded to a whole tick, of a thousand lots
    assert margin.terms.joint >= mean * notional / PPM - 1
    assert margin.initial >= margin.terms.joint


def test_a_group_without_a_surface_follows_the_deviation_of_its_price(story):
    record = story.state.level_variances[2]
    assert record.price_ticks == sqrt_up(story.state.variances[2].variance)


def test_the_floor_keeps_volatility_at_its_long_run(story):
    calm, floored = (played(world_of(replace(HISTORY, joint_floor=floor))) for floor in (False, True))
    known = calm.state.level_variances[1]
    sizes = [
        max(abs(each.moves[0].volatility_ppm) for each in effective_parameters(world.state).history.scenarios)
        for world in (calm, floored)
    ]
    assert sizes[1] >= sizes[0]
    assert deviation_over(max(known.variance, known.long_variance), 1, 1) >= deviation_over(known.variance, 1, 1)


def test_a_stale_surface_is_not_observed():
    world = played(world_of())
    before = world.state.level_variances[1]
    world.unquoted(blocks=3, after_ms=600_000)
    newest = observation_window(world.state)[-1]
    levels = {record.time_ms: record for _, record in world.state.level_moves.ordered()}
    assert levels[newest.time_ms].moves[0] == GroupMove(0, 0)
    assert world.state.level_variances[1] == before


def test_replicas_and_copies_have_the_same_moves(story):
    again = played(world_of())
    assert roots(again.state) == roots(story.state)
    copy = import_state(story.genesis, SALT, export_state(story.state))
    assert roots(copy) == roots(story.state)


def test_arrays_follow_the_moves_in_the_block_that_publishes_them():
    world = world_of()
    for btc in PATH * 2:
        published = of_kind(world.quote(btc=btc), RangePublished)
        assert not published or current_arrays(world.state).parameters == effective_parameters(world.state)


def test_an_epoch_under_history_can_be_proven_and_compared_with_its_genesis():
    world = played(world_of())
    world.block(facts=world.custody_facts(400))
    played(world, times=1)
    check_provable(world.state)
    statement = take_snapshot(world.state).statement
    assert any(slot.kind is SlotKind.HISTORICAL for slot in statement.slots)
    assert "under the genesis' parameters" in check_rulebook(statement, world.genesis)


def test_while_history_is_off_no_level_is_recorded():
    world = played(world_of(replace(HISTORY, historical_scenarios=0)), times=1)
    assert not list(world.state.level_variances.ordered())
    assert not list(world.state.level_moves.ordered())
    assert not list(world.state.historical_moves.ordered())


def test_history_and_a_credit_by_the_grid_exclude_each_other():
    with pytest.raises(LocalFault):
        check_range_parameters(replace(HISTORY, joint_scenarios=3))
    genesis = surfaced_genesis(ranges=HISTORY)
    columns = replace(JOINT, scenarios=tuple(replace(each) for each in JOINT.scenarios))
    with pytest.raises(LocalFault) as refused:
        check_terms(replace(genesis, risk=replace(genesis.risk, joint=columns)))
    assert "historical_scenarios" in str(refused.value)
    check_terms(replace(genesis, risk=replace(genesis.risk, joint=JointCredit())))
