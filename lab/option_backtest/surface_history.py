"""A simulated history of surfaces as a file that a node replays beside recorded prices.

Rule: SIMULATED, as every surface of this folder, and the file says so in its first line. One expiry a group, so that no
surface of the file allows calendar arbitrage.
"""

from collections.abc import Iterator, Sequence

from clearing.base.units import DAY_MS, PPM, YEAR_MS
from clearing.pricing.surface import smile_at
from lab.backtest.market_data import MarketData
from lab.option_backtest.simulated_surface import simulated_surface
from lab.option_backtest.variance_path import fit_heston, variance_path

COLUMNS = ("hour", "group", "expires_after_ms", "forward_ppb", "rate_ppm", "level_ppm", "skew_ppm", "wing_ppm")
PPB = 10**9


def surface_file(data: MarketData, first_s: int, hours: int, days: int, rate_ppm: int, seed: int) -> str:
    """The text of the file: `hours` and one more, from `first_s` on, for options that expire after so many days.

    A surface of an hour is that of the prices before it. Raises ValueError where `first_s` is no row of the data.
    """
    lines = [
        "# SIMULATED surfaces: a seeded Heston path along recorded prices; no option price was recorded.",
        f"# Prices: SHA-256 {data.sha256}, from {first_s}; seed {seed}. See docs/explanation/backtest.md.",
        ",".join(COLUMNS),
    ]
    lines += [",".join(map(str, row)) for row in _rows(data, first_s, hours, days, rate_ppm, seed)]
    return "\n".join(lines) + "\n"


def _rows(data: MarketData, first_s: int, hours: int, days: int, rate_ppm: int, seed: int) -> Iterator[Sequence[int]]:
    first = data.times_s.index(first_s)
    fits = [fit_heston(data.times_s, series, name) for series, name in zip(data.closes, data.names, strict=True)]
    paths = [
        variance_path(data.times_s, series, fit, f"crossclear/surface/{seed}/{name}")
        for series, fit, name in zip(data.closes, fits, data.names, strict=True)
    ]
    tenor_ms = days * DAY_MS
    forward_ppb = PPB + PPB * rate_ppm * tenor_ms // (PPM * YEAR_MS)
    for hour in range(hours + 1):
        for group, (fit, path) in enumerate(zip(fits, paths, strict=True), start=1):
            volatility_ppm, pillars = simulated_surface(fit, float(path[first + hour - 1]))
            smile = smile_at(pillars, volatility_ppm, tenor_ms)
            level = (smile.at_money / smile.years) ** 0.5
            skew = round(smile.tilt / smile.opening * PPM) if smile.opening else 0
            wing = int(smile.opening / smile.at_money**0.5 * PPM)
            yield hour, group, tenor_ms, forward_ppb, rate_ppm, round(level * PPM), skew, wing
