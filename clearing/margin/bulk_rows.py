"""`clearing.margin.scenario_rows` for all instruments of one risk group at once: the same numbers, many times faster.

Rule: int64 only where a bound that is checked holds, else the definition row by row; reals only by the correctly
rounded operations of `clearing.pricing`. What prices and time do not change is laid out once in a `Block`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearing.base.errors import Bug
from clearing.instruments import Instrument, InstrumentKind
from clearing.margin.grid import Grid, Integers, grid_columns
from clearing.margin.parameters import PPM, RiskGroup, RiskParameters, Scenario
from clearing.margin.scenario_rows import marked_row, model_mark, shocked_index
from clearing.pricing import smiles
from clearing.pricing.black76 import option_values
from clearing.pricing.carry import YEAR_MS
from clearing.pricing.mark import discount_factor, years_left
from clearing.pricing.surface import VOLATILITY_MIN_PPM, term_factor_ppm
from clearing.pricing.vectors import Floats

INT64_EXACT = 2**63
YEAR_PARTS = PPM * YEAR_MS
PARTS_MAX = 2**62
VALUE_MAX = 2.0**61


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """The options of a block as columns [o]."""

    listed: tuple[Instrument, ...]
    rows: Integers
    strikes: Floats
    is_call: NDArray[np.bool_]
    scales: Floats
    """Micros a tick."""
    expiries: tuple[int, ...]
    """Each time of expiry once, rising."""
    expiry: Integers
    """Number in `expiries`."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The instruments of one risk group on one feed, and their grid."""

    group: RiskGroup
    feed: int
    scenarios: tuple[Scenario, ...]
    grid: Grid
    rate_ppm: int
    marked: tuple[Instrument, ...]
    marked_rows: Integers
    scales: Integers
    """[marked] micros a tick."""
    options: Options


def make_block(group: RiskGroup, feed: int, numbered: Sequence[tuple[int, Instrument]], of: RiskParameters) -> Block:
    """Lay out instruments of one group and feed, each with its row in the arrays."""
    marked = [(row, each) for row, each in numbered if each.is_marked]
    options = [(row, each) for row, each in numbered if each.is_option]
    expiries = sorted({each.expiry_ms for _, each in options})
    return Block(
        group=group,
        feed=feed,
        scenarios=of.grid(group),
        grid=grid_columns(group, of),
        rate_ppm=of.rate_ppm,
        marked=tuple(each for _, each in marked),
        marked_rows=np.array([row for row, _ in marked], np.int64),
        scales=np.array([each.micros_per_tick for _, each in marked], np.int64),
        options=Options(
            listed=tuple(each for _, each in options),
            rows=np.array([row for row, _ in options], np.int64),
            strikes=np.array([each.strike_ticks for _, each in options], np.float64),
            is_call=np.array([each.kind is InstrumentKind.CALL for _, each in options], np.bool_),
            scales=np.array([each.micros_per_tick for _, each in options], np.float64),
            expiries=tuple(expiries),
            expiry=np.array([expiries.index(each.expiry_ms) for _, each in options], np.int64),
        ),
    )


def marks_used(block: Block, index_ticks: int, marks: Mapping[int, int], time_ms: int) -> tuple[int, ...]:
    """The settled mark of each marked instrument, or the model's where it has none yet."""
    return tuple(
        marks[each.id] if each.id in marks else model_mark(each, index_ticks, block.rate_ppm, time_ms)
        for each in block.marked
    )


def marked_values(block: Block, marks: Sequence[int]) -> Integers:
    """[marked, 1 + S]: `marked_row` of each."""
    grid = block.grid
    values = np.zeros((len(marks), 1 + len(grid.weights)), np.int64)
    highest = max(marks)
    span = 4 * highest * int(block.scales.max()) * (PPM if grid.weighted else 1)
    if highest * int(grid.numerators.max()) >= INT64_EXACT or span >= INT64_EXACT:
        for row, mark in enumerate(marks):
            moved = marked_row(int(block.scales[row]), mark, block.group.range_ppm, block.scenarios)
            values[row, : len(moved)] = moved
        return values
    gains = _moved(np.array(marks, np.int64)[:, np.newaxis], grid)
    gains -= np.array(marks, np.int64)[:, np.newaxis]
    gains *= block.scales[:, np.newaxis]
    if grid.weighted:
        gains *= grid.weights
        gains //= PPM
    values[:, 1:] = gains
    return values


def _moved(ticks: Integers, grid: Grid) -> Integers:
    """`shocked_index` of prices [n, 1] in each scenario [n, S]; ticks * numerators must stay below 2^63."""
    size = ticks * -grid.numerators
    size //= grid.denominators  # minus the size, rounded away from zero
    moved: Integers = ticks + np.where(grid.rising, -size, size)
    return np.maximum(moved, 1, out=moved)


