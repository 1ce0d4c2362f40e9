"""History of moves: variance, rescaling, quantiles that count what is to come, expected shortfall, joint scenarios."""

from fractions import Fraction
from math import isqrt

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.price_ranges.history import (
    MULTIPLE_MAX_PPM,
    NANO,
    RETURN_MAX_NANO,
    VARIANCE_MAX,
    deviation_over,
    expected_shortfall,
    first_variance,
    interval_return_nano,
    next_variance,
    observe_price,
    quantile_up,
    rescale_returns,
    spanned_moves,
    sqrt_up,
    standardised_move,
)
from clearing.price_ranges.joint_scenarios import GridLadder, column_sizes, grid_moves, joint_columns, joint_credit
from clearing.schema.records.prices import GroupMove, MovesRecord, VarianceRecord
from clearing.schema.risk.parameters import (
    SPAN_SIXTEEN,
    JointCredit,
    JointScenario,
    RiskGroup,
    RiskParameters,
    Scenario,
    joint_checks,
)
from clearing.schema.risk.price_ranges import RangeParameters

HOUR = 3_600_000
PPM = 1_000_000
variances = st.integers(0, VARIANCE_MAX)
returns = st.integers(-RETURN_MAX_NANO, RETURN_MAX_NANO)
prices = st.integers(1, 2**40 - 1)
spans = st.integers(1, 30 * 24 * HOUR)


def observed(variance_record: VarianceRecord, ticks: int, time_ms: int) -> tuple[VarianceRecord, GroupMove]:
    return observe_price(variance_record, ticks, time_ms, interval_ms=HOUR, decay_ppm=940_000, floor_samples=100)


def test_c14_the_weighted_variance():
    assert next_variance(400_000 * 10**9, 50_000_000, 940_000) == 526_000 * 10**9  # .0004, r = .05 -> .000526


@given(variances, returns, st.integers(1, PPM - 1))
def test_variance_is_rounded_up_and_stays_between_what_it_mixes(before, moved, decay):
    after = next_variance(before, moved, decay)
    exact = Fraction(before * decay + moved * moved * (PPM - decay), PPM)
    assert exact <= after < exact + 1
    assert min(before, moved * moved) <= after <= max(before, moved * moved) <= VARIANCE_MAX < 2**63


@given(st.integers(0, 10**40))
def test_the_square_root_is_the_least_whole_number_that_is_enough(value):
    root = sqrt_up(value)
    assert root * root >= value
    assert root == 0 or (root - 1) ** 2 < value
    assert root - isqrt(value) in (0, 1)


@given(variances, spans, spans)
def test_a_longer_span_never_deviates_less(variance, one, other):
    short, long = sorted((one, other))
    assert deviation_over(variance, short, HOUR) <= deviation_over(variance, long, HOUR)


@given(prices, prices, st.integers(HOUR, 100 * HOUR))
def test_a_return_is_rounded_away_from_zero_and_bounded(before, after, gap):
    moved = interval_return_nano(before, after, gap, HOUR)
    exact = Fraction((after - before) * NANO, before)
    assert ((moved > 0), (moved < 0)) == ((after > before), (after < before))
    assert abs(moved) <= RETURN_MAX_NANO
    if gap == HOUR and abs(exact) <= RETURN_MAX_NANO:
        assert abs(exact) <= abs(moved) < abs(exact) + 1


def test_deviation_grows_with_the_root_of_time():
    assert deviation_over(10**14, 4 * HOUR, HOUR) == 2 * deviation_over(10**14, HOUR, HOUR) == 20_000_000


def test_a_return_over_a_gap_counts_as_one_of_an_interval():
    assert interval_return_nano(100, 110, HOUR, HOUR) == 100_000_000
    assert interval_return_nano(100, 110, 4 * HOUR, HOUR) == 50_000_000
    assert interval_return_nano(100, 90, 4 * HOUR, HOUR) == -50_000_000


def test_the_first_price_is_no_move():
    record, move = observed(VarianceRecord(5, 5), 1_000, HOUR)
    assert move == GroupMove(0, 0)
    assert (record.variance, record.price_ticks, record.observations) == (5, 1_000, 0)


def test_the_deviation_that_goes_with_a_move_is_the_one_before_it():
    record, _ = observed(VarianceRecord(10**14, 10**14), 1_000, HOUR)
    after, move = observed(record, 1_050, 2 * HOUR)
    assert move == GroupMove(50_000_000, 10_000_000)
    assert after.variance == next_variance(10**14, 50_000_000, 940_000)
    assert after.observations == 1
    assert after.turbulence > 0


