"""Rows of the reference arrays for all instruments of a risk group at once: the same numbers, many times faster.

Rule: int64 is used only where a checked bound holds; otherwise the definition is evaluated row by row in Python
integers. Inputs that do not depend on prices or time are laid out once in a block. Options use real numbers only in the
correctly rounded operations of `clearing.pricing`. The options of a risk group are priced together; the bits of a
result do not depend on the rest of the batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearing.base.errors import Bug
from clearing.base.units import PPM
from clearing.margin.risk_arrays.exact_products import INT64_EXACT, largest_of
from clearing.margin.risk_arrays.grid import Grid, Integers, filled_columns, grid_columns
from clearing.margin.risk_arrays.reference_arrays import COEFFICIENT_MAX, marked_row, model_mark, shocked_index
from clearing.pricing import smiles
from clearing.pricing.averages import NO_AVERAGES, Averages, deviation_factor
from clearing.pricing.black76 import option_values
from clearing.pricing.marks import discount_factor, years_left
from clearing.pricing.surface import term_factor_ppm
from clearing.pricing.vectors import Floats
from clearing.schema.risk.carry import Carry, carried_ticks, carry_to
from clearing.schema.risk.known_average import blended_ticks
from clearing.schema.risk.parameters import RiskGroup, RiskParameters, Scenario
from clearing.schema.risk.volatility_surface import VOLATILITY_MIN_PPM
from clearing.schema.terms.instruments import Instrument, InstrumentKind


@dataclass(frozen=True, slots=True, eq=False)
class OptionColumns:
    """The options of a block as columns: [o], or [o * (1 + S)] one scenario after the other."""

    rows: Integers
    strikes: Floats
    wide_strikes: Floats
    wide_calls: NDArray[np.bool_]
    wide_scales: Floats
    """Micros a tick."""
    expiries: tuple[int, ...]
    """Distinct times of expiry, rising."""
    expiry: Integers
    """Index into `expiries`."""
    ids: tuple[int, ...]
    """[o] of the options."""


@dataclass(frozen=True, slots=True, eq=False)
class InstrumentBlock:
    """The instruments of one risk group on one feed, and their grid."""

    group: RiskGroup
    feed: int
    scenarios: tuple[Scenario, ...]
    """One for each column after the base."""
    grid: Grid
    rate_ppm: int
    futures_on_curve: bool
    rows: tuple[int, ...]
    """Rows of all its instruments in the arrays."""
    marked: tuple[Instrument, ...]
    marked_rows: Integers
    scales: Integers
    """[marked, 1] micros a tick."""
    largest_scale: int
    options: OptionColumns


def build_block(
    group: RiskGroup, feed: int, numbered: Sequence[tuple[int, Instrument]], of: RiskParameters
) -> InstrumentBlock:
    """Build the block of instruments of one group and feed, each with its row in the arrays."""
    marked = [(row, instrument) for row, instrument in numbered if instrument.is_marked]
    options = [(row, instrument) for row, instrument in numbered if instrument.is_option]
    expiries = sorted({option.expiry_ms for _, option in options})
    strikes, width = np.array([option.strike_ticks for _, option in options], np.float64), 1 + of.column_count
    return InstrumentBlock(
        group=group,
        feed=feed,
        scenarios=filled_columns(group, of),
        grid=grid_columns(group, of),
        rate_ppm=of.rate_ppm,
        futures_on_curve=of.futures_on_curve,
        rows=tuple(row for row, _ in numbered),
        marked=tuple(instrument for _, instrument in marked),
        marked_rows=np.array([row for row, _ in marked], np.int64),
        scales=np.array([instrument.micros_per_tick for _, instrument in marked], np.int64)[:, np.newaxis],
        largest_scale=max((instrument.micros_per_tick for _, instrument in marked), default=0),
        options=OptionColumns(
            rows=np.array([row for row, _ in options], np.int64),
            strikes=strikes,
            wide_strikes=strikes.repeat(width),
            wide_calls=np.array([option.kind is InstrumentKind.CALL for _, option in options], np.bool_).repeat(width),
            wide_scales=np.array([option.micros_per_tick for _, option in options], np.float64).repeat(width),
            expiries=tuple(expiries),
            expiry=np.array([expiries.index(option.expiry_ms) for _, option in options], np.int64),
            ids=tuple(option.id for _, option in options),
        ),
    )


def block_marks(block: InstrumentBlock, index_ticks: int, marks: Mapping[int, int], time_ms: int) -> tuple[int, ...]:
    """The settled mark of each marked instrument, or the model's where it has none yet."""
    curve = block.group.curve if block.futures_on_curve else ()
    return tuple(
        marks[instrument.id]
        if instrument.id in marks
        else model_mark(instrument, index_ticks, block.rate_ppm, time_ms, curve)
        for instrument in block.marked
    )


