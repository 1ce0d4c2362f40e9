"""`clearing.pricing.elementary` for whole arrays, bit for bit the same.

Rule: one numpy operation per rounding, elementwise, so a result does not depend on the batch's length, order or memory
layout, nor on the processor's vector unit. numpy's own exp, log and reductions are never used. All arrays are float64
of one shape. Results are written into `out` and scratch arrays of the caller: in blocks that fit the cache this is
several times faster than fresh memory for each step.
"""

import numpy as np
from numpy.typing import NDArray

from clearing.pricing import elementary

Floats = NDArray[np.float64]


def _constants(coefficients: tuple[float, ...]) -> tuple[Floats, ...]:
    """Coefficients in the form that numpy uses fastest."""
    return tuple(np.array(coefficient) for coefficient in coefficients)


EXP_SERIES = _constants(elementary.EXP_SERIES)
ATANH_SERIES = _constants(elementary.ATANH_SERIES)
MILLS_SERIES = _constants(elementary.MILLS_SERIES)


def polynomial(coefficients: tuple[Floats, ...], x: Floats, out: Floats) -> None:
    """Horner's rule for at least two coefficients. `out` must not be `x`."""
    multiply, add = np.multiply, np.add
    multiply(x, coefficients[-1], out)
    add(out, coefficients[-2], out)
    for coefficient in coefficients[-3::-1]:
        multiply(out, x, out)
        add(out, coefficient, out)


def exp(x: Floats, out: Floats, power: Floats, rest: Floats) -> None:
    """See `elementary.exp`. `power` and `rest` are scratch; `x` is unchanged."""
    np.maximum(x, elementary.EXP_MIN, out=out)
    np.minimum(out, elementary.EXP_MAX, out=out)
    np.multiply(out, elementary.LOG2_E, power)
    np.add(power, 0.5, power)
    np.floor(power, power)
    np.multiply(power, elementary.LN2_HIGH, rest)
    np.subtract(out, rest, rest)
    np.multiply(power, elementary.LN2_LOW, out)
    np.subtract(rest, out, rest)
    polynomial(EXP_SERIES, rest, out)
    np.ldexp(out, power.astype(np.int32), out)
    nothing = x < elementary.EXP_MIN
    if nothing.any():
        out[nothing] = 0.0


def log_ratio(high: Floats, low: Floats, out: Floats, above: Floats, below: Floats) -> None:
    """See `elementary.log_ratio`. `above` and `below` are scratch; `high` and `low` are unchanged."""
    ratio = np.divide(high, low, out)
    close = ratio < elementary.SQRT_TWO
    fraction, exponent = np.frexp(ratio)
    small = fraction < elementary.SQRT_HALF
    # Where the two are close the power is 0, and adding zeros changes no bit of a non-negative number.
    power = np.where(close, 0.0, exponent - small)
    fraction *= 1.0 + small
    np.subtract(fraction, 1.0, above)
    np.add(fraction, 1.0, below)
    np.copyto(above, high - low, where=close)
    np.copyto(below, high + low, where=close)
    s = np.divide(above, below, above)
    square = np.multiply(s, s, below)
    polynomial(ATANH_SERIES, square, out)
    np.multiply(s, 2.0, s)
    np.multiply(s, out, out)
    np.multiply(power, elementary.LN2_LOW, below)
    np.add(below, out, out)
    np.multiply(power, elementary.LN2_HIGH, below)
    np.add(below, out, out)


def mills(x: Floats, out: Floats, t: Floats) -> None:
    """See `elementary.mills`. `t` is scratch; `x` is unchanged."""
    np.add(x, elementary.MILLS_CENTRE, out)
    np.subtract(x, elementary.MILLS_CENTRE, t)
    np.divide(t, out, t)
    polynomial(MILLS_SERIES, t, out)
    np.add(x, 1.0, t)
    np.divide(out, t, out)


def normal_density(x: Floats, out: Floats, power: Floats, rest: Floats, exponent: Floats) -> None:
    """See `elementary.normal_density`. The last three are scratch; `x` is unchanged."""
    np.multiply(x, x, exponent)
    np.multiply(exponent, -0.5, exponent)
    exp(exponent, out, power, rest)
    np.multiply(out, elementary.INVERSE_SQRT_TWO_PI, out)
