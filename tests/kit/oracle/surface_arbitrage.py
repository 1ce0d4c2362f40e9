"""Static arbitrage of a surface on a dense grid of prices, without any condition on parameters."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from clearing.base.units import PPM, YEAR_MS
from clearing.pricing.surface import smile_at
from clearing.schema.risk.volatility_surface import VolPillar

STRIKES = 301
DEVIATIONS = 6.0
PRICE_NOISE = 2e-15
"""Of a price of at most 1 in float64, times the weights of a butterfly."""

Floats = NDArray[np.float64]


def total_variance(pillars: Sequence[VolPillar], tenor_ms: int, k: Floats) -> Floats:
    """Of the rulebook's surface at a volatility of 100 %, without rounding to ppm."""
    smile = smile_at(pillars, PPM, tenor_ms)
    t, lean = smile.at_money, smile.tilt * k
    return 0.5 * (t + lean + np.sqrt((smile.opening * k) ** 2 + 2 * lean * t + t * t))


def calls(k: Floats, variance: Floats) -> Floats:
    """Undiscounted, of a forward of 1."""
    deviation = np.sqrt(variance)
    d1 = -k / deviation + deviation / 2
    return ndtr(d1) - np.exp(k) * ndtr(d1 - deviation)


def tenors(pillars: Sequence[VolPillar]) -> list[int]:
    """Pillars, between them, before the first and after the last up to a year."""
    own = [pillar.tenor_ms for pillar in pillars]
    between = [a + (b - a) * part // 4 for a, b in pairwise(own) for part in (1, 2, 3)]
    return sorted({max(1, own[0] // 2), *own, *between, max(own[-1], YEAR_MS)})


def arbitrages(pillars: Sequence[VolPillar]) -> Iterator[tuple[str, int, float, float]]:
    """(what, tenor, ln(strike/forward), price) of butterflies and calendars that cost less than nothing."""
    times = tenors(pillars)
    widest = max(np.sqrt(smile_at(pillars, PPM, tenor).at_money) for tenor in times)
    common = np.linspace(-DEVIATIONS * widest, DEVIATIONS * widest, STRIKES)
    before: Floats | None = None
    for tenor in times:
        own = np.linspace(-DEVIATIONS, DEVIATIONS, STRIKES) * np.sqrt(smile_at(pillars, PPM, tenor).at_money)
        for k in (own, common):
            strikes, prices = np.exp(k), calls(k, total_variance(pillars, tenor, k))
            share = (strikes[2:] - strikes[1:-1]) / (strikes[2:] - strikes[:-2])
            costs = share * prices[:-2] + (1 - share) * prices[2:] - prices[1:-1]
            for at in np.flatnonzero(costs < -PRICE_NOISE):
                yield "butterfly", tenor, float(k[at + 1]), float(costs[at])
        prices = calls(common, total_variance(pillars, tenor, common))
        if before is not None:
            for at in np.flatnonzero(prices - before < -PRICE_NOISE):
                yield "calendar", tenor, float(common[at]), float(prices[at] - before[at])
        before = prices
