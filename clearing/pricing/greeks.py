"""Sensitivities of Black-76 values: delta, gamma, vega and theta of each option, in closed form.

Rule: the same correctly rounded operations as the values, so the same bits on every machine and in any batch; the
scalar function is the definition. All are of the discounted value. With d = ln(forward/strike)/v + v/2 and
v = volatility * sqrt(years):

    delta = discount * Phi(d) of a call, -discount * Phi(-d) of a put     per unit of the forward
    gamma = discount * phi(d) / (forward * v)                             per unit of the forward, of the delta
    vega  = discount * forward * phi(d) * sqrt(years)                     per 1.0 of volatility
    theta = -vega * volatility / (2 * years)                              per year, forward and discount kept

At expiry, or without volatility, delta is that of the intrinsic value (0 at the money) and the others are 0.
"""

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np

from clearing.pricing import elementary, vectors
from clearing.pricing.black76 import BLOCK, Booleans
from clearing.pricing.vectors import Floats


class Greeks(NamedTuple):
    """Greeks of one option; units in the module's docstring."""

    delta: float
    gamma: float
    vega: float
    theta: float


@dataclass(frozen=True, slots=True, eq=False)
class GreekColumns:
    """Greeks of n options; float64 [n] each."""

    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats


def greeks(forward: float, strike: float, volatility: float, years: float, discount: float, is_call: bool) -> Greeks:
    """Greeks of one option on a `forward` > 0 struck at `strike` > 0."""
    root = sqrt(max(years, 0.0))
    deviation = volatility * root
    if deviation <= 0.0:
        in_the_money = forward > strike if is_call else forward < strike
        return Greeks(_signed(discount if in_the_money else 0.0, is_call), 0.0, 0.0, 0.0)
    low, high = min(forward, strike), max(forward, strike)
    moneyness = elementary.log_ratio(high, low) / deviation
    half = 0.5 * deviation
    d = half + moneyness if forward > strike else half - moneyness
    density = elementary.normal_density(d)
    tail = density * elementary.mills(abs(d))  # Phi(-|d|)
    towards = d > 0.0 if is_call else d < 0.0
    delta = discount * (1.0 - tail if towards else tail)
    gamma = (discount * density) / (forward * deviation)
    vega = ((discount * forward) * density) * root
    theta = -((vega * volatility) / (2.0 * years))
    return Greeks(_signed(delta, is_call), gamma, vega, theta)


def _signed(delta: float, is_call: bool) -> float:
    return delta if is_call else 0.0 - delta


def option_greeks(
    forward: Floats, strike: Floats, volatility: Floats, years: Floats, discount: Floats, is_call: Booleans
) -> GreekColumns:
    """`greeks` of every element, the same bits in any order, batch or memory layout; all arrays of shape [n]."""
    count = len(forward)
    columns = np.empty((4, count))
    scratch = np.empty((8, min(count, BLOCK)))
    for start in range(0, count, BLOCK):
        part = slice(start, min(start + BLOCK, count))
        inputs = (forward[part], strike[part], volatility[part], years[part], discount[part], is_call[part])
        _block(*inputs, columns[:, part], scratch[:, : part.stop - part.start])
    delta, gamma, vega, theta = columns
    return GreekColumns(delta, gamma, vega, theta)


def _block(
    forward: Floats,
    strike: Floats,
    volatility: Floats,
    years: Floats,
    discount: Floats,
    is_call: Booleans,
    columns: Floats,
    scratch: Floats,
) -> None:
    """One block of `option_greeks`, written to `columns` [4, n]."""
    delta, gamma, vega, theta = columns
    low, high, root, deviation, d, density, spare, other = scratch
    np.minimum(forward, strike, out=low)
    np.maximum(forward, strike, out=high)
    np.maximum(years, 0.0, out=root)
    np.sqrt(root, root)
    np.multiply(volatility, root, deviation)
    dead = deviation <= 0.0
    lifeless = bool(dead.any())
    if lifeless:
        deviation[dead] = 1.0
    vectors.log_ratio(high, low, d, spare, other)
    np.divide(d, deviation, d)
    np.negative(d, d, where=forward <= strike)
    np.multiply(deviation, 0.5, high)
    np.add(high, d, d)
    vectors.normal_density(d, density, spare, other, low)
    np.abs(d, high)
    vectors.mills(high, low, spare)
    tail = np.multiply(low, density, low)
    towards = np.where(is_call, d, -d) > 0.0
    np.subtract(1.0, tail, spare)
    np.multiply(np.where(towards, spare, tail), discount, delta)
    np.multiply(discount, density, gamma)
    np.multiply(forward, deviation, spare)
    np.divide(gamma, spare, gamma)
    np.multiply(discount, forward, vega)
    np.multiply(vega, density, vega)
    np.multiply(vega, root, vega)
    np.multiply(vega, volatility, theta)
    np.multiply(years, 2.0, spare)
    if lifeless:
        spare[dead] = 1.0
        columns[1:, dead] = 0.0
        in_the_money = (forward > strike) == is_call
        in_the_money &= forward != strike
        delta[dead] = np.where(in_the_money, discount, 0.0)[dead]
    np.divide(theta, spare, theta)
    np.negative(theta, theta)
    if lifeless:
        theta[dead] = 0.0
    np.subtract(0.0, delta, delta, where=~is_call)
