"""`clearing.pricing.mark.mark_ticks` for all options of one risk group at once: the same marks, many times faster.

Rule: as `clearing.pricing.mark`. An exchange lists options by the hundred, and each tick marks them all.
"""

from collections.abc import Sequence

import numpy as np

from clearing.base.units import PPM
from clearing.instruments import Instrument, InstrumentKind
from clearing.pricing import smiles
from clearing.pricing.black76 import option_values
from clearing.pricing.carry import forward_ticks
from clearing.pricing.mark import discount_factor, mark_ticks, years_left
from clearing.pricing.surface import VOLATILITY_MIN_PPM, Volatile

FEW = 4
"""So many options and fewer are faster one by one."""


def option_marks(
    options: Sequence[Instrument], index_ticks: int, group: Volatile, rate_ppm: int, time_ms: int
) -> list[int]:
    """The mark of each option at an index. Raises ValueError when `index_ticks` is not positive."""
    if len(options) <= FEW:
        return [mark_ticks(each, index_ticks, group, rate_ppm, time_ms) for each in options]
    if index_ticks <= 0:
        raise ValueError(f"index must be positive, got {index_ticks}")
    expiries = sorted({each.expiry_ms for each in options})
    expiry = np.array([expiries.index(each.expiry_ms) for each in options])
    strikes = np.array([each.strike_ticks for each in options], np.float64)
    forwards = np.array([forward_ticks(index_ticks, each, rate_ppm, time_ms) for each in expiries], np.float64)
    years = [years_left(each, time_ms) for each in expiries]
    discounts = np.array([discount_factor(rate_ppm, each) for each in years])
    if group.surface:
        volatilities = smiles.option_smiles(group, forwards, strikes, expiries, expiry, time_ms).volatilities
    else:
        volatilities = smiles.no_smile(group, len(options)).volatilities
    values = option_values(
        forward=forwards[expiry],
        strike=strikes,
        volatility=np.maximum(volatilities, VOLATILITY_MIN_PPM) / float(PPM),
        years=np.array(years)[expiry],
        discount=discounts[expiry],
        is_call=np.array([each.kind is InstrumentKind.CALL for each in options]),
    )
    return [int(ticks) for ticks in np.rint(values).tolist()]
