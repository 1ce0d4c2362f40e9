"""Historical moves: past simultaneous moves of all risk groups, rescaled to today, each a column of its own.

Rule: filtered historical simulation (Barone-Adesi, Giannopoulos and Vosper) of returns and of relative changes of
volatility: each past move is scaled by the deviation over today's horizon over the deviation forecast at its time, and
rounded away from zero to a millionth. Nothing is rounded to a grid. This module must not know arrays.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from clearing.base.units import PPM, mul_div_up
from clearing.price_ranges.history import deviation_over, rescaled_return
from clearing.price_ranges.joint_scenarios import target_deviation
from clearing.price_ranges.volatility_levels import relative_range_ppm
from clearing.schema.records.prices import GroupMove, MovesRecord, PublishedRangeRecord, VarianceRecord
from clearing.schema.risk.history import HistoricalMove, HistoricalRequirement, HistoricalScenario
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.risk.scenarios import MOVE_TIMES_MAX, VOLATILITY_MOVE_MAX_PPM

NANO_PER_PPM = 1_000
Moves = tuple[tuple[int, int], ...]
"""(price, volatility) in ppm of each risk group, in their order."""


class GroupHorizon(NamedTuple):
    """The deviations over today's horizon to which one group's past moves are scaled, in 10^-9."""

    price_nano: int
    volatility_nano: int


def group_horizon(
    parameters: RangeParameters,
    variance: VarianceRecord,
    published: PublishedRangeRecord,
    level: VarianceRecord,
    span_ms: int,
) -> GroupHorizon:
    """A group's deviations over a span. With the floor, the price's is at least that behind the `published` target, and
    volatility's at least its long-run one."""
    price = deviation_over(variance.variance, span_ms, parameters.interval_ms)
    moving = level.variance
    if parameters.joint_floor:
        price = max(price, target_deviation(published.target_ppm, published.multiple_ppm))
        moving = max(moving, level.long_variance)
    return GroupHorizon(price, deviation_over(moving, span_ms, parameters.interval_ms))


def historical_moves(
    returns: Sequence[MovesRecord], levels: Mapping[int, MovesRecord], horizons: Sequence[GroupHorizon]
) -> list[Moves]:
    """The moves of every sample of the window in which all groups' prices and volatilities were observed.

    `levels`: moves of volatility by their time, which is the sample's.
    """
    found: list[Moves] = []
    for sample in returns:
        volatile = levels.get(sample.time_ms)
        if volatile is None or not len(sample.moves) == len(volatile.moves) == len(horizons):
            continue
        pairs = list(zip(sample.moves, volatile.moves, strict=True))
        if any(price.deviation_nano == 0 or level.deviation_nano == 0 for price, level in pairs):
            continue
        found.append(tuple(_scaled(*pair, now) for pair, now in zip(pairs, horizons, strict=True)))
    return found


def historical_requirement(
    moves: Sequence[Moves], groups: Sequence[RiskGroup], parameters: RangeParameters, genesis: HistoricalRequirement
) -> HistoricalRequirement:
    """The requirement from these moves; `genesis` while there are fewer than `window_min` or history is not required.

    At most `historical_scenarios` distinct sets are used, the largest in parts of the groups' ranges first. Milder ones
    count as no move, so that the tail remains a part of the whole window.
    """
    if not parameters.historical_scenarios or len(moves) < parameters.window_min:
        return genesis
    ranges = [(group.range_ppm, relative_range_ppm(group)) for group in groups]

    def severity(counted: tuple[Moves, int]) -> tuple[int, Moves]:
        size = sum(
            abs(price) * PPM // price_range + (abs(level) * PPM // level_range if level_range else 0)
            for (price, level), (price_range, level_range) in zip(counted[0], ranges, strict=True)
        )
        return -size, counted[0]

    ordered = sorted(_counted(moves).items(), key=severity)
    kept = dict(ordered[: parameters.historical_scenarios])
    mild = sum(count for _, count in ordered[parameters.historical_scenarios :])
    if mild:
        no_move = ((0, 0),) * len(groups)
        kept[no_move] = kept.get(no_move, 0) + mild
    tail, part = parameters.joint_tail(len(moves))
    scenarios = tuple(
        HistoricalScenario(tuple(HistoricalMove(*move) for move in each), count) for each, count in sorted(kept.items())
    )
    return msgspec.structs.replace(genesis, scenarios=scenarios, tail=tail, tail_part_ppm=part)


def _counted(moves: Sequence[Moves]) -> dict[Moves, int]:
    counts: dict[Moves, int] = {}
    for each in moves:
        counts[each] = counts.get(each, 0) + 1
    return counts


def _scaled(price: GroupMove, level: GroupMove, now: GroupHorizon) -> tuple[int, int]:
    """(price, volatility) in ppm, within the bounds of a scenario."""
    moved = _ppm(rescaled_return(price.return_nano, price.deviation_nano, now.price_nano))
    shifted = _ppm(rescaled_return(level.return_nano, level.deviation_nano, now.volatility_nano))
    limit = MOVE_TIMES_MAX * PPM
    return min(max(moved, -limit), limit), min(max(shifted, -PPM), VOLATILITY_MOVE_MAX_PPM)


def _ppm(nano: int) -> int:
    """Rounded away from zero."""
    size = mul_div_up(abs(nano), 1, NANO_PER_PPM)
    return size if nano >= 0 else -size
