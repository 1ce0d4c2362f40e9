"""What one lot of one instrument is worth in every scenario: the definition, in plain integers.

Rule: clear before fast; `clearing.margin.bulk_rows` must give the same numbers. A marked instrument's mark moves in
proportion to the index, so that a perpetual keeps its premium and a future its basis. An option keeps its volatility as
the forward moves (sticky strike); then the scenario shifts it. Moves round away from where they start, scenario gains
down.
"""

from collections.abc import Sequence

from clearing.base.units import PPM, mul_div_up
from clearing.instruments import Instrument
from clearing.margin.parameters import RiskGroup, Scenario
from clearing.pricing.carry import forward_ticks
from clearing.pricing.surface import (
    bounded_volatility,
    log_moneyness,
    option_deviations,
    option_volatility,
    shock_sizes,
    skew_shares,
)


def shocked_index(index_ticks: int, range_ppm: int, scenario: Scenario) -> int:
    """A price in a scenario: moved by its part of the range, rounded away from the price, never below one tick.

    Towards it, writers and sellers of what costs few ticks would need no margin.
    """
    reach = PPM if scenario.of_index else range_ppm
    size = mul_div_up(index_ticks * reach, abs(scenario.move_numerator), PPM * scenario.move_denominator)
    return max(index_ticks + size if scenario.move_numerator > 0 else index_ticks - size, 1)


def model_mark(instrument: Instrument, index_ticks: int, rate_ppm: int, time_ms: int) -> int:
    """The mark of a marked instrument that has not been marked yet: the index, carried to expiry if it is dated."""
    if instrument.carries:
        return forward_ticks(index_ticks, instrument.expiry_ms, rate_ppm, time_ms)
    return index_ticks


def marked_row(scale: int, mark_ticks: int, range_ppm: int, scenarios: Sequence[Scenario]) -> list[int]:
    """[1 + S] gain or loss of one lot against its mark, of `scale` micros a tick, weighted, rounded down."""
    gains = ((shocked_index(mark_ticks, range_ppm, each) - mark_ticks) * scale for each in scenarios)
    return [0, *(gain * each.weight_ppm // PPM for gain, each in zip(gains, scenarios, strict=True))]


def scenario_volatility(group: RiskGroup, volatility_ppm: int, deviations: float, tenor_ms: int, each: Scenario) -> int:
    """An option's volatility in a scenario, `deviations` from the money: moved, then skewed, rounded down."""
    up, down = shock_sizes(group.shock, group.volatility_range_ppm, volatility_ppm, tenor_ms)
    moved = volatility_ppm
    if each.volatility_direction > 0:
        moved = max(volatility_ppm + up, group.shock.up_floor_ppm)
    elif each.volatility_direction < 0:
        moved = volatility_ppm - down
    tilt, lift = skew_shares(group.shock, deviations)
    share = PPM + each.skew_linear * tilt + each.skew_absolute * lift
    return bounded_volatility(bounded_volatility(moved) * share // PPM)


def option_row(
    option: Instrument,
    index_ticks: int,
    group: RiskGroup,
    scenarios: Sequence[Scenario],
    rate_ppm: int,
    time_ms: int,
) -> list[int]:
    """[1 + S] value of one lot in micros: the base, and the base plus the weighted change, rounded down."""
    from clearing.pricing.mark import option_value  # here, for a verifier of a listing without options loads no numpy

    scale, tenor_ms = option.micros_per_tick, option.expiry_ms - time_ms
    forward = float(forward_ticks(index_ticks, option.expiry_ms, rate_ppm, time_ms))
    strike = float(option.strike_ticks)
    volatility = option_volatility(group, forward, strike, tenor_ms)
    deviations = option_deviations(group, log_moneyness(forward, strike), tenor_ms)
    base = option_value(option, index_ticks, volatility, rate_ppm, time_ms, scale)
    row = [base]
    for each in scenarios:
        index = shocked_index(index_ticks, group.range_ppm, each)
        shifted = scenario_volatility(group, volatility, deviations, tenor_ms, each)
        full = option_value(option, index, shifted, rate_ppm, time_ms, scale)
        row.append(base + (full - base) * each.weight_ppm // PPM)
    return row
