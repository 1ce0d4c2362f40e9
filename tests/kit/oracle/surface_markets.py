"""Option markets that follow a known surface, with noise, missing strikes and outliers; of a seed."""

from dataclasses import dataclass

import numpy as np

from clearing.base.units import DAY_MS
from node.oracle.surfaces.quantised import years_until
from node.oracle.surfaces.smiles import FittedSmile, SmileQuotes, smile_volatility

DAYS = (0.2, 1, 2, 3, 7, 14, 21, 30, 60, 90, 180, 270, 365, 540)
NOISE = 0.005


@dataclass(frozen=True)
class Market:
    """Tenors in ms, the true smile of each, and its quotes."""

    tenors_ms: tuple[int, ...]
    truth: tuple[FittedSmile, ...]
    quotes: tuple[SmileQuotes, ...]


def true_smile(tenor_ms: int, level: float, skew: float, wing: float) -> FittedSmile:
    return FittedSmile(years_until(tenor_ms, 0), level, skew, wing, has_own_shape=True, error=0.0, used=0, quotes=0)


def random_market(seed: int, outliers: float = 0.05) -> Market:
    """One to twelve expiries with up to forty strikes, a few with one or two."""
    draw = np.random.default_rng(seed)
    days = np.sort(draw.choice(np.array(DAYS), int(draw.integers(1, 13)), replace=False))
    level, slope = draw.uniform(0.2, 1.5), draw.uniform(-0.15, 0.4)
    wing, skew = draw.uniform(0.05, 1.3), draw.uniform(-0.7, 0.5)
    tenors = tuple(round(day * DAY_MS) for day in days.tolist())
    truth, quotes = [], []
    for tenor in tenors:
        smile = true_smile(tenor, level * (1 + slope * np.exp(-tenor / (30 * DAY_MS))), skew, wing)
        count = int(draw.integers(1, 4)) if draw.random() < 0.15 else int(draw.integers(5, 40))
        deviation = smile.level * np.sqrt(smile.years)
        k = draw.uniform(-3, 3, count) * deviation
        volatility = smile_volatility(smile, k) + draw.normal(0, NOISE, count)
        wrong = draw.random(count) < outliers
        volatility = np.where(wrong, volatility * draw.uniform(1.3, 3, count), volatility)
        truth.append(smile)
        quotes.append(SmileQuotes(smile.years, k, np.maximum(volatility, 0.02), np.full(count, NOISE)))
    return Market(tenors, tuple(truth), tuple(quotes))


def jagged_market(seed: int) -> Market:
    """Levels, skews and wings of each expiry drawn alone: no surface without arbitrage passes through all of them."""
    draw = np.random.default_rng(seed)
    days = np.sort(draw.choice(np.array(DAYS), int(draw.integers(2, 13)), replace=False))
    tenors = tuple(round(day * DAY_MS) for day in days.tolist())
    truth, quotes = [], []
    for tenor in tenors:
        smile = true_smile(tenor, draw.uniform(0.1, 4), draw.uniform(-0.98, 0.98), draw.uniform(0, 3))
        k = np.linspace(-3, 3, int(draw.integers(1, 30))) * smile.level * np.sqrt(smile.years)
        truth.append(smile)
        quotes.append(SmileQuotes(smile.years, k, smile_volatility(smile, k), np.full(k.size, NOISE)))
    return Market(tenors, tuple(truth), tuple(quotes))