def marked_values(block: InstrumentBlock, marks: Sequence[int]) -> Integers:
    """[marked, 1 + S]: `marked_row` of each instrument. Raises Bug when a value reaches 2^62."""
    grid = block.grid
    values = np.zeros((len(marks), 1 + len(grid.weights)), np.int64)
    highest = max(marks)
    largest = 4 * highest * block.largest_scale  # no scenario moves a price beyond four times itself
    if highest * grid.largest_numerator >= INT64_EXACT or largest * (PPM if grid.weighted else 1) >= INT64_EXACT:
        for row, mark in enumerate(marks):
            moved = marked_row(int(block.scales[row, 0]), mark, block.group.range_ppm, block.scenarios)
            _check_gain(max(map(abs, moved)))
            values[row, : len(moved)] = moved
        return values
    gains = values[:, 1:]
    move_prices(np.array(marks, np.int64)[:, np.newaxis], grid, gains)
    gains *= block.scales
    if grid.weighted:
        gains *= grid.weights
        gains //= PPM
    if largest > COEFFICIENT_MAX:
        _check_gain(largest_of(gains))
    return values


def _check_gain(largest: int) -> None:
    if largest > COEFFICIENT_MAX:
        raise Bug(f"a gain of {largest} micros reaches 2^62")


def move_prices(ticks: Integers, grid: Grid, moves: Integers) -> None:
    """Write into `moves` [n, S] `shocked_index` less the price, of prices [n, 1]; ticks * numerators must stay below
    2^63."""
    np.multiply(ticks, grid.negated, out=moves)
    moves //= grid.denominators  # minus the size, rounded away from zero
    moves *= grid.signs
    np.maximum(moves, 1 - ticks, out=moves)


def shocked_ticks(ticks: int, grid: Grid) -> Integers:
    """[S] `shocked_index` of a price; ticks * numerators must stay below 2^63."""
    moved = np.empty(len(grid.weights), np.int64)
    move_prices(np.array(ticks, np.int64), grid, moved)
    moved += ticks
    return moved


PARTS_MAX = 2**62
CARRY_MAX = 1_000
VALUE_MAX = 2.0**61


class RevaluedBlock(NamedTuple):
    """A block with options to be valued at an index and a time."""

    block: InstrumentBlock
    index_ticks: int
    time_ms: int
    averages: Averages = NO_AVERAGES


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
    block, index_ticks, time_ms, averages = moved
    options, width = block.options, 1 + len(block.grid.weights)
    carries = [carry_to(block.group.curve, expiry, block.rate_ppm, time_ms) for expiry in options.expiries]
    forwards = _forwards(block, index_ticks, carries)
    years = [years_left(expiry, time_ms) for expiry in options.expiries]
    discounts = [discount_factor(carry.rate_ppm, year) for carry, year in zip(carries, years, strict=True)]
    settling = forwards[options.expiry]
    factors = _blend(options, settling, averages, time_ms)
    volatilities = _volatilities(block, settling[:, 0], time_ms) / float(PPM)
    if factors is not None:
        volatilities *= factors
    return OptionValueColumns(
        forwards=settling.reshape(-1),
        volatilities=volatilities.reshape(-1),
        years=np.array(years)[options.expiry].repeat(width),
        discounts=np.array(discounts)[options.expiry].repeat(width),
    )


