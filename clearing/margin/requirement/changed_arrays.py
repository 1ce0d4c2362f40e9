"""What differs between two sets of risk arrays of one listing: what a margin book must recompute.

Rule: whatever a margin depends on is compared by value, so nothing that moved is missed. It must not know accounts.
"""

from collections.abc import Sequence

import numpy as np

from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin.risk_arrays.charge_rates import Tariff
from clearing.margin.risk_arrays.exact_products import GroupMatrix


def requirement_inputs(arrays: RiskArrays) -> tuple[object, ...]:
    """The parameters on which the totals of every account depend."""
    parameters = arrays.parameters
    levels = parameters.maintenance_numerator, parameters.maintenance_denominator
    return *levels, arrays.tariff.joint, parameters.history


def changed_tokens(one: RiskArrays, other: RiskArrays) -> list[int]:
    """Indices of the tokens that count for something else in equity, or whose concentration costs something else."""
    found = _differing(one.token_prices, other.token_prices)
    if one.tariff is not other.tariff:
        found |= _differing(one.tariff.concentration, other.tariff.concentration)
    return sorted(found)


def _differing(one: Sequence[object], other: Sequence[object]) -> set[int]:
    if one == other:
        return set()
    return {at for at, (old, new) in enumerate(zip(one, other, strict=True)) if old != new}


def moved_in_history(one: RiskArrays, other: RiskArrays) -> set[int]:
    """Numbers of the risk groups whose columns of history differ, for lots or for units."""
    if not other.tariff.historical or (one.values is other.values and one.token_rows is other.token_rows):
        return set()
    pairs = zip(one.wide_matrices, other.wide_matrices, strict=True)
    return {
        number for number, (before, after) in enumerate(pairs) if before is not after and not same_matrix(before, after)
    }


def same_matrix(one: GroupMatrix, other: GroupMatrix) -> bool:
    """Whether every coefficient is the same, for lots and for units."""
    if one.largest != other.largest or not np.array_equal(one.exact, other.exact):
        return False
    first, second = one.token_losses, other.token_losses
    return first is second or (first is not None and second is not None and np.array_equal(first, second))


def recharged_instruments(before: Tariff, after: Tariff) -> set[int]:
    """Indices of the instruments whose charges differ."""
    if before is after:
        return set()
    found = _differing(before.short_rates, after.short_rates) | _differing(before.lot_rates, after.lot_rates)
    found |= _differing(before.impact, after.impact)
    kept = {id(charge) for charge in before.net}.intersection(map(id, after.net))
    for charge in (*before.net, *after.net):
        if id(charge) not in kept:
            found.update(charge.members)
    return found