@settings(max_examples=50)
@given(st.lists(prices, min_size=2, max_size=30))
def test_no_history_leaves_the_range_of_the_records(series):
    variance_record = VarianceRecord(VARIANCE_MAX, VARIANCE_MAX)
    for at, ticks in enumerate(series):
        variance_record, move = observed(variance_record, ticks, at * HOUR)
        variances = variance_record.variance, variance_record.long_variance, variance_record.turbulence
        assert all(0 <= each <= VARIANCE_MAX for each in variances)
        assert abs(move.return_nano) <= RETURN_MAX_NANO


def test_the_long_run_variance_is_the_mean_until_its_memory_is_full():
    record, _ = observed(VarianceRecord(0, 0), 10**9, 0)
    for at, change in enumerate((10**7, -(10**7), 10**7), start=1):
        record, _ = observed(record, record.price_ticks + change, at * HOUR)
    assert record.long_variance == pytest.approx(0.75 * 10**14, rel=0.02)  # the first of four counts as zero


@given(st.integers(1, PPM), st.integers(PPM, 20 * PPM), spans, spans)
def test_the_first_variance_is_in_range(range_ppm, multiple, horizon, interval):
    record = first_variance(range_ppm, multiple, horizon, interval)
    assert 1 <= record.variance <= VARIANCE_MAX


M = 1_000_000  # a thousandth, in 10^-9


def test_c15_past_returns_in_today_s_proportion():
    returns = [-20 * M, 10 * M, -30 * M, 15 * M, 20 * M]
    deviations = [10 * M, 10 * M, 20 * M, 15 * M, 10 * M]
    assert rescale_returns(returns, deviations, 30 * M) == [-60 * M, 30 * M, -45 * M, 30 * M, 60 * M]


@given(st.lists(st.tuples(st.integers(-(10**10), 10**10), st.integers(1, 10**10))), st.integers(0, 10**10))
def test_rescaling_rounds_away_from_zero(pairs, now):
    scaled = rescale_returns([r for r, _ in pairs], [s for _, s in pairs], now)
    for (moved, then), after in zip(pairs, scaled, strict=True):
        exact = Fraction(abs(moved) * now, then)
        assert exact <= abs(after) < exact + 1
        assert after == 0 or (after > 0) == (moved > 0)


@pytest.mark.parametrize(
    ("figure", "arguments"),
    [
        pytest.param(rescale_returns, ([1, 2], [1], 3), id="a return without its deviation"),
        pytest.param(rescale_returns, ([1], [0], 3), id="a deviation of nothing"),
        pytest.param(quantile_up, ([], 990_000), id="a quantile of nothing"),
        pytest.param(expected_shortfall, ([], 1), id="a mean of nothing"),
        pytest.param(expected_shortfall, ([1], 0), id="a tail of nothing"),
    ],
)
def test_there_is_no_figure_of(figure, arguments):
    with pytest.raises(ValueError):
        figure(*arguments)


def test_a_move_is_measured_in_deviations():
    assert standardised_move(GroupMove(-30, 10)) == 3 * PPM
    assert standardised_move(GroupMove(10, 3)) == 3_333_334
    assert standardised_move(GroupMove(10**9, 1)) == MULTIPLE_MAX_PPM


def test_moves_in_a_row_are_one_over_the_root_of_time():
    moves = [GroupMove(10, 10), GroupMove(-4, 20), GroupMove(8, 30), GroupMove(1, 40), GroupMove(0, 0)]
    assert spanned_moves(moves, 1) == moves[:4]
    assert spanned_moves(moves, 4) == [GroupMove(15, 20)]
    assert spanned_moves(moves, 2) == [GroupMove(6, 15), GroupMove(4, 29), GroupMove(9, 43)]
    assert spanned_moves(moves, 6) == []


@pytest.mark.parametrize(
    ("count", "confidence", "rank"), [(99, 990_000, 99), (100, 990_000, 100), (199, 990_000, 198), (9, 500_000, 5)]
)
def test_the_quantile_counts_the_value_to_come(count, confidence, rank):
    assert quantile_up(range(1, count + 1), confidence) == rank


@given(st.lists(st.integers(), min_size=1), st.integers(1, PPM))
def test_enough_values_lie_at_or_below_the_quantile(values, confidence):
    value = quantile_up(sorted(values), confidence)
    below = sum(each <= value for each in values)
    assert below * PPM >= confidence * len(values)
    assert value in values


def test_expected_shortfall_is_the_mean_of_the_worst_rounded_up():
    assert expected_shortfall([1, 5, -3, 10], 2) == 8  # 7.5
    assert expected_shortfall([1], 5) == 1
    assert expected_shortfall([-3, -4], 2) == -3


@given(
    st.lists(st.integers(-(10**12), 10**12), min_size=1), st.lists(st.integers(-(10**12), 10**12)), st.integers(1, 9)
)
def test_expected_shortfall_is_subadditive(one, more, tail):
    other = (more + [0] * len(one))[: len(one)]
    both = [a + b for a, b in zip(one, other, strict=True)]
    assert expected_shortfall(both, tail) <= expected_shortfall(one, tail) + expected_shortfall(other, tail)


