"""Historical joint scenarios: past simultaneous moves of all risk groups, rescaled to today, as columns of the grid.

Rule: each past move is rescaled to the deviation over today's horizon and rounded outward to a column of its group's
grid: the smallest that moves the index the same way at least as far, or the largest there is. A column never costs more
than the group's worst, so the joint loss never exceeds the sum of the groups' losses.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

import msgspec

from clearing.base.units import PPM, mul_div_up
from clearing.price_ranges.history import next_variance, rescaled_return
from clearing.schema.records.prices import GroupMove, MovesRecord
from clearing.schema.risk.parameters import JointCredit, JointScenario, RiskGroup, RiskParameters, Scenario, collapse
from clearing.schema.risk.price_ranges import RangeParameters

PPM_NANO = 1_000
_PREFERRED = {1: (1, 0, -1), 0: (0, 1, -1), -1: (-1, 0, 1)}
"""Directions of volatility by the wanted one."""


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
        # Of equally large columns prefer the same volatility direction, then unchanged volatility, then the opposite;
        # instead of unchanged volatility prefer a rise.
        found = [
            {way: next(rung[each] for each in preferred if each in rung) for way, preferred in _PREFERRED.items()}
            for rung in (rungs[size] for size in sizes)
        ]
        return sizes, found

    def column(self, move_nano: int, direction: int) -> int:
        """The column (from 1) for a move, rounded outward; 0 for no move. `direction`: 1, 0 or -1."""
        sizes, columns = self._rungs[1 if move_nano > 0 else -1]
        if move_nano == 0 or not sizes:
            return 0
        return columns[min(bisect_left(sizes, abs(move_nano)), len(sizes) - 1)][direction]


def volatility_direction(move: GroupMove, ranges: RangeParameters) -> int:
    """Where the move took volatility: 1 up, -1 down, 0 where its deviation changed by less than
    `joint_volatility_ppm` of itself.

    The deviation after a move is `next_variance`'s, so it rises exactly with a move beyond the deviation before.
    """
    size, before = abs(move.return_nano), move.deviation_nano
    rises = size > before
    if not ranges.joint_volatility_ppm:
        return 1 if rises else -1
    after = next_variance(before * before, size, ranges.decay_ppm)
    bound = before * (PPM + ranges.joint_volatility_ppm * (1 if rises else -1))
    if rises:
        return 1 if after * PPM * PPM >= bound * bound else 0
    return -1 if after * PPM * PPM <= bound * bound else 0


def target_deviation(target_ppm: int, multiple_ppm: int) -> int:
    """The deviation, in 10^-9, of which a range's target is the multiple; rounded up."""
    return mul_div_up(target_ppm * PPM_NANO, PPM, multiple_ppm)


def joint_columns(
    samples: Iterable[MovesRecord],
    risk: RiskParameters,
    groups: Sequence[RiskGroup],
    horizon_nano: Sequence[int],
    ranges: RangeParameters = RangeParameters(),  # noqa: B008 - frozen
) -> list[tuple[int, ...]]:
    """Columns of every sample in which all `groups` were observed. `horizon_nano`: the deviation over the horizon to
    which past moves are scaled.

    Volatility moves as `volatility_direction` says.
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
                    volatility_direction(move, ranges),
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
    tail, part = parameters.joint_tail(len(columns))
    ordered = tuple(JointScenario(combination, count) for combination, count in sorted(scenarios.items()))
    return msgspec.structs.replace(genesis, scenarios=ordered, tail=tail, tail_part_ppm=part)


def column_sizes(scenarios: Sequence[Scenario], range_ppm: int) -> list[int]:
    """How far each column, from 0, moves the index, in millionths of the range."""
    return [0, *(abs(move) * PPM // (range_ppm * PPM_NANO) for move in grid_moves(scenarios, range_ppm))]
