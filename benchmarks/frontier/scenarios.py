"""Months that parameters are tried on: recorded, modelled from days, and drawn from recorded hours.

Rule: the prices of a month do not depend on parameters; ranges come from the network's own functions. A thousand hours
before each month are walked through first. Hours of each block go through open, high, low and close in straight lines.
A drawn month is a stationary bootstrap (Politis and Romano 1994): runs of recorded hours, of both underlyings together,
from beginnings that the seed draws, of 48 hours in the mean, joined at their prices.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.early_calls.history import MONTH_HOURS, TICKS_PER_DOLLAR, Months
from benchmarks.march2020.hours import BLOCKS, HOUR_S, HOURS_BEFORE, KNOTS, RECORDED, Hour, read_hours
from clearing.base.units import PPM
from clearing.schema.risk.price_ranges import RangeParameters
from lab.backtest.market_data import MarketData
from lab.backtest.walk import Setup, Walker

Integers = NDArray[np.int64]
DAYS = "btc_1d_2011_2025.csv"
MARCH_S, MAY_S, NOVEMBER_S = 1_583_020_800, 1_619_827_200, 1_667_260_800
"""The first of March 2020, of May 2021 and of November 2022, 00:00 UTC."""
RUN_HOURS = 48
"""Mean length of a run of recorded hours in a drawn month."""
FIRST_PRICES = (1_000_000, 25_000)
"""Ticks at which a drawn history begins."""
MOVE_HOURS = 4
"""In which a drawn month's largest move is looked for."""
FALL_HOURS = 4
"""In a modelled day, the way from the first extreme to the second takes so long."""
ETH_TIMES = 1.25
"""A modelled move of ETH, in moves of BTC."""


@dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """m histories of HOURS_BEFORE + MONTH_HOURS hours, two underlyings."""

    names: tuple[str, ...]
    times_s: Integers
    """[m, h] of the hour's beginning."""
    candles: Integers
    """[m, h, 2, 4] open, high, low, close in ticks."""

    def of(self, numbers: Iterable[int]) -> "Histories":
        """Some of them."""
        picked = list(numbers)
        return Histories(tuple(self.names[at] for at in picked), self.times_s[picked], self.candles[picked])

    def hours(self, at: int) -> list[Hour]:
        """One of them, for the replay by the state machine."""
        return [
            Hour(int(time_s), tuple(tuple(map(int, candle)) for candle in hour))  # type: ignore[misc]
            for time_s, hour in zip(self.times_s[at], self.candles[at], strict=True)
        ]

    def opening_s(self, at: int) -> int:
        """When the month itself begins."""
        return int(self.times_s[at, HOURS_BEFORE])


def together(parts: Sequence[Histories]) -> Histories:
    """All of them."""
    return Histories(
        tuple(name for part in parts for name in part.names),
        np.concatenate([part.times_s for part in parts]),
        np.concatenate([part.candles for part in parts]),
    )


def recorded(folder: Path, name: str, opening_s: int) -> Histories:
    """Thirty days of recorded hours, with the thousand before."""
    first, last = opening_s - HOURS_BEFORE * HOUR_S, opening_s + MONTH_HOURS * HOUR_S
    hours = [each for each in read_hours(folder / RECORDED) if each.time_s < last]
    hours = hours[-HOURS_BEFORE - MONTH_HOURS :]
    times = np.arange(first, last, HOUR_S, dtype=np.int64)  # the few missing hours move the warm-up, not the month
    return Histories((name,), times[None], np.array([[each.candles for each in hours]], np.int64))


def drawn(folder: Path, seeds: range) -> Histories:
    """One month of each seed."""
    hours = read_hours(folder / RECORDED)
    source = np.array([each.candles for each in hours], np.float64)
    before = np.concatenate([source[:1, :, 0], source[:-1, :, 3]])
    ratios = source / before[..., None]
    """Of each hour's prices to the close before it."""
    count = HOURS_BEFORE + MONTH_HOURS
    made = np.empty((len(seeds), count, 2, 4), np.int64)
    for at, seed in enumerate(seeds):
        picked = ratios[_runs(seed, count, len(hours))]
        closes = np.array(FIRST_PRICES) * np.cumprod(picked[..., 3], axis=0)
        opens = np.concatenate([np.array([FIRST_PRICES], np.float64), closes[:-1]])
        made[at] = np.maximum(np.rint(opens[..., None] * picked), 1)
        made[at, 1:, :, 0] = made[at, :-1, :, 3]
        made[at, :, :, 1] = made[at].max(axis=2)
        made[at, :, :, 2] = made[at].min(axis=2)
    times = np.broadcast_to(np.arange(count, dtype=np.int64) * HOUR_S, (len(seeds), count))
    return Histories(tuple(f"drawn {seed}" for seed in seeds), times, made)


def _runs(seed: int, count: int, recorded_hours: int) -> Integers:
    """Numbers of recorded hours: each the next one, or with a probability of 1 in RUN_HOURS any."""
    source = np.random.Generator(np.random.PCG64(seed))
    fresh = source.uniform(size=count) < 1 / RUN_HOURS
    fresh[0] = True
    starts = source.integers(recorded_hours, size=count)
    began = np.maximum.accumulate(np.where(fresh, np.arange(count), 0))
    picked: Integers = (starts[began] + np.arange(count) - began) % recorded_hours
    return picked


