"""The range of one risk group: from observations to the published range.

    raw      = multiple x deviation x sqrt(horizon / interval)          horizon: closing out + inclusion delay + age
    target   = max(raw, floor, (1 - w) raw + w stressed) x (1 + buffer)
    range    = target within the speed limit around the previous range, and within bounds

Rule: four measures against procyclicality: a buffer is added in calm times and released in stress, a weight is on
stressed deviations, a long look-back is the floor, and no epoch changes the range beyond the speed limit. The range is
never below raw, except by speed limit and cap. Integers, rounded up.
"""

from dataclasses import dataclass

from clearing.base.units import PPM, YEAR_MS, mul_div_down, mul_div_up
from clearing.price_ranges.history import deviation_over, sqrt_up
from clearing.schema.records.prices import PublishedRangeRecord, VarianceRecord
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.risk.price_ranges import RangeParameters

NANO_PER_PPM = 1_000
RANGE_MAX_PPM = 100 * PPM
"""Cap on the intermediate terms of a range, far above any published range."""


@dataclass(frozen=True, slots=True)
class HistoryFigures:
    """Statistics of the window of past observations."""

    multiple_ppm: int
    """Quantile of the standardised moves."""
    stressed_nano: int
    """Quantile of the deviations, per interval."""


def price_range_ppm(variance: int, multiple_ppm: int, horizon_ms: int, interval_ms: int) -> int:
    """multiple x deviation over the horizon, in ppm, rounded up."""
    deviation = deviation_over(variance, horizon_ms, interval_ms)
    return min(mul_div_up(deviation, multiple_ppm, PPM * NANO_PER_PPM), RANGE_MAX_PPM)


def remaining_buffer_ppm(parameters: RangeParameters, variance: int, long_variance: int) -> int:
    """The present part of the buffer: all at the long-run deviation, none at `release_ppm` times it, linear between."""
    ratio = mul_div_down(sqrt_up(variance), PPM, max(sqrt_up(long_variance), 1))
    left = parameters.release_ppm - min(max(ratio, PPM), parameters.release_ppm)
    return mul_div_up(parameters.buffer_ppm, left, parameters.release_ppm - PPM)


def speed_limited(target: int, previous: int, parameters: RangeParameters) -> int:
    """`target`, limited to one epoch's change from `previous`. A rise by at least one is always possible."""
    highest = previous + mul_div_up(previous, parameters.rise_ppm, PPM)
    lowest = previous - mul_div_down(previous, parameters.fall_ppm, PPM)
    return min(max(target, lowest), highest)


def next_published_range(
    parameters: RangeParameters,
    group: RiskGroup,
    variance_record: VarianceRecord,
    history: HistoryFigures,
    before: PublishedRangeRecord | None,
    horizon_ms: int,
    height: int,
) -> PublishedRangeRecord:
    """The next range of a group. `group` is genesis's; its range is the first previous one."""
    multiple, interval = history.multiple_ppm, parameters.interval_ms
    raw = price_range_ppm(variance_record.variance, multiple, horizon_ms, interval)
    stressed = price_range_ppm(history.stressed_nano**2, multiple, horizon_ms, interval)
    floor = price_range_ppm(variance_record.long_variance, multiple, horizon_ms, interval)
    weight = parameters.stress_weight_ppm
    mixed = -(-(raw * (PPM - weight) + stressed * weight) // PPM)
    buffer = remaining_buffer_ppm(parameters, variance_record.variance, variance_record.long_variance)
    target = mul_div_up(max(raw, floor, mixed), PPM + buffer, PPM)
    previous = before.range_ppm if before else group.range_ppm
    published = min(
        max(speed_limited(target, previous, parameters), parameters.range_min_ppm), parameters.range_max_ppm
    )
    volatility = _next_volatility(parameters, group, variance_record, before)
    return PublishedRangeRecord(
        range_ppm=published,
        volatility_ppm=volatility,
        volatility_range_ppm=_next_volatility_range(parameters, group, variance_record, before, volatility, horizon_ms),
        raw_ppm=raw,
        stressed_ppm=stressed,
        floor_ppm=floor,
        buffer_ppm=buffer,
        target_ppm=target,
        multiple_ppm=multiple,
        horizon_ms=horizon_ms,
        previous_ppm=previous,
        ratio_ppm=mul_div_up(published, PPM, previous),
        lowest_ppm=min(before.lowest_ppm if before else previous, published),
        highest_ppm=max(before.highest_ppm if before else previous, published),
        height=height,
    )


def _next_volatility(
    parameters: RangeParameters, group: RiskGroup, variance_record: VarianceRecord, before: PublishedRangeRecord | None
) -> int:
    """Annual volatility: genesis's weighted with the root mean of current and long-run variance, speed limited."""
    weight = parameters.volatility_weight_ppm
    if weight == 0:
        return group.volatility_ppm
    mean = (variance_record.variance + variance_record.long_variance) // 2
    observed = deviation_over(mean, YEAR_MS, parameters.interval_ms) // NANO_PER_PPM
    target = (group.volatility_ppm * (PPM - weight) + observed * weight) // PPM
    previous = before.volatility_ppm if before else group.volatility_ppm
    return min(max(speed_limited(target, previous, parameters), 1), 100 * PPM)


def _next_volatility_range(
    parameters: RangeParameters,
    group: RiskGroup,
    variance_record: VarianceRecord,
    before: PublishedRangeRecord | None,
    volatility_ppm: int,
    horizon_ms: int,
) -> int:
    """Multiple x deviation of the volatility's own changes over the horizon, at least genesis's range; in points, or as
    a fraction where the group's shock is relative."""
    multiple = parameters.volatility_multiple_ppm
    if multiple == 0:
        return group.volatility_range_ppm
    relative = price_range_ppm(variance_record.turbulence, multiple, horizon_ms, parameters.interval_ms)
    of = PPM if group.shock.relative else volatility_ppm
    target = max(mul_div_up(of, relative, PPM), group.volatility_range_ppm)
    previous = before.volatility_range_ppm if before else group.volatility_range_ppm
    return min(max(speed_limited(target, previous, parameters), group.volatility_range_ppm), 100 * PPM)
