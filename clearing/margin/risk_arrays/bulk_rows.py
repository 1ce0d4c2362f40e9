"""Rows of the reference arrays for all marked instruments of one risk group at once: the same numbers, faster.

Rule: int64 only where a checked bound holds, otherwise the definition row by row. Everything independent of prices and
time is computed once in a block. `bulk_options` values its options.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearing.base.units import PPM
from clearing.margin.risk_arrays.grid import Grid, Integers, grid_columns
from clearing.margin.risk_arrays.reference_arrays import marked_row, model_mark
from clearing.pricing.vectors import Floats
from clearing.schema.risk.parameters import RiskGroup, RiskParameters, Scenario
from clearing.schema.terms.instruments import Instrument, InstrumentKind

INT64_EXACT = 2**63


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


@dataclass(frozen=True, slots=True, eq=False)
class InstrumentBlock:
    """The instruments of one risk group on one feed, and their grid."""

    group: RiskGroup
    feed: int
    scenarios: tuple[Scenario, ...]
    grid: Grid
    rate_ppm: int
    rows: tuple[int, ...]
    """Rows of all its instruments in the arrays."""
    marked: tuple[Instrument, ...]
    marked_rows: Integers
    scales: Integers
    """[marked] micros a tick."""
    options: OptionColumns


def build_block(
    group: RiskGroup, feed: int, numbered: Sequence[tuple[int, Instrument]], of: RiskParameters
) -> InstrumentBlock:
    """Build the block of instruments of one group and feed, each with its row in the arrays."""
    marked = [(row, instrument) for row, instrument in numbered if instrument.is_marked]
    options = [(row, instrument) for row, instrument in numbered if instrument.is_option]
    expiries = sorted({option.expiry_ms for _, option in options})
    strikes, width = np.array([option.strike_ticks for _, option in options], np.float64), 1 + of.width
    return InstrumentBlock(
        group=group,
        feed=feed,
        scenarios=of.grid(group),
        grid=grid_columns(group, of),
        rate_ppm=of.rate_ppm,
        rows=tuple(row for row, _ in numbered),
        marked=tuple(instrument for _, instrument in marked),
        marked_rows=np.array([row for row, _ in marked], np.int64),
        scales=np.array([instrument.micros_per_tick for _, instrument in marked], np.int64),
        options=OptionColumns(
            rows=np.array([row for row, _ in options], np.int64),
            strikes=strikes,
            wide_strikes=strikes.repeat(width),
            wide_calls=np.array([option.kind is InstrumentKind.CALL for _, option in options], np.bool_).repeat(width),
            wide_scales=np.array([option.micros_per_tick for _, option in options], np.float64).repeat(width),
            expiries=tuple(expiries),
            expiry=np.array([expiries.index(option.expiry_ms) for _, option in options], np.int64),
        ),
    )


def block_marks(block: InstrumentBlock, index_ticks: int, marks: Mapping[int, int], time_ms: int) -> tuple[int, ...]:
    """The settled mark of each marked instrument, or the model's where it has none yet."""
    return tuple(
        marks[instrument.id] if instrument.id in marks else model_mark(instrument, index_ticks, block.rate_ppm, time_ms)
        for instrument in block.marked
    )


def marked_values(block: InstrumentBlock, marks: Sequence[int]) -> Integers:
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
    gains = shocked_ticks(np.array(marks, np.int64)[:, np.newaxis], grid)
    gains -= np.array(marks, np.int64)[:, np.newaxis]
    gains *= block.scales[:, np.newaxis]
    if grid.weighted:
        gains *= grid.weights
        gains //= PPM
    values[:, 1:] = gains
    return values


def shocked_ticks(ticks: Integers, grid: Grid) -> Integers:
    """`shocked_index` of prices [n, 1] in each scenario [n, S]; ticks * numerators must stay below 2^63."""
    size = ticks * -grid.numerators
    size //= grid.denominators  # minus the size, rounded away from zero
    moved: Integers = ticks + np.where(grid.rising, -size, size)
    return np.maximum(moved, 1, out=moved)
