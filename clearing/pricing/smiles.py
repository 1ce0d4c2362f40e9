"""Volatility smiles for many options at once, bit for bit the same as `clearing.pricing.surface`.

Rule: one numpy operation per rounding, as in `clearing.pricing.vectors`; the scalar functions are used per expiry.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearing.base.units import PPM
from clearing.pricing import vectors
from clearing.pricing.surface import VolatilityInputs, smile_at
from clearing.pricing.vectors import Floats
from clearing.schema.risk.volatility_surface import FLAT, VOLATILITY_MAX_PPM, VOLATILITY_MIN_PPM, VolShock

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class OptionSmiles:
    """Positions of options on their surface, [n] each."""

    volatilities: Integers
    """In ppm."""
    deviations: Floats
    """Standard deviations out of the money; below zero for low strikes, 0 at expiry."""


def option_smiles(
    group: VolatilityInputs, forwards: Floats, strikes: Floats, expiries: Sequence[int], expiry: Integers, time_ms: int
) -> OptionSmiles:
    """`option_volatility` and `option_deviations` of options [n].

    `forwards` [n] are of each option, `expiries` distinct; `expiry` [n] is each option's index into them.
    """
    tenors = [expiry_ms - time_ms for expiry_ms in expiries]
    smiles = [smile_at(group.surface or FLAT, group.volatility_ppm, max(tenor, 1)) for tenor in tenors]
    moneyness = _log_moneyness(forwards, strikes)
    at_money = np.array([smile.at_money for smile in smiles])[expiry]
    alive = np.array([tenor > 0 for tenor in tenors])[expiry]
    deviations = np.where(alive, moneyness / np.sqrt(at_money), 0.0)
    if not group.surface:
        return OptionSmiles(np.full(len(strikes), group.volatility_ppm, np.int64), deviations)
    tilt = np.array([smile.tilt for smile in smiles])[expiry]
    opening = np.array([smile.opening for smile in smiles])[expiry]
    years = np.array([smile.years for smile in smiles])[expiry]
    reach = opening * moneyness
    lean = tilt * moneyness
    root = np.sqrt(np.maximum(reach * reach + (2.0 * lean) * at_money + at_money * at_money, 0.0))
    variance = np.maximum(0.5 * ((at_money + lean) + root), 0.0)
    rounded = np.rint(np.sqrt(variance / years) * float(PPM))
    volatilities = np.minimum(np.maximum(rounded, VOLATILITY_MIN_PPM), VOLATILITY_MAX_PPM).astype(np.int64)
    return OptionSmiles(np.where(alive, volatilities, group.volatility_ppm), deviations)


def stated_moves(relative_ppm: Integers, volatilities: Integers, factors: Integers) -> Integers:
    """[n, s] `stated_move` of volatilities [n] by each relative move [s]; `factors` [n] of their times to expiry."""
    size = -(-(np.abs(relative_ppm) * volatilities[:, np.newaxis]) // PPM)
    np.minimum(size, VOLATILITY_MAX_PPM, out=size)
    size = -(-(size * factors[:, np.newaxis]) // PPM)
    np.minimum(size, VOLATILITY_MAX_PPM, out=size)
    signed: Integers = np.sign(relative_ppm) * size
    return signed


def flat_smiles(group: VolatilityInputs, count: int) -> OptionSmiles:
    """Options of a group without a surface, for which the distance from the money does not matter."""
    return OptionSmiles(np.full(count, group.volatility_ppm, np.int64), np.zeros(count))


def _log_moneyness(forwards: Floats, strikes: Floats) -> Floats:
    """ln(strike/forward) of options [n]."""
    size, *scratch = np.empty((3, len(strikes)))
    vectors.log_ratio(np.maximum(forwards, strikes), np.minimum(forwards, strikes), size, *scratch)
    return np.where(strikes >= forwards, size, -size)


def shock_sizes(
    shock: VolShock, range_ppm: int, volatilities: Integers, factors: Integers
) -> tuple[Integers, Integers]:
    """`surface.shock_sizes` of options [n] with their term factors in ppm. No product reaches 2^62."""
    base = -(volatilities * -range_ppm // PPM) if shock.relative else np.full_like(volatilities, range_ppm)
    np.minimum(base, VOLATILITY_MAX_PPM, out=base)
    up = -(base * -factors // PPM)
    np.minimum(up, VOLATILITY_MAX_PPM, out=up)
    return up, -(up * -shock.down_ppm // PPM)


def skew_shares(shock: VolShock, deviations: Floats) -> tuple[Integers, Integers]:
    """`surface.skew_shares` of options [n]."""
    width = float(shock.skew_width_ppm) / float(PPM)
    reach = np.minimum(np.maximum(deviations / width, -1.0), 1.0)
    tilt = np.rint(reach * float(shock.skew_linear_ppm)).astype(np.int64)
    lift = np.rint(np.abs(reach) * float(shock.skew_absolute_ppm)).astype(np.int64)
    return tilt, lift


def bound_volatilities(volatilities: Integers) -> None:
    """`surface.bounded_volatility`, in place."""
    np.maximum(volatilities, VOLATILITY_MIN_PPM, out=volatilities)
    np.minimum(volatilities, VOLATILITY_MAX_PPM, out=volatilities)
