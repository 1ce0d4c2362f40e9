"""Months of prices with what the network would have published about them: ranges, and the deviation behind them.

Rule: ranges are made by clearing's own functions, hour by hour, from prices up to that hour only. Months are thirty
days each, from the first on that has `HOURS_BEFORE` hours before it; none is left out. A drawn history is a function of
its seed.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.march2020.hours import (
    BLOCKS,
    HOUR_MS,
    HOUR_S,
    HOURS_BEFORE,
    Candle,
    Hour,
    hours_of_march,
    path_of,
    read_hours,
)
from clearing.base.units import PPM
from clearing.schema.risk.price_ranges import RangeParameters
from lab.backtest.market_data import MarketData
from lab.backtest.walk import Setup, Walker

Floats = NDArray[np.float64]
MONTH_HOURS = 30 * 24
TICKS_PER_DOLLAR = 100
FIRST_PRICES = (800_000, 20_000)


@dataclass(frozen=True, slots=True, eq=False)
class Months:
    """m months of b blocks and h hours; two underlyings. Prices in dollars, the others in parts of the price."""

    prices: Floats
    """[m, b + 1, 2]: the first is that at which books are opened."""
    ranges: Floats
    """[m, h, 2] in force during each hour."""
    deviations: Floats
    """[m, h, 2] of the price over one hour, as known at its beginning."""
    names: tuple[str, ...]


def recorded(path: Path, horizon_hours: int) -> Months:
    """The months of a file."""
    hours = read_hours(path)
    return months_of(hours, horizon_hours, "")


def march(path: Path, horizon_hours: int) -> Months:
    """The first thirty days of `benchmarks.march2020`."""
    return months_of(hours_of_march(path), horizon_hours, "")


def drawn(seed: int, horizon_hours: int, months: int = 12) -> Months:
    """A year that never was, or its first months: volatility swings slowly, prices jump by 4 to 15 % within an hour,
    one in ten days.
    """
    source = np.random.Generator(np.random.PCG64(seed))
    log_deviation, prices, hours = 0.0, list(FIRST_PRICES), []
    for at in range(HOURS_BEFORE + months * MONTH_HOURS):
        log_deviation += 0.02 * (0.0 - log_deviation) + 0.1 * source.standard_normal()
        jump = source.choice((-1, 1)) * source.uniform(0.04, 0.15) if source.uniform() < 1 / 240 else 0.0
        common = source.standard_normal(BLOCKS)
        candles: list[Candle] = []
        for number in range(2):
            own = 0.9 * common + 0.435_89 * source.standard_normal(BLOCKS)
            steps = 0.006 / BLOCKS**0.5 * np.exp(log_deviation) * own * (1 + 0.25 * number) + jump / BLOCKS
            path = [max(int(each), 100) for each in prices[number] * np.exp(np.cumsum(steps))]
            candles.append((prices[number], max(prices[number], *path), min(prices[number], *path), path[-1]))
            prices[number] = path[-1]
        hours.append(Hour(at * HOUR_S, tuple(candles)))
    return months_of(hours, horizon_hours, f"seed {seed} ")


def months_of(hours: list[Hour], horizon_hours: int, prefix: str) -> Months:
    """Walk through all hours, then cut them into months."""
    closes = tuple(tuple(each.candles[at][3] for each in hours) for at in range(2))
    data = MarketData(("btc", "eth"), tuple(each.time_s for each in hours), closes)
    rules = RangeParameters(interval_ms=HOUR_MS, horizon_ms=horizon_hours * HOUR_MS)
    walker = Walker(data, Setup(rules, 1, 0))
    ranges, deviations = [], []
    for at in range(len(hours)):
        walker.observe(at)
        published = walker.publish(at)
        ranges.append([each.range_ppm / PPM for each in published])
        deviations.append([each.raw_ppm / each.multiple_ppm / horizon_hours**0.5 for each in published])
    firsts = range(HOURS_BEFORE, len(hours) - MONTH_HOURS + 1, MONTH_HOURS)
    prices = []
    for first in firsts:
        opened = [[hours[first - 1].candles[at][3] for at in range(2)]]
        paths = [
            zip(*(path_of(each) for each in hour.candles), strict=True) for hour in hours[first : first + MONTH_HOURS]
        ]
        prices.append([*opened, *([*step] for path in paths for step in path)])
    return Months(
        prices=np.array(prices, np.float64) / TICKS_PER_DOLLAR,
        ranges=np.array([ranges[first - 1 : first - 1 + MONTH_HOURS] for first in firsts]),
        deviations=np.array([deviations[first - 1 : first - 1 + MONTH_HOURS] for first in firsts]),
        names=tuple(f"{prefix}{np.datetime64(hours[first].time_s, 's').astype('datetime64[D]')}" for first in firsts),
    )
