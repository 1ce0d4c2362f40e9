"""Floor rows: what a long option counts for at most while its surface is not fresh, in the base and every scenario.

Rule: the smaller of its row and the row of its intrinsic value, discounted and rounded down, so a stale volatility
never creates credit, and an option that was paid for never counts below zero. Integers; which accounts and checks use
it is the caller's. It must not know accounts.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from clearing.base.units import PPM
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin.risk_arrays.reference_arrays import shocked_index
from clearing.pricing.marks import intrinsic_micros


def arrays_at_floor(arrays: RiskArrays, instruments: Collection[int]) -> RiskArrays:
    """The arrays with the rows of these options, by id, at their floor. Raises ValueError for arrays that were not
    built from prices."""
    if arrays.plan is None:
        raise ValueError("floors need arrays that were built from prices")
    values = arrays.values.copy()
    for block, (index_ticks, time_ms, _) in zip(arrays.plan.blocks, arrays.inputs, strict=True):
        rate, curve = block.rate_ppm, block.group.curve
        for row in block.options.rows.tolist() if index_ticks else ():
            option = arrays.instruments[row]
            if option.id not in instruments:
                continue
            known = arrays.averages.get(option.id)
            base = intrinsic_micros(option, index_ticks, rate, time_ms, curve, known)
            floors = [base] * values.shape[1]
            for column, scenario in enumerate(block.scenarios, start=1):
                moved = shocked_index(index_ticks, block.group.range_ppm, scenario)
                change = intrinsic_micros(option, moved, rate, time_ms, curve, known) - base
                floors[column] = base + change * scenario.weight_ppm // PPM
            values[row] = np.minimum(values[row], np.array(floors, np.int64))
    return replace(arrays, values=values)
