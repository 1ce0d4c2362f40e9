"""Joint scenarios: rounded outward to the grid, each in today's proportion, never more than `joint_scenarios`."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.price_ranges.joint_scenarios import GridLadder, column_sizes, grid_moves, joint_columns, joint_credit
from clearing.schema.records.prices import GroupMove, MovesRecord
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

M = 1_000_000  # a thousandth, in 10^-9
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
def test_a_move_is_rounded_outward_to_a_column(thousandths: int, direction: int, column: int) -> None:
    assert LADDER.column(thousandths * M, direction) == column


@given(st.integers(-(10**9), 10**9), st.sampled_from((1, -1)))
def test_a_column_moves_the_same_way_and_at_least_as_far(move: int, direction: int) -> None:
    column = LADDER.column(move, direction)
    moves = [0, *grid_moves(SPAN_SIXTEEN, 90_000)]
    assert (moves[column] > 0) == (move > 0)
    assert abs(moves[column]) >= min(abs(move), max(map(abs, moves)))


def test_a_one_sided_grid_has_no_column_for_the_other_side() -> None:
    ladder = GridLadder((Scenario(-1, 1, 0),), 100_000)
    assert ladder.column(-5, 1) == ladder.column(-5, -1) == 1
    assert ladder.column(5, 1) == 0


def test_tails_of_the_index_do_not_widen_with_the_range() -> None:
    grid = (Scenario(1, 5, 0, of_index=True), Scenario(1, 1, 0))
    assert grid_moves(grid, 90_000) == [200 * M, 90 * M]
    assert column_sizes(grid, 90_000) == [0, 2_222_222, 1_000_000]


def test_each_group_moves_in_proportion_to_its_own_deviations() -> None:
    sample = MovesRecord(0, (GroupMove(-10 * M, 5 * M), GroupMove(4 * M, 8 * M)))
    # -2 deviations of 20 thousandths, +1/2 of 40: -40 with volatility up, +20 with volatility down
    assert joint_columns([sample], RISK, GROUPS, [20 * M, 40 * M]) == [(9, 4)]


def test_what_was_not_observed_is_left_out() -> None:
    samples = [MovesRecord(0, (GroupMove(0, 0), GroupMove(4, 8))), MovesRecord(0, (GroupMove(4, 8),))]
    assert joint_columns(samples, RISK, GROUPS, [M, M]) == []


GENESIS = JointCredit(weight_ppm=700_000, keep_largest=True)


def sizes() -> list[list[int]]:
    return [column_sizes(SPAN_SIXTEEN, 90_000)] * 2


def test_genesis_stands_without_history_or_when_off() -> None:
    assert joint_credit([(1, 1)], sizes(), RULES, GENESIS) is GENESIS
    off = msgspec.structs.replace(RULES, joint_scenarios=0)
    assert joint_credit([(1, 1)] * 50, sizes(), off, GENESIS) is GENESIS


columns = st.lists(st.tuples(st.integers(0, 16), st.integers(0, 16)), min_size=2, max_size=60)


@given(columns)
def test_every_credit_is_one_that_genesis_could_have_stated(found: list[tuple[int, ...]]) -> None:
    credit = joint_credit(found, sizes(), RULES, GENESIS)
    assert all(good for _, _, good in joint_checks(credit, [16, 16]))
    assert sum(each.count for each in credit.scenarios) == len(found)
    assert len(credit.scenarios) <= RULES.joint_scenarios + 1
    assert joint_credit(found[::-1], sizes(), RULES, GENESIS) == credit


def test_the_farthest_sets_are_kept_and_the_mildest_count_as_still() -> None:
    two = msgspec.structs.replace(RULES, joint_scenarios=2)
    credit = joint_credit([(3, 3), (11, 13), (7, 7), (3, 3)], sizes(), two, GENESIS)
    assert credit.scenarios == (JointScenario((0, 0), 2), JointScenario((7, 7), 1), JointScenario((11, 13), 1))


def test_the_tail_is_its_part_of_the_window_rounded_up() -> None:
    credit = joint_credit([(11, 13)] * 100, sizes(), RULES, GENESIS)
    assert (credit.tail, credit.weight_ppm, credit.keep_largest) == (3, 700_000, True)  # 2.5 %
