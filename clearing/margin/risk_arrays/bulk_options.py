"""Option rows of the reference arrays for all options at once: the same numbers, many times faster.

Rule: int64 only where a checked bound holds, otherwise Python integers; real numbers only by the correctly rounded
operations of `clearing.pricing`. Blocks are priced together, because a batch's bits do not depend on its other
elements.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearing.base.errors import Bug
from clearing.base.units import PPM, YEAR_MS
from clearing.margin.risk_arrays.bulk_rows import INT64_EXACT, InstrumentBlock, shocked_ticks
from clearing.margin.risk_arrays.grid import Grid, Integers
from clearing.margin.risk_arrays.reference_arrays import shocked_index
from clearing.pricing import smiles
from clearing.pricing.black76 import option_values
from clearing.pricing.marks import discount_factor, years_left
from clearing.pricing.surface import term_factor_ppm
from clearing.pricing.vectors import Floats
from clearing.schema.risk.volatility_surface import VOLATILITY_MIN_PPM

YEAR_PARTS = PPM * YEAR_MS

PARTS_MAX = 2**62

VALUE_MAX = 2.0**61


class RevaluedBlock(NamedTuple):
    """A block with options to be valued at an index and a time."""

    block: InstrumentBlock
    index_ticks: int
    time_ms: int


class OptionValueColumns(NamedTuple):
    """Inputs for the values of a block's options in every scenario, [o * (1 + S)] each."""

    forwards: Floats
    volatilities: Floats
    years: Floats
    discounts: Floats


def option_rows(moved: Sequence[RevaluedBlock]) -> list[Integers]:
    """For each block [options, 1 + S]: `option_row` of each option. Raises Bug when a value reaches 2^61."""
    if not moved:
        return []
    columns = [_value_columns(revalued) for revalued in moved]
    forwards, volatilities, years, discounts = (_concatenated(parts) for parts in zip(*columns, strict=True))
    options = [revalued.block.options for revalued in moved]
    ticks = option_values(
        forward=forwards,
        strike=_concatenated([option.wide_strikes for option in options]),
        volatility=volatilities,
        years=years,
        discount=discounts,
        is_call=_concatenated([option.wide_calls for option in options]),
    )
    ticks *= _concatenated([option.wide_scales for option in options])
    rounded = np.rint(ticks, ticks)
    largest = max(float(rounded.max()), -float(rounded.min()))
    if not largest <= VALUE_MAX:  # also refuses NaN
        raise Bug("an option value reaches 2^61")
    full, rows, start = rounded.astype(np.int64), [], 0
    for revalued in moved:
        count, grid = len(revalued.block.options.wide_strikes), revalued.block.grid
        values = full[start : start + count].reshape(-1, 1 + len(grid.weights))
        rows.append(_weighted(values, grid, int(largest)) if grid.weighted else values)
        start += count
    return rows


def _concatenated(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _value_columns(moved: RevaluedBlock) -> OptionValueColumns:
    block, index_ticks, time_ms = moved
    options, width = block.options, 1 + len(block.grid.weights)
    forwards = _forwards(block, index_ticks, time_ms)
    years = [years_left(expiry, time_ms) for expiry in options.expiries]
    discounts = [discount_factor(block.rate_ppm, year) for year in years]
    volatilities = _volatilities(block, forwards[:, 0], time_ms)
    return OptionValueColumns(
        forwards=forwards[options.expiry].reshape(-1),
        volatilities=(volatilities / float(PPM)).reshape(-1),
        years=np.array(years)[options.expiry].repeat(width),
        discounts=np.array(discounts)[options.expiry].repeat(width),
    )


def _weighted(full: Integers, grid: Grid, largest: int) -> Integers:
    """Base plus the weighted change, rounded down, in place."""
    if 2 * largest * PPM < INT64_EXACT:
        change = full[:, 1:] - full[:, :1]
        change *= grid.weights
        change //= PPM
        np.add(full[:, :1], change, full[:, 1:])
        return full
    weights = grid.weights.tolist()
    for row in full:
        base, *values = row.tolist()
        row[1:] = [base + (value - base) * weight // PPM for value, weight in zip(values, weights, strict=True)]
    return full


def _forwards(block: InstrumentBlock, index_ticks: int, time_ms: int) -> Floats:
    """[expiries, 1 + S] forward in the base and in every scenario; each a whole number of ticks."""
    grid, expiries = block.grid, block.options.expiries
    indices = np.empty(1 + len(grid.weights), np.int64)
    indices[0] = index_ticks
    if index_ticks * int(grid.numerators.max()) < INT64_EXACT:
        indices[1:] = shocked_ticks(np.array([[index_ticks]], np.int64), grid)[0]
    else:
        moved = [shocked_index(index_ticks, block.group.range_ppm, scenario) for scenario in block.scenarios]
        indices[1 : 1 + len(moved)] = moved
        indices[1 + len(moved) :] = index_ticks
    return _carried_forwards(indices, [expiry - time_ms for expiry in expiries], block.rate_ppm)


def _carried_forwards(indices: Integers, tenors: Sequence[int], rate_ppm: int) -> Floats:
    """`forward_ticks` of each index [n] to each time to expiry [e], as [e, n].

    Below 2^42 ticks and 2^62 parts of a year the float64 estimate is at most one off. So the remainder is small and
    exact, although the two products of which it is the difference may wrap around.
    """
    parts = [rate_ppm * max(tenor, 0) for tenor in tenors]
    if max(parts) >= PARTS_MAX:
        carried = [[index + index * part // YEAR_PARTS for index in indices.tolist()] for part in parts]
        return np.array(carried, np.float64)
    numerators = np.array(parts, np.int64)[:, np.newaxis]
    guess = np.floor(indices * (numerators / YEAR_PARTS)).astype(np.int64)
    rest = indices * numerators - guess * YEAR_PARTS
    rest //= YEAR_PARTS
    rest += guess
    rest += indices
    return rest.astype(np.float64)


def _volatilities(block: InstrumentBlock, forwards: Floats, time_ms: int) -> Integers:
    """[options, 1 + S] `scenario_volatility` of each option; `forwards` [expiries] are those of the base."""
    options, grid, group = block.options, block.grid, block.group
    if group.surface or grid.skewed:
        smiled = smiles.option_smiles(group, forwards, options.strikes, options.expiries, options.expiry, time_ms)
    else:
        smiled = smiles.flat_smiles(group, len(options.rows))
    base = smiled.volatilities[:, np.newaxis]
    factors = np.array([term_factor_ppm(group.shock, expiry - time_ms) for expiry in options.expiries], np.int64)
    up, down = smiles.shock_sizes(group.shock, group.volatility_range_ppm, smiled.volatilities, factors[options.expiry])
    rises, falls = grid.volatility > 0, grid.volatility < 0
    shifted = np.empty((len(options.rows), 1 + len(grid.weights)), np.int64)
    shifted[:, :1] = np.maximum(base, VOLATILITY_MIN_PPM)
    moved = shifted[:, 1:]
    moved[:] = base + np.where(rises, up[:, np.newaxis], np.where(falls, -down[:, np.newaxis], 0))
    if group.shock.up_floor_ppm:
        np.maximum(moved, np.where(rises, group.shock.up_floor_ppm, 0), out=moved)
    smiles.bound_volatilities(moved)
    if grid.skewed:
        tilt, lift = smiles.skew_shares(group.shock, smiled.deviations)
        moved *= PPM + grid.skew_linear * tilt[:, np.newaxis] + grid.skew_absolute * lift[:, np.newaxis]
        moved //= PPM
        smiles.bound_volatilities(moved)
    return shifted
