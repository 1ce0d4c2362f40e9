"""Floor rows: what a long option counts for at most while its surface is not fresh, in the base and every scenario.

Rule: the smaller of its row and the row of its intrinsic value, discounted and rounded down, so a stale volatility
never creates credit, and an option that was paid for never counts below zero. Integers; which accounts and checks use
it is the caller's. What was computed for arrays is kept with them. It must not know accounts.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from clearing.base.units import PPM
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin.risk_arrays.exact_products import Integers
from clearing.margin.risk_arrays.reference_arrays import shocked_index
from clearing.pricing.marks import intrinsic_micros

_ROWS, _ARRAYS = "floor_rows", "arrays_at_floor"
"""What arrays keep of their own floors."""
_SHARED = ("tariff", "net", "net_matrices")
"""What does not depend on the rows that change."""


def arrays_at_floor(arrays: RiskArrays, instruments: Collection[int]) -> RiskArrays:
    """The arrays with the rows of these options, by id, at their floor. Raises ValueError for arrays that were not
    built from prices."""
    known: dict[tuple[int, ...], RiskArrays] = vars(arrays).setdefault(_ARRAYS, {})
    key = tuple(sorted(instruments))
    if key not in known:
        values = arrays.values.copy()
        for instrument in key:
            row, floors = _floor_row(arrays, instrument)
            values[row] = floors
        arrays.tariff  # noqa: B018 - computed once, also for those at the floor
        known[key] = replace(arrays, values=values)
        vars(known[key]).update({name: vars(arrays)[name] for name in _SHARED if name in vars(arrays)})
    return known[key]


def most_lost(arrays: RiskArrays, instrument: int) -> int:
    """The most that one lot of an option counts for less at its floor, in micros, over the base and every scenario."""
    row, floors = _floor_row(arrays, instrument)
    return int((arrays.values[row] - floors).max())


def _floor_row(arrays: RiskArrays, instrument: int) -> tuple[int, Integers]:
    """The number of an option's row, and the row at its floor."""
    known: dict[int, tuple[int, Integers]] = vars(arrays).setdefault(_ROWS, {})
    if instrument not in known:
        known[instrument] = _computed_floor(arrays, instrument)
    return known[instrument]


def _computed_floor(arrays: RiskArrays, instrument: int) -> tuple[int, Integers]:
    if arrays.plan is None:
        raise ValueError("floors need arrays that were built from prices")
    row = next(at for at, listed in enumerate(arrays.instruments) if listed.id == instrument)
    option, width = arrays.instruments[row], arrays.values.shape[1]
    for block, (index_ticks, time_ms, _) in zip(arrays.plan.blocks, arrays.inputs, strict=True):
        if not index_ticks or row not in block.options.rows:
            continue
        rate, curve = block.rate_ppm, block.group.curve
        known = arrays.averages.get(option.id)
        base = intrinsic_micros(option, index_ticks, rate, time_ms, curve, known)
        floors = [base] * width
        for column, scenario in enumerate(block.scenarios, start=1):
            moved = shocked_index(index_ticks, block.group.range_ppm, scenario)
            change = intrinsic_micros(option, moved, rate, time_ms, curve, known) - base
            floors[column] = base + change * scenario.weight_ppm // PPM
        return row, np.minimum(arrays.values[row], np.array(floors, np.int64))
    return row, arrays.values[row]