def _blend(options: OptionColumns, forwards: Floats, averages: Averages, time_ms: int) -> Floats | None:
    """Put the forwards of averages in place of those of the index, [o, 1 + S], and return what remains of their
    deviations; None where no option settles at an average. One by one: few are inside their windows at a time."""
    if not any(option in averages for option in options.ids):
        return None
    factors = np.ones_like(forwards)
    for row, (option, expiry) in enumerate(zip(options.ids, options.expiry.tolist(), strict=True)):
        known, tenor_ms = averages.get(option), options.expiries[expiry] - time_ms
        if known is None:
            continue
        if tenor_ms >= known.window_ms and not known.covered_ms:
            factors[row] = deviation_factor(known, 1, 1, tenor_ms)
            continue
        carried = [int(forward) for forward in forwards[row].tolist()]
        blended = [blended_ticks(known, forward) for forward in carried]
        forwards[row] = blended
        factors[row] = [
            deviation_factor(known, forward, settling, tenor_ms)
            for forward, settling in zip(carried, blended, strict=True)
        ]
    return factors


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


def _forwards(block: InstrumentBlock, index_ticks: int, carries: Sequence[Carry]) -> Floats:
    """[expiries, 1 + S] forward in the base and in every scenario; each a whole number of ticks."""
    grid = block.grid
    indices = np.empty(1 + len(grid.weights), np.int64)
    indices[0] = index_ticks
    if index_ticks * grid.largest_numerator < INT64_EXACT:
        indices[1:] = shocked_ticks(index_ticks, grid)
    else:
        moved = [shocked_index(index_ticks, block.group.range_ppm, scenario) for scenario in block.scenarios]
        indices[1 : 1 + len(moved)] = moved
        indices[1 + len(moved) :] = index_ticks
    return _carried_forwards(indices, carries)


def _carried_forwards(indices: Integers, carries: Sequence[Carry]) -> Floats:
    """`carried_ticks` of each index [n] by each carry [e], as [e, n].

    Below 2^42 ticks and numerators of 2^62 a carry of at most a thousand times the index has a float64 estimate that is
    at most one off. So the remainder is small and exact, although the two products of which it is the difference may
    wrap around.
    """
    if any(abs(numerator) >= min(PARTS_MAX, CARRY_MAX * denominator) for numerator, denominator, _ in carries):
        carried = [[carried_ticks(index, carry) for index in indices.tolist()] for carry in carries]
        return np.array(carried, np.float64)
    numerators = np.array([carry.numerator for carry in carries], np.int64)[:, np.newaxis]
    denominators = np.array([carry.denominator for carry in carries], np.int64)[:, np.newaxis]
    guess = np.floor(indices * (numerators / denominators)).astype(np.int64)
    rest = indices * numerators - guess * denominators
    rest //= denominators
    rest += guess
    rest += indices
    return np.maximum(rest, 1).astype(np.float64)


def _volatilities(block: InstrumentBlock, forwards: Floats, time_ms: int) -> Integers:
    """[options, 1 + S] `scenario_volatility` of each option; `forwards` [options] are those of the base."""
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
    if grid.stated:
        moved += smiles.stated_moves(grid.stated_volatility, smiled.volatilities, factors[options.expiry])
    if group.shock.up_floor_ppm:
        np.maximum(moved, np.where(rises, group.shock.up_floor_ppm, 0), out=moved)
    smiles.bound_volatilities(moved)
    if grid.skewed:
        tilt, lift = smiles.skew_shares(group.shock, smiled.deviations)
        moved *= PPM + grid.skew_linear * tilt[:, np.newaxis] + grid.skew_absolute * lift[:, np.newaxis]
        moved //= PPM
        smiles.bound_volatilities(moved)
    return shifted