def largest_moves(histories: Histories) -> list[int]:
    """Numbers of the histories, by how far high and low of an underlying are apart within MOVE_HOURS of the month, the
    largest first. An account is sold when a fifth of its margin is lost, so what loses the rest within the time of a
    sale is what others could lose by.
    """
    month = histories.candles[:, HOURS_BEFORE:].astype(np.float64)
    high, low = month[..., 1], month[..., 2]
    for lag in range(1, MOVE_HOURS):
        high = np.maximum(high, np.roll(month[..., 1], lag, axis=1))
        low = np.minimum(low, np.roll(month[..., 2], lag, axis=1))
    apart = (high / low)[:, MOVE_HOURS - 1 :].max(axis=(1, 2))
    return [int(at) for at in np.argsort(-apart, kind="stable")]


def modelled_november(folder: Path, seed: int = 1) -> Histories:
    """November 2022 from days of BTC. Within a day everything is modelled: the way from the first extreme to the second
    takes `FALL_HOURS` from 14:00 UTC, noise of a seed lies around straight lines, and ETH moves `ETH_TIMES` as far.
    """
    first = NOVEMBER_S - HOURS_BEFORE * HOUR_S
    days: list[tuple[int, list[float]]] = []
    for line in (folder / DAYS).read_text("ascii").splitlines():
        cells = line.split(",")
        if cells[0].isdigit() and first - 24 * HOUR_S < int(cells[0]) < NOVEMBER_S + MONTH_HOURS * HOUR_S:
            days.append((int(cells[0]), [float(cell) for cell in cells[1:5]]))
    source = np.random.Generator(np.random.PCG64(seed))
    points = np.concatenate([_day(candle, source) for _, candle in days])
    closes = points[-(HOURS_BEFORE + MONTH_HOURS) :]
    both = np.stack([closes, closes[0] * (closes / closes[0]) ** ETH_TIMES / 15], axis=1)
    ticks = np.rint(both * TICKS_PER_DOLLAR).astype(np.int64)
    opens = np.concatenate([ticks[:1], ticks[:-1]])
    candles = np.stack([opens, np.maximum(opens, ticks), np.minimum(opens, ticks), ticks], axis=2)
    times = np.arange(first, NOVEMBER_S + MONTH_HOURS * HOUR_S, HOUR_S, dtype=np.int64)
    return Histories(("November 2022, modelled",), times[None], candles[None])


def _day(candle: list[float], source: np.random.Generator) -> NDArray[np.float64]:
    """24 closes of hours."""
    opened, high, low, close = candle
    corners = (opened, high, low, close) if close < opened else (opened, low, high, close)
    line = np.interp(np.arange(1, 25), (0, 14, 14 + FALL_HOURS, 24), corners)
    steps = source.standard_normal(24) * (high - low) / 2 / 24**0.5
    bridge = np.cumsum(steps) - np.arange(1, 25) / 24 * steps.sum()
    around: NDArray[np.float64] = np.clip(line + bridge, low, high)
    around[[13, 13 + FALL_HOURS, 23]] = corners[1:]
    return around


def months_of(histories: Histories, rules: RangeParameters) -> Months:
    """Prices of all blocks, and the ranges that the network would publish with these parameters."""
    ranges, deviations = [], []
    for times, candles in zip(histories.times_s, histories.candles, strict=True):
        closes = tuple(tuple(candles[:, at, 3].tolist()) for at in range(2))
        walker = Walker(MarketData(("btc", "eth"), tuple(times.tolist()), closes), Setup(rules, 1, 0))
        wide, moves = [], []
        for at in range(len(times)):
            walker.observe(at)
            published = walker.publish(at)
            wide.append([each.range_ppm / PPM for each in published])
            spread = (rules.horizon_ms / rules.interval_ms) ** 0.5
            moves.append([each.raw_ppm / each.multiple_ppm / spread for each in published])
        ranges.append(wide[HOURS_BEFORE - 1 : -1])
        deviations.append(moves[HOURS_BEFORE - 1 : -1])
    return Months(paths_of(histories), np.array(ranges), np.array(deviations), histories.names)


def paths_of(histories: Histories) -> NDArray[np.float64]:
    """[m, blocks + 1, 2] dollars; the first is that at which books are opened."""
    month = histories.candles[:, HOURS_BEFORE:].astype(np.float64)
    opened, high, low, close = (month[..., at] for at in range(4))
    falls = close < opened
    corners = (opened, np.where(falls, high, low), np.where(falls, low, high), close)
    steps = []
    for at in range(3):
        length = KNOTS[at + 1] - KNOTS[at]
        steps += [corners[at] + (corners[at + 1] - corners[at]) * step / length for step in range(1, length + 1)]
    blocks = np.floor(np.stack(steps, axis=2)).reshape(len(month), MONTH_HOURS * BLOCKS, 2)
    first = histories.candles[:, HOURS_BEFORE - 1 : HOURS_BEFORE, :, 3]
    prices: NDArray[np.float64] = np.concatenate([first, blocks], axis=1) / TICKS_PER_DOLLAR
    return prices
