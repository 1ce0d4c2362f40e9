"""exp, ln and Mills' ratio of one float, the same bits on every machine.

Rule: only operations that IEEE 754 rounds correctly (+ - * / and comparison) and exact ones (frexp, ldexp, floor), in
the order written; each product and sum rounds separately. `clearing.pricing.vectors` repeats these steps elementwise
and must give the same bits. It must not know what is priced.
"""

from math import floor, frexp, ldexp

LOG2_E = 1.4426950408889634
LN2_HIGH = 0.6931471803691238
"""ln 2 to 32 bits, so that a small integer times it is exact."""
LN2_LOW = 1.9082149292705877e-10
SQRT_HALF = 0.7071067811865476
SQRT_TWO = 1.4142135623730951
INVERSE_SQRT_TWO_PI = 0.3989422804014327
EXP_MIN = -700.0
"""Below it exp is 0: results stay normal floats, never subnormal."""
EXP_MAX = 700.0

EXP_SERIES = (
    1.0,
    1.0,
    0.5,
    0.16666666666666666,
    0.041666666666666664,
    0.008333333333333333,
    0.001388888888888889,
    0.0001984126984126984,
    2.48015873015873e-05,
    2.7557319223985893e-06,
    2.755731922398589e-07,
    2.505210838544172e-08,
    2.08767569878681e-09,
    1.6059043836821613e-10,
)
"""1/n!"""

ATANH_SERIES = (
    1.0,
    0.3333333333333333,
    0.2,
    0.14285714285714285,
    0.1111111111111111,
    0.09090909090909091,
    0.07692307692307693,
    0.06666666666666667,
    0.058823529411764705,
    0.05263157894736842,
    0.047619047619047616,
    0.043478260869565216,
)
"""1/(2n + 1)"""

MILLS_CENTRE = 4.0
MILLS_SERIES = (
    1.1832619145678034,
    -0.2423996705218074,
    0.035091880234748005,
    0.07169048120136096,
    -0.0807080096790523,
    0.04495912907942534,
    -0.01253910362039814,
    -0.0007159509389343426,
    0.001741848773732585,
    -0.0002367014896228787,
    -0.0002202155756957516,
    5.326563960096377e-05,
    3.415881433183821e-05,
    -8.60188663234564e-06,
    -6.5533544552582505e-06,
    1.010149243524485e-06,
    1.390762707984928e-06,
    1.0633980470022923e-08,
    -2.869299965207942e-07,
    -5.844326186367925e-08,
    5.077844122332048e-08,
    2.2205063936815332e-08,
    -6.5624402369464745e-09,
    -4.779664948926488e-09,
    4.480233382099169e-10,
    4.934984427261487e-10,
)
"""(1 + x) * M(x) as a polynomial in t = (x - 4)/(x + 4): the Chebyshev interpolant at 64 nodes, truncated to 26 terms.
A test derives these numbers again in 300-bit arithmetic."""


def polynomial(coefficients: tuple[float, ...], x: float) -> float:
    """Horner's rule, lowest coefficient first in the tuple."""
    value = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value


def exp(x: float) -> float:
    """e^x to about 1e-15 relative. 0 below -700; `x` above 700 counts as 700."""
    if x < EXP_MIN:
        return 0.0
    x = min(x, EXP_MAX)
    power = float(floor(x * LOG2_E + 0.5))
    rest = (x - power * LN2_HIGH) - power * LN2_LOW
    return ldexp(polynomial(EXP_SERIES, rest), int(power))


def log_ratio(high: float, low: float) -> float:
    """ln(high/low) for high >= low > 0, relatively exact also when the two are close: 2 atanh((h - l)/(h + l))."""
    ratio = high / low
    if ratio < SQRT_TWO:
        return _twice_atanh((high - low) / (high + low))
    fraction, exponent = frexp(ratio)
    if fraction < SQRT_HALF:
        fraction, exponent = fraction * 2.0, exponent - 1
    power = float(exponent)
    return power * LN2_HIGH + (power * LN2_LOW + _twice_atanh((fraction - 1.0) / (fraction + 1.0)))


def log(x: float) -> float:
    """ln x for x > 0, to about 1e-15 relative."""
    return log_ratio(x, 1.0) if x >= 1.0 else -log_ratio(1.0, x)


def _twice_atanh(s: float) -> float:
    return (2.0 * s) * polynomial(ATANH_SERIES, s * s)


def mills(x: float) -> float:
    """Mills' ratio M(x) = Phi(-x)/phi(x) for x >= 0, to about 1e-15 relative."""
    t = (x - MILLS_CENTRE) / (x + MILLS_CENTRE)
    return polynomial(MILLS_SERIES, t) / (1.0 + x)


def normal_density(x: float) -> float:
    """phi(x)."""
    return INVERSE_SQRT_TWO_PI * exp(-0.5 * (x * x))


def normal_cdf(x: float) -> float:
    """Phi(x), relatively exact in the lower tail down to x = -37."""
    tail = normal_density(x) * mills(abs(x))
    return 1.0 - tail if x > 0.0 else tail
