"""Black-76 values of European options on a forward.

Rule: the out-of-the-money side is computed without cancellation and the other side follows by parity, so the relative
error stays near 1e-12 for any strike. The scalar functions are the definition; `option_values` must give the same bits.

With h, l the larger and smaller of forward and strike, v = volatility * sqrt(years), a = v/2 - ln(h/l)/v and
b = v/2 + ln(h/l)/v, the undiscounted out-of-the-money value is l*Phi(a) - h*Phi(-b), and since h*phi(b) = l*phi(a),

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

SMALL_DEVIATION = 1e-3
"""Below it the expansion is used: both ways are right to about 1e-11 there."""


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
    forward: Floats, strike: Floats, volatility: Floats, years: Floats, discount: Floats, is_call: NDArray[np.bool_]
) -> Floats:
    """`call` or `put` of every element; all arrays of one shape [n]."""
    low, high = np.minimum(forward, strike), np.maximum(forward, strike)
    deviation = volatility * np.sqrt(np.maximum(years, 0.0))
    alive = deviation > 0.0
    divisor = np.where(alive, deviation, 1.0)
    moneyness = vectors.log_ratio(high, low) / divisor
    half = 0.5 * divisor
    a, b = half - moneyness, half + moneyness
    density = vectors.normal_density(a)
    near, far = vectors.mills(np.abs(a)), vectors.mills(b)
    part = np.where(a > 0.0, 1.0 - density * (near + far), density * (near - far))
    small = np.flatnonzero(divisor < SMALL_DEVIATION)
    if small.size:
        part[small] = density[small] * _small_difference(moneyness[small], divisor[small])
    time_value = np.where(alive, low * part, 0.0)
    intrinsic = np.maximum(np.where(is_call, forward - strike, strike - forward), 0.0)
    value: Floats = discount * (intrinsic + time_value)
    return value


def _small_difference(moneyness: Floats, deviation: Floats) -> Floats:
    """M(m - v/2) - M(m + v/2) by expansion; see the module's docstring."""
    middle = vectors.mills(moneyness)
    first = moneyness * middle - 1.0
    third = 2.0 * first + moneyness * (middle + moneyness * first)
    difference: Floats = -deviation * (first + (deviation * deviation / 24.0) * third)
    return difference
