"""Recorded hours of March 2020, and the prices of the blocks within one.

Rule: each hour passes through its open, high, low and close, and through nothing beyond; a falling hour has its high
first. What lies between is a straight line: nothing finer was recorded.
"""

from dataclasses import dataclass
from pathlib import Path

from lab.backtest.market_data import read_market_data, ticks_of

RECORDED = "btc_eth_1h_2018_2022.csv"
"""In the folder of market data: hours of the public repository benjaminpo/crypto-price (MIT)."""
OPENING_S = 1_583_020_800
"""2020-03-01 00:00 UTC."""
HOURS_BEFORE, HOURS_OF_MARCH = 1_000, 31 * 24
BLOCKS = 12
"""Blocks of five minutes."""
KNOTS = (0, 3, 9, 12)
"""Blocks at which an hour is at its open, first extreme, second extreme and close."""
HOUR_S = 3_600
HOUR_MS = 1_000 * HOUR_S

Candle = tuple[int, int, int, int]
"""Open, high, low, close in ticks of 10^-2."""


@dataclass(frozen=True, slots=True)
class Hour:
    """What was recorded of one hour; `candles` in the file's order of series."""

    time_s: int
    candles: tuple[Candle, ...]


def read_hours(path: Path) -> list[Hour]:
    """All rows. Raises LocalFault MARKET_DATA_UNUSABLE naming the line."""
    series = len(read_market_data(path).names)  # every line is checked there
    hours = []
    for line in path.read_text("ascii").splitlines():
        cells = line.split(",")
        if line.startswith("#") or not cells[0].isdigit():
            continue
        prices = [ticks_of(cell) or 0 for cell in cells[1:]]
        candles = tuple((*prices[4 * at : 4 * at + 3], prices[4 * at + 3]) for at in range(series))
        hours.append(Hour(int(cells[0]), candles))  # type: ignore[arg-type]
    return hours


def hours_of_march(path: Path) -> list[Hour]:
    """March 2020 and the hours before it that ranges are learnt from. Raises as `read_hours`."""
    first = OPENING_S - HOURS_BEFORE * HOUR_S
    return [each for each in read_hours(path) if first <= each.time_s < OPENING_S + HOURS_OF_MARCH * HOUR_S]


def path_of(candle: Candle) -> list[int]:
    """Ticks at the end of each block of the hour, rounded down."""
    opened, high, low, close = candle
    corners = (opened, high, low, close) if close < opened else (opened, low, high, close)
    ticks = []
    for at in range(3):
        length = KNOTS[at + 1] - KNOTS[at]
        leg = corners[at + 1] - corners[at]
        ticks += [corners[at] + leg * step // length for step in range(1, length + 1)]
    return ticks


def blocks_of(hour: Hour, count: int = BLOCKS) -> list[tuple[int, tuple[int, ...]]]:
    """(time in ms, ticks of every series) of each of `count` blocks, which divides BLOCKS; 1: the close alone."""
    paths, length = [path_of(candle) for candle in hour.candles], HOUR_MS // BLOCKS
    ends = range(BLOCKS // count - 1, BLOCKS, BLOCKS // count)
    return [(hour.time_s * 1000 + (at + 1) * length, tuple(path[at] for path in paths)) for at in ends]