@given(st.lists(st.integers(), min_size=1), st.integers(1, 9), st.randoms())
def test_the_order_of_history_does_not_matter(losses, tail, chance):
    assert expected_shortfall(chance.sample(losses, len(losses)), tail) == expected_shortfall(losses, tail)


RULES = RangeParameters(interval_ms=1, joint_scenarios=8, window_min=2)
GROUPS = (RiskGroup(1, "BTC", 1, 90_000, 1, 0), RiskGroup(2, "ETH", 2, 90_000, 1, 0))
RISK = RiskParameters(GROUPS)
LADDER = GridLadder(SPAN_SIXTEEN, 90_000)


@pytest.mark.parametrize(
    ("thousandths", "direction", "column"),
    [
        (0, 1, 0),
        (1, 1, 3),  # +1/3 of 9 %, volatility up
        (30, -1, 4),  # exactly +3 %, volatility down
        (31, 1, 7),  # beyond 3 %: +2/3
        (-31, -1, 10),
        (61, 1, 15),  # 70 % of the range: the extreme of twice the range of which 35 % counts
        (64, 1, 11),  # beyond 6.3 %: the whole range
        (-90, -1, 14),
        (500, 1, 11),  # no column is far enough: the farthest
    ],
)
def test_a_move_is_rounded_outward_to_a_column(thousandths, direction, column):
    assert LADDER.column(thousandths * M, direction) == column


@given(st.integers(-(10**9), 10**9), st.sampled_from((1, -1)))
def test_a_column_moves_the_same_way_and_at_least_as_far(move, direction):
    column = LADDER.column(move, direction)
    moves = [0, *grid_moves(SPAN_SIXTEEN, 90_000)]
    assert (moves[column] > 0) == (move > 0)
    assert abs(moves[column]) >= min(abs(move), max(map(abs, moves)))


def test_a_one_sided_grid_has_no_column_for_the_other_side():
    ladder = GridLadder((Scenario(-1, 1, 0),), 100_000)
    assert ladder.column(-5, 1) == ladder.column(-5, -1) == 1
    assert ladder.column(5, 1) == 0


def test_tails_of_the_index_do_not_widen_with_the_range():
    grid = (Scenario(1, 5, 0, of_index=True), Scenario(1, 1, 0))
    assert grid_moves(grid, 90_000) == [200 * M, 90 * M]
    assert column_sizes(grid, 90_000) == [0, 2_222_222, 1_000_000]


def test_each_group_moves_in_proportion_to_its_own_deviations():
    sample = MovesRecord(0, (GroupMove(-10 * M, 5 * M), GroupMove(4 * M, 8 * M)))
    # -2 deviations of 20 thousandths, +1/2 of 40: -40 with volatility up, +20 with volatility down
    assert joint_columns([sample], RISK, GROUPS, [20 * M, 40 * M]) == [(9, 4)]


def test_what_was_not_observed_is_left_out():
    samples = [MovesRecord(0, (GroupMove(0, 0), GroupMove(4, 8))), MovesRecord(0, (GroupMove(4, 8),))]
    assert joint_columns(samples, RISK, GROUPS, [M, M]) == []


GENESIS = JointCredit(weight_ppm=700_000, keep_largest=True)


def credit_of(columns: list[tuple[int, ...]], **rules: int) -> JointCredit:
    sizes = [column_sizes(SPAN_SIXTEEN, 90_000)] * 2
    return joint_credit(columns, sizes, msgspec.structs.replace(RULES, **rules), GENESIS)


def test_genesis_stands_without_history_or_when_off():
    assert credit_of([(1, 1)]) is credit_of([(1, 1)] * 50, joint_scenarios=0) is GENESIS


columns = st.lists(st.tuples(st.integers(0, 16), st.integers(0, 16)), min_size=2, max_size=60)


@given(columns)
def test_every_credit_is_one_that_genesis_could_have_stated(found):
    credit = credit_of(found)
    assert all(good for _, _, good in joint_checks(credit, [16, 16]))
    assert sum(each.count for each in credit.scenarios) == len(found)
    assert len(credit.scenarios) <= RULES.joint_scenarios + 1
    assert credit_of(found[::-1]) == credit


def test_the_farthest_sets_are_kept_and_the_mildest_count_as_still():
    credit = credit_of([(3, 3), (11, 13), (7, 7), (3, 3)], joint_scenarios=2)
    assert credit.scenarios == (JointScenario((0, 0), 2), JointScenario((7, 7), 1), JointScenario((11, 13), 1))


def test_the_tail_is_its_part_of_the_window_rounded_up():
    credit = credit_of([(11, 13)] * 100)
    assert (credit.tail, credit.weight_ppm, credit.keep_largest) == (3, 700_000, True)  # 2.5 %
