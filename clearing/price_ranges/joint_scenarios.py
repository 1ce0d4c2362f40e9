"""Historical joint scenarios: past simultaneous moves of all risk groups, rescaled to today, as columns of the grid.

Rule: each past move is rescaled to the deviation over today's horizon and rounded outward to a column of its group's
grid: the smallest that moves the index the same way at least as far, or the largest there is. A column never costs more
than the group's worst, so the joint loss never exceeds the sum of the groups' losses.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

import msgspec

from clearing.base.units import PPM, mul_div_up
from clearing.price_ranges.history import rescaled_return
from clearing.schema.records.prices import MovesRecord
from clearing.schema.risk.parameters import JointCredit, JointScenario, RiskGroup, RiskParameters, Scenario, collapse
from clearing.schema.risk.price_ranges import RangeParameters

PPM_NANO = 1_000


def grid_moves(scenarios: Sequence[Scenario], range_ppm: int) -> list[int]:
    """Signed index move of each scenario, in 10^-9, rounded towards zero: weight x part x range."""
    moves = []
    for scenario in scenarios:
        scale = PPM if scenario.of_index else range_ppm
        size = (
            scale * PPM_NANO * abs(scenario.move_numerator) * scenario.weight_ppm // (scenario.move_denominator * PPM)
        )
        moves.append(size if scenario.move_numerator >= 0 else -size)
    return moves


class GridLadder:
    """The columns of one group's grid by the size of their index move, on either side."""

    def __init__(self, scenarios: Sequence[Scenario], range_ppm: int) -> None:
        self._rungs = {1: self._side(scenarios, range_ppm, 1), -1: self._side(scenarios, range_ppm, -1)}

    @staticmethod
    def _side(scenarios: Sequence[Scenario], range_ppm: int, sign: int) -> tuple[list[int], list[dict[int, int]]]:
        """Sizes, rising, and at each the column for either direction of volatility."""
        rungs: dict[int, dict[int, int]] = {}
        for column, (scenario, move) in enumerate(
            zip(scenarios, grid_moves(scenarios, range_ppm), strict=True), start=1
        ):
            if move * sign > 0:
                rungs.setdefault(abs(move), {}).setdefault(scenario.volatility_direction, column)
        sizes = sorted(rungs)
        # Of equally large columns prefer the same volatility direction, then unchanged volatility, then the opposite.
        found = [
            {way: next(rung[direction] for direction in (way, 0, -way) if direction in rung) for way in (1, -1)}
            for rung in (rungs[size] for size in sizes)
        ]
        return sizes, found

    def column(self, move_nano: int, direction: int) -> int:
        """The column (from 1) for a move, rounded outward; 0 for no move. `direction`: 1 or -1."""
        sizes, columns = self._rungs[1 if move_nano > 0 else -1]
        if move_nano == 0 or not sizes:
            return 0
        return columns[min(bisect_left(sizes, abs(move_nano)), len(sizes) - 1)][direction]


def joint_columns(
    samples: Iterable[MovesRecord], risk: RiskParameters, groups: Sequence[RiskGroup], horizon_nano: Sequence[int]
) -> list[tuple[int, ...]]:
    """Columns of every sample in which all `groups` were observed. `horizon_nano`: present deviation over the horizon.

    Volatility goes up with a move beyond its deviation, otherwise down, like the variance itself.
    """
    ladders = [GridLadder(group.scenarios or risk.scenarios, group.range_ppm) for group in groups]
    found = []
    for sample in samples:
        if len(sample.moves) != len(groups) or any(move.deviation_nano == 0 for move in sample.moves):
            continue
        found.append(
            tuple(
                ladder.column(
                    rescaled_return(move.return_nano, move.deviation_nano, now),
                    1 if abs(move.return_nano) > move.deviation_nano else -1,
                )
                for ladder, move, now in zip(ladders, sample.moves, horizon_nano, strict=True)
            )
        )
    return found


def joint_credit(
    columns: Sequence[tuple[int, ...]],
    sizes: Sequence[Sequence[int]],
    parameters: RangeParameters,
    genesis: JointCredit,
) -> JointCredit:
    """The credit from these samples; `genesis` while there are fewer than `window_min` or history gives none.

    `sizes`: for each group, how far each column moves its index in parts of its range (column 0 included). At most
    `joint_scenarios` distinct sets are used, the largest moves first. The mildest count as no move, which they nearly
    are: the tail averages the large moves, and the weight on the plain sum remains in any case.
    """
    if parameters.joint_scenarios == 0 or len(columns) < parameters.window_min:
        return genesis

    def severity(scenario: JointScenario) -> tuple[int, tuple[int, ...]]:
        return -sum(sizes[group][column] for group, column in enumerate(scenario.columns)), scenario.columns

    counted = sorted(collapse(columns), key=severity)
    largest, mild = counted[: parameters.joint_scenarios], counted[parameters.joint_scenarios :]
    no_move = (0,) * len(sizes)
    scenarios = {scenario.columns: scenario.count for scenario in largest}
    if mild:
        scenarios[no_move] = scenarios.get(no_move, 0) + sum(scenario.count for scenario in mild)
    tail = max(mul_div_up(len(columns), parameters.joint_tail_ppm, PPM), 1)
    ordered = tuple(JointScenario(combination, count) for combination, count in sorted(scenarios.items()))
    return msgspec.structs.replace(genesis, scenarios=ordered, tail=tail)


def column_sizes(scenarios: Sequence[Scenario], range_ppm: int) -> list[int]:
    """How far each column, from 0, moves the index, in millionths of the range."""
    return [0, *(abs(move) * PPM // (range_ppm * PPM_NANO) for move in grid_moves(scenarios, range_ppm))]
