"""Volatility levels: what a risk group's volatility is observed at, and how it moved since the last observation.

Rule: of a group with a live surface, the level at the money at 30 days of the surface that a quorum agreed on, while it
is fresh; of another group, the deviation of its price that was forecast last. Moves of a level are recorded as those of
a price are, with the deviation of its own changes. Integers. This module must not know scenarios.
"""

from collections.abc import Sequence
from math import isqrt

from clearing.base.units import PPM, mul_div_up
from clearing.context.block_context import BlockContext
from clearing.price_ranges.history import first_variance, observe_price, sqrt_up
from clearing.schema.records.prices import GroupMove, PriceStatus, VarianceRecord
from clearing.schema.risk.live_surface import living_quotes, pillars_of
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.risk.volatility_surface import REFERENCE_MS, VolPillar
from clearing.state.state import State

RELATIVE_RANGE_MAX_PPM = 10 * PPM


def reference_level_ppm(pillars: Sequence[VolPillar]) -> int:
    """The level at 30 days, rounded down: variance is linear in time between two pillars; beyond them the level is
    constant. Raises ValueError for no pillars."""
    if not pillars:
        raise ValueError("no pillars to take a level of")
    after = next((at for at, pillar in enumerate(pillars) if pillar.tenor_ms >= REFERENCE_MS), len(pillars))
    if after in (0, len(pillars)):
        return pillars[min(after, len(pillars) - 1)].level_ppm
    near, far = pillars[after - 1], pillars[after]
    low, high = (pillar.level_ppm**2 * pillar.tenor_ms for pillar in (near, far))
    span, part = far.tenor_ms - near.tenor_ms, REFERENCE_MS - near.tenor_ms
    return isqrt((low * (span - part) + high * part) // (span * REFERENCE_MS))


def relative_range_ppm(group: RiskGroup) -> int:
    """The group's volatility range as a fraction of its volatility, rounded up."""
    if group.shock.relative:
        return min(group.volatility_range_ppm, RELATIVE_RANGE_MAX_PPM)
    return min(mul_div_up(group.volatility_range_ppm, PPM, group.volatility_ppm), RELATIVE_RANGE_MAX_PPM)


def first_level_variance(group: RiskGroup, ranges: RangeParameters) -> VarianceRecord:
    """Statistics before observations: those for which the group's volatility range is `multiple_ppm` deviations; its
    price range where it has none."""
    first = relative_range_ppm(group) or group.range_ppm
    return first_variance(first, ranges.multiple_ppm, ranges.horizon_ms, ranges.interval_ms)


def level_variance(state: State, group: RiskGroup) -> VarianceRecord:
    """Statistics of a group's level."""
    return state.level_variances.get(group.id) or first_level_variance(group, state.terms.genesis.ranges)


def moved_level(
    known: VarianceRecord, level: int, time_ms: int, parameters: RangeParameters
) -> tuple[VarianceRecord, GroupMove]:
    """Statistics and move with a further level; 0: there is none, so nothing was observed."""
    if not level:
        return known, GroupMove(0, 0)
    return observe_price(
        known,
        level,
        time_ms,
        interval_ms=parameters.interval_ms,
        decay_ppm=parameters.decay_ppm,
        floor_samples=parameters.floor_samples,
    )


def deviation_level(variance: VarianceRecord) -> int:
    """The level of a group without a live surface: the deviation forecast for its next price, 0 before one was seen."""
    return sqrt_up(variance.variance) if variance.observations else 0


def observe_level(
    context: BlockContext, group: RiskGroup, variance: VarianceRecord, parameters: RangeParameters
) -> GroupMove:
    """Record a group's level, and return its move: not observed without a level now or before.

    `variance`: of the group's price, this observation included.
    """
    level = _level_now(context, group, variance)
    updated, move = moved_level(level_variance(context.state, group), level, context.time_ms, parameters)
    if level:
        context.state.level_variances.put(group.id, updated)
    return move


def _level_now(context: BlockContext, group: RiskGroup, variance: VarianceRecord) -> int:
    """0: there is none."""
    if group.id not in context.terms.surfaces:
        return deviation_level(variance)
    agreed = context.state.surfaces.get(group.id)
    if agreed is None or not agreed.in_force or agreed.status is not PriceStatus.USABLE:
        return 0
    quotes = living_quotes(agreed.expiries, context.time_ms)
    return reference_level_ppm(pillars_of(quotes, context.time_ms)) if quotes else 0
