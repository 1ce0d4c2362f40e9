"""Joint scenarios out of history: what all risk groups did at once, each in today's proportion, as columns of the grid.

Rule: each past move is rescaled to the deviation over today's horizon and rounded outward to a column of its group's
grid: the mildest that moves the index the same way at least as far, or the farthest there is. A column never costs more
than the group's worst, so the joint loss never exceeds the sum of the groups' losses.
"""

from collections.abc import Iterable, Sequence

from clearing.base.units import mul_div_up
from clearing.margin.joint import JointCredit, JointScenario, collapse
from clearing.margin.parameters import PPM, RiskGroup, RiskParameters, Scenario
from clearing.ranges.history import rescale
from clearing.ranges.parameters import RangeParameters
from clearing.ranges.records import Moves

PPM_NANO = 1_000


def grid_moves(scenarios: Sequence[Scenario], range_ppm: int) -> list[int]:
    """Signed move of the index that counts in each scenario, in 10^-9, rounded towards zero: weight x part x range."""
    moves = []
    for each in scenarios:
        scale = PPM if each.of_index else range_ppm
        size = scale * PPM_NANO * abs(each.move_numerator) * each.weight_ppm // (each.move_denominator * PPM)
        moves.append(size if each.move_numerator >= 0 else -size)
    return moves


def column_of(scenarios: Sequence[Scenario], moves: Sequence[int], move_nano: int, direction: int) -> int:
    """The column (from 1) for a move, rounded outward; 0, where nothing moves, for a move of zero.

    `direction` of volatility, 1 or -1: of equally far columns one with it is taken before one without, then the first.
    """
    if move_nano == 0:
        return 0
    side = [at for at, each in enumerate(moves) if (each > 0) == (move_nano > 0) and each != 0]
    if not side:
        return 0
    beyond = [at for at in side if abs(moves[at]) >= abs(move_nano)]
    far = min(abs(moves[at]) for at in beyond) if beyond else max(abs(moves[at]) for at in side)
    alike = [at for at in side if abs(moves[at]) == far]
    with_it = [at for at in alike if scenarios[at].volatility_direction == direction]
    return (with_it or alike)[0] + 1


def joint_columns(
    samples: Iterable[Moves], risk: RiskParameters, groups: Sequence[RiskGroup], horizon_nano: Sequence[int]
) -> list[tuple[int, ...]]:
    """Columns of every sample in which all `groups` were observed. `horizon_nano`: deviation over the horizon now.

    Volatility goes up with a move beyond its deviation, otherwise down, as the variance itself did.
    """
    grids = [group.scenarios or risk.scenarios for group in groups]
    moves = [grid_moves(grid, group.range_ppm) for grid, group in zip(grids, groups, strict=True)]
    found = []
    for sample in samples:
        if len(sample.moves) != len(groups) or any(each.deviation_nano == 0 for each in sample.moves):
            continue
        row = []
        for at, each in enumerate(sample.moves):
            (scaled,) = rescale([each.return_nano], [each.deviation_nano], horizon_nano[at])
            direction = 1 if abs(each.return_nano) > each.deviation_nano else -1
            row.append(column_of(grids[at], moves[at], scaled, direction))
        found.append(tuple(row))
    return found


def joint_credit(
    columns: Sequence[tuple[int, ...]], sizes: Sequence[Sequence[int]], parameters: RangeParameters, weight_ppm: int
) -> JointCredit:
    """The credit of these samples; none while there are fewer than `window_min` or credit is off.

    `sizes`: for each group, how far each column moves its index in parts of its range (column 0 included). At most
    `joint_scenarios` different sets are kept, the farthest moves first; the mildest count as nothing moving, which they
    nearly are: the tail is averaged over what moves far, and what the credit leaves of the plain sum stays in any case.
    """
    if parameters.joint_scenarios == 0 or len(columns) < parameters.window_min:
        return JointCredit()

    def severity(each: JointScenario) -> tuple[int, tuple[int, ...]]:
        return -sum(sizes[group][column] for group, column in enumerate(each.columns)), each.columns

    counted = sorted(collapse(columns), key=severity)
    kept, mild = counted[: parameters.joint_scenarios], counted[parameters.joint_scenarios :]
    still = (0,) * len(sizes)
    scenarios = {each.columns: each.count for each in kept}
    if mild:
        scenarios[still] = scenarios.get(still, 0) + sum(each.count for each in mild)
    tail = max(mul_div_up(len(columns), parameters.joint_tail_ppm, PPM), 1)
    ordered = tuple(JointScenario(each, count) for each, count in sorted(scenarios.items()))
    return JointCredit(ordered, tail, weight_ppm)


def column_sizes(scenarios: Sequence[Scenario], range_ppm: int) -> list[int]:
    """How far each column, from 0, moves the index, in millionths of the range."""
    return [0, *(abs(move) * PPM // (range_ppm * PPM_NANO) for move in grid_moves(scenarios, range_ppm))]
