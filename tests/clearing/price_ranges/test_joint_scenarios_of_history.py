"""Joint scenarios of history: a part of a scenario in the tail, volatility that stands still, a floor."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from clearing.base.units import PPM
from clearing.margin.requirement.account_margin import account_margin
from clearing.margin.statement.rows import build_rows
from clearing.price_ranges.history import next_variance
from clearing.price_ranges.joint_scenarios import (
    GridLadder,
    joint_columns,
    joint_credit,
    target_deviation,
    volatility_direction,
)
from clearing.schema.records.prices import GroupMove, MovesRecord
from clearing.schema.risk.parameters import SPAN_SIXTEEN, JointCredit, Scenario, check_parameters
from clearing.schema.risk.price_ranges import RangeParameters
from tests.kit.margin.books import CHARGED, FULL, PARAMETERS, arrays_of, modest_holdings

replace = msgspec.structs.replace
PART = replace(FULL, joint=replace(FULL.joint, tail=2, tail_part_ppm=250_000))
ARRAYS = arrays_of(parameters=PART)


def exact_shortfall(losses: list[tuple[int, int]], tail: Fraction) -> Fraction:
    """The mean of the worst `tail` losses, of which the last counts in part; `losses` as (loss, count)."""
    left, total = tail, Fraction(0)
    for loss, count in sorted(losses, reverse=True):
        taken = min(left, Fraction(count))
        total += taken * loss
        left -= taken
    return total / tail


@given(modest_holdings)
def test_the_last_of_the_averaged_losses_counts_in_part(row):
    margin = account_margin(ARRAYS, *row)
    losses = []
    for scenario in PART.joint.scenarios:
        loss = 0
        for matrix, column in zip(ARRAYS.matrices, scenario.columns, strict=True):
            for at in matrix.members:
                loss += row[2][at] * (ARRAYS.rows[at][0] - ARRAYS.rows[at][column])
        losses.append((loss, scenario.count))
    expected = exact_shortfall(losses, Fraction(9, 4))
    floor = max(0, sum(margin.terms.option_minimums))
    assert margin.terms.joint == max(-(-expected.numerator // expected.denominator), floor)


def test_a_part_of_a_scenario_lies_between_the_whole_numbers():
    row = ((0, 0), (0,), (300, -200, 150, -40, 60))
    mean = {
        tail: account_margin(
            arrays_of(parameters=replace(FULL, joint=replace(FULL.joint, tail=tail, tail_part_ppm=part))), *row
        ).terms.joint
        for tail, part in ((2, 0), (3, 0))
    }
    between = account_margin(ARRAYS, *row).terms.joint
    assert mean[3] <= between <= mean[2]
    assert mean[3] < mean[2]


def test_without_a_part_the_rows_are_what_they_were():
    joint = next(row for row in build_rows(CHARGED["all"], FULL) if row.name == "joint")
    assert sorted(value for _, value in joint.coefficients)[-1] == FULL.joint.tail
    part = next(row for row in build_rows(ARRAYS, PART) if row.name == "joint")
    assert sorted(value for _, value in part.coefficients)[-1] == 9  # 2.25 in quarters
    assert min(value for _, value in part.coefficients) == -9


@pytest.mark.parametrize(("tail", "part"), [(11, 1), (1, PPM), (12, 0), (0, 500_000)])
def test_a_tail_beyond_all_scenarios_is_refused(tail, part):
    check_parameters(replace(FULL, joint=replace(FULL.joint, tail=11)))
    check_parameters(replace(FULL, joint=replace(FULL.joint, tail=10, tail_part_ppm=PPM - 1)))
    with pytest.raises(LocalFault, match=r"joint\.tail"):
        check_parameters(replace(FULL, joint=replace(FULL.joint, tail=tail, tail_part_ppm=part)))


EXACT = RangeParameters(interval_ms=1, joint_scenarios=8, joint_tail_ppm=25_000, joint_tail_exact=True, window_min=1)


@pytest.mark.parametrize(
    ("count", "exact", "rounded"), [(100, (2, 500_000), 3), (101, (2, 525_000), 3), (80, (2, 0), 2), (39, (1, 0), 1)]
)
def test_the_tail_of_history_is_its_fraction_of_the_window(count, exact, rounded):
    assert EXACT.joint_tail(count) == exact
    assert replace(EXACT, joint_tail_exact=False).joint_tail(count) == (rounded, 0)
    credit = joint_credit([(1,)] * count, [[0, 5]], EXACT, JointCredit())
    assert (credit.tail, credit.tail_part_ppm) == exact


def test_volatility_stands_still_where_its_deviation_hardly_changed():
    ranges = RangeParameters(decay_ppm=940_000, joint_volatility_ppm=20_000)
    found = [volatility_direction(GroupMove(move, 1_000_000), ranges) for move in (0, 500_000, 1_100_000, 3_000_000)]
    assert found == [-1, -1, 0, 1]
    plain = [volatility_direction(GroupMove(move, 1_000_000), RangeParameters()) for move in (0, 1_000_000, 1_000_001)]
    assert plain == [-1, -1, 1]


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**9), st.integers(1, 300_000))
def test_a_direction_is_that_of_the_recursion_beyond_the_bound(moved, before, bound):
    ranges = RangeParameters(joint_volatility_ppm=bound)
    after = next_variance(before * before, moved, ranges.decay_ppm)
    ratio = Fraction(after, before * before)
    up, down = (Fraction(PPM + bound, PPM) ** 2, Fraction(PPM - bound, PPM) ** 2)
    wanted = 1 if ratio >= up else -1 if ratio <= down and abs(moved) <= before else 0
    assert volatility_direction(GroupMove(moved, before), ranges) == wanted


def test_unchanged_volatility_takes_its_own_column_and_otherwise_a_rise():
    grid = (Scenario(1, 1, 1), Scenario(1, 1, -1), Scenario(1, 1, 0), Scenario(-1, 1, -1), Scenario(-1, 1, 1))
    ladder = GridLadder(grid, 100_000)
    assert [ladder.column(50_000_000, way) for way in (1, 0, -1)] == [1, 3, 2]
    assert [ladder.column(-50_000_000, way) for way in (1, 0, -1)] == [5, 5, 4]


def test_a_higher_deviation_moves_samples_to_deeper_columns():
    group = replace(PARAMETERS.groups[0], scenarios=SPAN_SIXTEEN)
    samples = [MovesRecord(at, (GroupMove(move, 10_000_000),)) for at, move in enumerate((12_000_000, -30_000_000))]
    calm = joint_columns(samples, PARAMETERS, [group], [10_000_000])
    floored = joint_columns(samples, PARAMETERS, [group], [40_000_000])
    assert (calm, floored) == ([(3,), (5,)], [(3,), (13,)])


def test_the_floor_is_the_deviation_behind_the_published_target():
    assert target_deviation(90_000, 3 * PPM) == 30_000_000
    assert target_deviation(1, 3 * PPM) == 334  # rounded up
