"""Black-76 values of European options on a forward, and their sensitivities in closed form.

Rule: the out-of-the-money side is computed without cancellation and the other side follows by parity, so the relative
error stays near 1e-12 for any strike. The scalar functions are the definition; `option_values` and `option_greeks`
must give the same bits on every machine and in any batch.

With h, l the larger and smaller of forward and strike, v = volatility * sqrt(years), a = v/2 - ln(h/l)/v and b = v/2 +
ln(h/l)/v, the undiscounted out-of-the-money value is l*Phi(a) - h*Phi(-b), and since h*phi(b) = l*phi(a),

    value = l*phi(a) * (M(-a) - M(b))          for a <= 0
          = l * (1 - phi(a) * (M(a) + M(b)))   for a > 0,      M(x) = Phi(-x)/phi(x).

Where v is small the two ratios nearly cancel; there, with m = ln(h/l)/v, M' = m*M - 1 and M''' = 2*M' + m*(M + m*M'),

    M(m - v/2) - M(m + v/2) = -v * (M'(m) + v^2/24 * M'''(m)) + O(v^5).

Sensitivities are of the discounted value. With d = ln(forward/strike)/v + v/2:

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
from numpy.typing import NDArray

from clearing.pricing import elementary, vectors
from clearing.pricing.vectors import Floats

Booleans = NDArray[np.bool_]

SMALL_DEVIATION = 1e-3
"""Below it the expansion is used; both formulas are accurate to about 1e-11 there."""
BLOCK = 4096
"""Options per block, so that intermediate results stay in the cache."""
SCRATCH_ROWS = 10


def out_of_the_money(forward: float, strike: float, deviation: float) -> float:
    """Undiscounted value of the call or put that is out of the money. `deviation` is volatility * sqrt(years)."""
    low, high = min(forward, strike), max(forward, strike)
    if deviation <= 0.0:
        return 0.0
    moneyness = elementary.log_ratio(high, low) / deviation
    half = 0.5 * deviation
    a, b = half - moneyness, half + moneyness
    density = elementary.normal_density(a)
    if deviation < SMALL_DEVIATION:
        middle = elementary.mills(moneyness)
        first = moneyness * middle - 1.0
        third = 2.0 * first + moneyness * (middle + moneyness * first)
        return low * (density * (-deviation * (first + (deviation * deviation / 24.0) * third)))
    near, far = elementary.mills(abs(a)), elementary.mills(b)
    if a > 0.0:
        return low * (1.0 - density * (near + far))
    return low * (density * (near - far))


def call(forward: float, strike: float, volatility: float, years: float, discount: float) -> float:
    """Value of a call, in the unit of `forward` > 0 and `strike` > 0. At or after expiry the intrinsic value."""
    time_value = out_of_the_money(forward, strike, volatility * sqrt(max(years, 0.0)))
    return discount * (max(forward - strike, 0.0) + time_value)


def put(forward: float, strike: float, volatility: float, years: float, discount: float) -> float:
    """Value of a put; see `call`."""
    time_value = out_of_the_money(forward, strike, volatility * sqrt(max(years, 0.0)))
    return discount * (max(strike - forward, 0.0) + time_value)


def option_values(
    forward: Floats, strike: Floats, volatility: Floats, years: Floats, discount: Floats, is_call: Booleans
) -> Floats:
    """`call` or `put` of every element, the same bits in any order, batch or memory layout; all arrays of shape [n]."""
    count = len(forward)
    value = np.empty(count)
    scratch = np.empty((SCRATCH_ROWS, min(count, BLOCK)))
    for start in range(0, count, BLOCK):
        part = slice(start, min(start + BLOCK, count))
        rows = scratch[:, : part.stop - part.start]
        _values(
            forward[part], strike[part], volatility[part], years[part], discount[part], is_call[part], value[part], rows
        )
    return value


def _values(
    forward: Floats,
    strike: Floats,
    volatility: Floats,
    years: Floats,
    discount: Floats,
    is_call: Booleans,
    value: Floats,
    scratch: Floats,
) -> None:
    """One block of `option_values`, written to `value`."""
    low, high, deviation, moneyness = scratch[:4]
    sides, ratios, spare = scratch[4:6], scratch[6:8], scratch[8:10]
    np.minimum(forward, strike, out=low)
    np.maximum(forward, strike, out=high)
    np.maximum(years, 0.0, out=deviation)
    np.sqrt(deviation, deviation)
    np.multiply(deviation, volatility, deviation)
    dead = deviation <= 0.0
    lifeless = bool(dead.any())
    if lifeless:
        deviation[dead] = 1.0
    vectors.log_ratio(high, low, moneyness, spare[0], spare[1])
    np.divide(moneyness, deviation, moneyness)
    a, b = sides
    np.multiply(deviation, 0.5, b)
    np.subtract(b, moneyness, a)
    np.add(b, moneyness, b)
    density = value
    vectors.normal_density(a, density, spare[0], spare[1], ratios[0])
    positive = a > 0.0
    np.abs(a, a)
    vectors.mills(sides, ratios, spare)
    near, far = ratios
    np.add(near, far, a)
    np.multiply(a, density, a)
    np.subtract(1.0, a, a)
    np.subtract(near, far, b)
    np.multiply(b, density, b)
    part = np.where(positive, a, b)
    small = np.flatnonzero(deviation < SMALL_DEVIATION)
    if small.size:
        part[small] = density[small] * _small_differences(moneyness[small], deviation[small])
    if lifeless:
        part[dead] = 0.0
    np.multiply(part, low, part)
    np.subtract(high, low, high)
    np.multiply(high, (forward > strike) == is_call, high)  # the intrinsic value
    np.add(high, part, part)
    np.multiply(part, discount, value)


def _small_differences(moneyness: Floats, deviation: Floats) -> Floats:
    """M(m - v/2) - M(m + v/2) by expansion; see the module's docstring."""
    middle = np.empty_like(moneyness)
    vectors.mills(moneyness, middle, np.empty_like(moneyness))
    first = moneyness * middle - 1.0
    third = 2.0 * first + moneyness * (middle + moneyness * first)
    difference: Floats = -deviation * (first + (deviation * deviation / 24.0) * third)
    return difference


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
