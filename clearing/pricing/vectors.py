"""`clearing.pricing.elementary` for whole arrays, bit for bit the same.

Rule: one numpy operation per rounding, elementwise, so that neither the length of a batch nor its order shows in a
result. numpy's own exp, log and reductions are never used. All arrays are float64; shapes are kept.
"""

import numpy as np
from numpy.typing import NDArray

from clearing.pricing import elementary

Floats = NDArray[np.float64]


def polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    """Horner's rule in place on one new array."""
    value = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value *= x
        value += coefficient
    return value


def exp(x: Floats) -> Floats:
    """See `elementary.exp`."""
    bounded = np.minimum(np.maximum(x, elementary.EXP_MIN), elementary.EXP_MAX)
    power = np.floor(bounded * elementary.LOG2_E + 0.5)
    rest = (bounded - power * elementary.LN2_HIGH) - power * elementary.LN2_LOW
    value = np.ldexp(polynomial(elementary.EXP_SERIES, rest), power.astype(np.int32))
    value[x < elementary.EXP_MIN] = 0.0
    return value


def log_ratio(high: Floats, low: Floats) -> Floats:
    """See `elementary.log_ratio`."""
    ratio = high / low
    close = ratio < elementary.SQRT_TWO
    fraction, exponent = np.frexp(ratio)
    small = fraction < elementary.SQRT_HALF
    fraction = np.where(small, fraction * 2.0, fraction)
    power = np.where(close, 0.0, exponent.astype(np.float64) - small)
    above = np.where(close, high - low, fraction - 1.0)
    below = np.where(close, high + low, fraction + 1.0)
    s = above / below
    twice = (2.0 * s) * polynomial(elementary.ATANH_SERIES, s * s)
    # Where the two are close `power` is 0, and adding zeros changes no bit of a non-negative number.
    return power * elementary.LN2_HIGH + (power * elementary.LN2_LOW + twice)


def mills(x: Floats) -> Floats:
    """See `elementary.mills`."""
    t = (x - elementary.MILLS_CENTRE) / (x + elementary.MILLS_CENTRE)
    return polynomial(elementary.MILLS_SERIES, t) / (1.0 + x)


def normal_density(x: Floats) -> Floats:
    """See `elementary.normal_density`."""
    return elementary.INVERSE_SQRT_TWO_PI * exp(-0.5 * (x * x))
