"""Greeks of accounts by risk group: how the value of their positions moves with index, volatility and time.

Rule: integers a lot, from the same prices, surface and formula as the risk arrays, so an account's greeks are linear in
its lots like its scenarios. For reports only: no decision depends on them. Marked instruments move in proportion to the
index, as in their scenarios; collateral does not count. It must not know accounts' cash.

Per lot, rounded half to even:

    delta  10^-9 of the underlying         value of a tick more of the index, over the value of a tick
    gamma  10^-9 of the underlying         change of delta when the index rises by 1 %
    vega   10^-6 of the settlement unit    for one volatility point (0.01) more
    theta  10^-6 of the settlement unit    for one day less, at the same index, volatility and discount
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clearing.base.units import MICROS_PER_TICK, PPM
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin.risk_arrays.exact_products import Integers
from clearing.pricing.averages import Averages, deviation_factor
from clearing.pricing.black76 import greeks
from clearing.pricing.marks import discount_factor, years_left
from clearing.pricing.surface import option_volatility
from clearing.schema.risk.carry import carried_ticks, carry_to
from clearing.schema.risk.known_average import KnownAverage, blended_ticks
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.terms.instruments import Instrument, InstrumentKind

NANO = 10**9
DAYS = 365.0

PerLot = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class GroupGreeks:
    """One account's greeks in one risk group; units as in the module's docstring."""

    group: int
    delta_nano: int
    gamma_nano: int
    vega_micros: int
    theta_micros: int


@dataclass(frozen=True, slots=True)
class ExpiryGreeks:
    """The part of one risk group's greeks that expires at `expiry_ms`; 0: never."""

    expiry_ms: int
    greeks: GroupGreeks


def greeks_per_lot(arrays: RiskArrays) -> Integers:
    """[m, 4] delta, gamma, vega and theta of one lot; zeros without a price.

    Raises ValueError for arrays that were not built from prices.
    """
    if arrays.plan is None:
        raise ValueError("greeks need arrays that were built from prices")
    found = np.zeros((len(arrays.instruments), 4), np.int64)
    for block, (index, time_ms, marks) in zip(arrays.plan.blocks, arrays.inputs, strict=True):
        if not index:
            continue
        for row, mark in zip(block.marked_rows.tolist(), marks, strict=True):
            found[row] = _marked(arrays.instruments[row], mark, index)
        for row in block.options.rows.tolist():
            found[row] = _option(arrays.instruments[row], index, block.group, block.rate_ppm, time_ms, arrays.averages)
    return found


def account_greeks(arrays: RiskArrays, per_lot: Integers, positions: Sequence[int]) -> tuple[GroupGreeks, ...]:
    """One account's greeks by risk group, from `greeks_per_lot` and lots in the arrays' order. Exact sums."""
    if len(positions) != len(arrays.instruments):
        raise ValueError(f"{len(positions)} positions for {len(arrays.instruments)} instruments")
    rows = per_lot.tolist()
    found = []
    for group, matrix in zip(arrays.groups, arrays.matrices, strict=True):
        sums = [sum(rows[at][which] * positions[at] for at in matrix.members) for which in range(4)]
        found.append(GroupGreeks(group.id, *sums))
    return tuple(found)


def account_greeks_by_expiry(
    arrays: RiskArrays, per_lot: Integers, positions: Sequence[int]
) -> tuple[ExpiryGreeks, ...]:
    """As `account_greeks`, one for each expiry of a group in which the account has a position, those that never expire
    first. Those of a group sum to the group's."""
    if len(positions) != len(arrays.instruments):
        raise ValueError(f"{len(positions)} positions for {len(arrays.instruments)} instruments")
    rows = per_lot.tolist()
    found = []
    for group, matrix in zip(arrays.groups, arrays.matrices, strict=True):
        sums: dict[int, list[int]] = {}
        for at in matrix.members:
            if positions[at]:
                before = sums.get(arrays.instruments[at].expiry_ms, [0] * 4)
                sums[arrays.instruments[at].expiry_ms] = [
                    total + positions[at] * each for total, each in zip(before, rows[at], strict=True)
                ]
        found += [ExpiryGreeks(expiry, GroupGreeks(group.id, *each)) for expiry, each in sorted(sums.items())]
    return tuple(found)


def _marked(instrument: Instrument, mark_ticks: int, index_ticks: int) -> PerLot:
    return round(instrument.micros_per_tick * (NANO // MICROS_PER_TICK) * mark_ticks / index_ticks), 0, 0, 0


def _open_share(known: KnownAverage | None) -> float:
    """The part of a settlement average that still moves with the index."""
    if known is None:
        return 1.0
    whole = max(known.window_ms, known.covered_ms)
    return (whole - known.covered_ms) / whole


def _option(
    option: Instrument, index_ticks: int, group: RiskGroup, rate_ppm: int, time_ms: int, averages: Averages
) -> PerLot:
    carried = carry_to(group.curve, option.expiry_ms, rate_ppm, time_ms)
    of_index, known = carried_ticks(index_ticks, carried), averages.get(option.id)
    settling = blended_ticks(known, of_index)
    factor = deviation_factor(known, of_index, settling, option.expiry_ms - time_ms)
    forward = float(settling)
    strike, years = float(option.strike_ticks), years_left(option.expiry_ms, time_ms)
    volatility = option_volatility(group, forward, strike, option.expiry_ms - time_ms)
    is_call = option.kind is InstrumentKind.CALL
    discount = discount_factor(carried.rate_ppm, years)
    of_forward = greeks(forward, strike, volatility / PPM * factor, years, discount, is_call)
    carry = float(of_index) * _open_share(known) / index_ticks
    units = option.micros_per_tick * (NANO // MICROS_PER_TICK)
    return (
        round(units * of_forward.delta * carry),
        round(units * of_forward.gamma * carry * carry * index_ticks / 100.0),
        round(option.micros_per_tick * of_forward.vega * factor / 100.0),
        round(option.micros_per_tick * of_forward.theta / DAYS),
    )
