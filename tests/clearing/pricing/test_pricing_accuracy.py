"""Option values and greeks at random beside 300-bit arithmetic: what is claimed of their relative error.

Claimed for a forward of 1 to 10^12, volatility x sqrt(years) of 10^-7 to 16, volatility of 0.0001 to 100, strikes up to
30 deviations and a factor of e^12 away, wherever the value is above 10^-250 of the forward: values to 1e-10, greeks to
1e-12. Below that they are between 0 and what was above; below about e^-700 of the forward they are 0.
"""

import math
import random

import pytest
from flint import arb, ctx

from clearing.pricing import black76
from clearing.pricing.black76 import greeks

Terms = tuple[float, float, float, float, float, bool]


@pytest.fixture(autouse=True)
def _three_hundred_bits():
    before, ctx.prec = ctx.prec, 300
    yield
    ctx.prec = before


def exact(forward: float, strike: float, volatility: float, years: float, discount: float, is_call: bool) -> list[arb]:
    """Value, delta, gamma, vega, theta."""
    f, k, s, t, d = (arb(value) for value in (forward, strike, volatility, years, discount))
    deviation = s * t.sqrt()
    d1 = (f / k).log() / deviation + deviation / 2
    d2 = d1 - deviation
    density = (-d1 * d1 / 2).exp() / (2 * arb.pi()).sqrt()

    def phi(x: arb) -> arb:
        return (-x / arb(2).sqrt()).erfc() / 2

    value = f * phi(d1) - k * phi(d2) if is_call else k * phi(-d2) - f * phi(-d1)
    vega = d * f * density * t.sqrt()
    delta = phi(d1) if is_call else -phi(-d1)
    return [d * value, d * delta, d * density / (f * deviation), vega, -vega * s / (2 * t)]


def quotes(seed: int, count: int) -> list[Terms]:
    """Forwards, deviations and times even in their logarithm; strikes near, far, and where the formula changes."""
    rng = random.Random(seed)
    found: list[Terms] = []
    while len(found) < count:
        forward, deviation, years = (10 ** rng.uniform(*span) for span in ((0, 12), (-7, 1.2), (-10, 1)))
        volatility = deviation / math.sqrt(years)
        away = rng.choice(
            [rng.gauss(0, 1), rng.uniform(-30, 30), deviation / 2 + rng.gauss(0, 1e-3), rng.gauss(0, 1e-6)]
        )
        if 1e-4 < volatility < 100.0 and abs(away * deviation) <= 12.0:
            strike = forward * math.exp(away * deviation)
            found.append((forward, strike, volatility, years, rng.uniform(0.5, 1.0), rng.random() < 0.5))
    return found


def test_values_and_greeks_keep_the_claimed_relative_error():
    worst_value = worst_greek = 0.0
    for terms in quotes(1, 6000):
        value = (black76.call if terms[5] else black76.put)(*terms[:5])
        got = [value, *greeks(*terms)]
        for at, (mine, true) in enumerate(zip(got, exact(*terms), strict=True)):
            if abs(true) <= arb(10) ** -250 * terms[0]:
                continue
            error = abs(float(((arb(mine) - true) / true).mid()))
            if at == 0:
                worst_value = max(worst_value, error)
            else:
                worst_greek = max(worst_greek, error)
    assert worst_value < 1e-10
    assert worst_greek < 1e-12
