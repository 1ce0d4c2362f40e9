"""Black-76 values of European options on a forward.

Rule: the out-of-the-money side is computed without cancellation and the other side follows by parity, so the relative
error stays near 1e-12 for any strike. The scalar functions are the definition; `option_values` must give the same bits.

With h, l the larger and smaller of forward and strike, v = volatility * sqrt(years), a = v/2 - ln(h/l)/v and b = v/2 +
ln(h/l)/v, the undiscounted out-of-the-money value is l*Phi(a) - h*Phi(-b), and since h*phi(b) = l*phi(a),

    value = l*phi(a) * (M(-a) - M(b))          for a <= 0
          = l * (1 - phi(a) * (M(a) + M(b)))   for a > 0,      M(x) = Phi(-x)/phi(x).

Where v is small the two ratios nearly cancel; there, with m = ln(h/l)/v, M' = m*M - 1 and M''' = 2*M' + m*(M + m*M'),

    M(m - v/2) - M(m + v/2) = -v * (M'(m) + v^2/24 * M'''(m)) + O(v^5).
"""

from math import sqrt

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