def option_rows(block: Block, index_ticks: int, time_ms: int) -> Integers:
    """[options, 1 + S]: `option_row` of each. Raises Bug when a value reaches 2^61."""
    options, grid = block.options, block.grid
    width = 1 + len(grid.weights)
    forwards = _forwards(block, index_ticks, time_ms)
    years = np.array([years_left(each, time_ms) for each in options.expiries])
    discounts = np.array([discount_factor(block.rate_ppm, each) for each in years.tolist()])
    volatilities = _volatilities(block, forwards[:, 0], time_ms)
    count = len(options.listed) * width
    ticks = option_values(
        forward=forwards[options.expiry].reshape(count),
        strike=options.strikes.repeat(width),
        volatility=(volatilities / float(PPM)).reshape(count),
        years=years[options.expiry].repeat(width),
        discount=discounts[options.expiry].repeat(width),
        is_call=options.is_call.repeat(width),
    )
    rounded = np.rint(ticks * options.scales.repeat(width))
    largest = float(np.abs(rounded).max())
    if not largest <= VALUE_MAX:  # also refuses NaN
        raise Bug("an option value reaches 2^61")
    full: Integers = rounded.astype(np.int64).reshape(len(options.listed), width)
    return _weighted(full, grid, int(largest)) if grid.weighted else full


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


def _forwards(block: Block, index_ticks: int, time_ms: int) -> Floats:
    """[expiries, 1 + S] forward in the base and in every scenario; each a whole number of ticks."""
    grid, expiries = block.grid, block.options.expiries
    indices = np.empty(1 + len(grid.weights), np.int64)
    indices[0] = index_ticks
    if index_ticks * int(grid.numerators.max()) < INT64_EXACT:
        indices[1:] = _moved(np.array([[index_ticks]], np.int64), grid)[0]
    else:
        moved = [shocked_index(index_ticks, block.group.range_ppm, each) for each in block.scenarios]
        indices[1 : 1 + len(moved)] = moved
        indices[1 + len(moved) :] = index_ticks
    return _carried(indices, [each - time_ms for each in expiries], block.rate_ppm)


def _carried(indices: Integers, tenors: Sequence[int], rate_ppm: int) -> Floats:
    """`forward_ticks` of each index [n] to each time to expiry [e], as [e, n].

    Below 2^42 ticks and 2^62 parts of a year the guess in float64 is at most one off, so what is left over is small
    and exact although the two products that it is the difference of may wrap around.
    """
    parts = [rate_ppm * max(each, 0) for each in tenors]
    if max(parts) >= PARTS_MAX:
        carried = [[each + each * part // YEAR_PARTS for each in indices.tolist()] for part in parts]
        return np.array(carried, np.float64)
    numerators = np.array(parts, np.int64)[:, np.newaxis]
    guess = np.floor(indices * (numerators / YEAR_PARTS)).astype(np.int64)
    rest = indices * numerators - guess * YEAR_PARTS
    rest //= YEAR_PARTS
    rest += guess
    rest += indices
    return rest.astype(np.float64)


def _volatilities(block: Block, forwards: Floats, time_ms: int) -> Integers:
    """[options, 1 + S] `scenario_volatility` of each option; `forwards` [expiries] are the base's."""
    options, grid, group = block.options, block.grid, block.group
    if group.surface or grid.skewed:
        smiled = smiles.option_smiles(group, forwards, options.strikes, options.expiries, options.expiry, time_ms)
    else:
        smiled = smiles.no_smile(group, len(options.listed))
    base = smiled.volatilities[:, np.newaxis]
    factors = np.array([term_factor_ppm(group.shock, expiry - time_ms) for expiry in options.expiries], np.int64)
    up, down = smiles.shock_sizes(group.shock, group.volatility_range_ppm, smiled.volatilities, factors[options.expiry])
    rises, falls = grid.volatility > 0, grid.volatility < 0
    shifted = np.empty((len(options.listed), 1 + len(grid.weights)), np.int64)
    shifted[:, :1] = np.maximum(base, VOLATILITY_MIN_PPM)
    moved = shifted[:, 1:]
    moved[:] = base + np.where(rises, up[:, np.newaxis], np.where(falls, -down[:, np.newaxis], 0))
    if group.shock.up_floor_ppm:
        np.maximum(moved, np.where(rises, group.shock.up_floor_ppm, 0), out=moved)
    smiles.bound(moved)
    if grid.skewed:
        tilt, lift = smiles.skew_shares(group.shock, smiled.deviations)
        moved *= PPM + grid.skew_linear * tilt[:, np.newaxis] + grid.skew_absolute * lift[:, np.newaxis]
        moved //= PPM
        smiles.bound(moved)
    return shifted
