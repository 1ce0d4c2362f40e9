"""The walk of books of options: at each point the engine's margin, then the loss until the end of the horizon.

Rule: the margin knows prices and surfaces up to its point, and nothing later. Ranges are published from the recorded
prices as in `lab.backtest.walk`; marks, risk arrays and margins are the engine's own. Surfaces are simulated
(`lab.option_backtest.variance_path`): no option price is on record. All books are opened again every week.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clearing.base.errors import LocalFault
from clearing.base.units import DAY_MS, PPM
from clearing.margin.requirement.account_margin import batch_margin
from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.margin.risk_arrays.grid import OPTION_GRID, OPTION_SHOCK
from clearing.price_ranges.volatility_levels import reference_level_ppm
from clearing.pricing.marks import option_value
from clearing.pricing.surface import option_volatility
from clearing.schema.records.prices import PublishedRangeRecord
from clearing.schema.risk.charges import LotCharge
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.terms.assets import CashGroup
from clearing.schema.terms.instruments import Instrument
from lab.backtest.market_data import MarketData
from lab.backtest.walk import Setup, Walker
from lab.option_backtest.books import (
    DAYS,
    LISTED,
    MICROS_PER_TICK,
    OptionBook,
    book_lots,
    listed_contracts,
    option_books,
)
from lab.option_backtest.simulated_surface import simulated_surface
from lab.option_backtest.variance_path import HestonFit, Reals, fit_heston, variance_path
from member.codes import NodeCode

Integers = NDArray[np.int64]

FIRST_RANGE_PPM = 50_000
VOLATILITY_RANGE_PPM = 500_000
SHORT_OPTION_PPM = 40_000
PERPETUAL_CHARGE = (5_000, 500, 800_000, 5_000, 10_000)
"""Contingency, slippage, depth in lots, linear and root impact; all as the shipped devnet's ETH."""
OPTION_CHARGE = (0, 2_000, 0, 0, 0)
OPEN_MS = min(DAYS) * DAY_MS
"""Books are opened again after so long, before the nearest options expire."""


@dataclass(frozen=True, slots=True, eq=False)
class OptionWalked:
    """n tested points, g underlyings, b books. Money in micros."""

    names: tuple[str, ...]
    books: tuple[OptionBook, ...]
    fits: tuple[HestonFit, ...]
    times_s: Integers
    """[n] when the margin was computed."""
    closes: Integers
    """[n, g] index in ticks."""
    volatilities_ppm: Integers
    """[n, g] simulated, at the money, 30 days."""
    margins: Integers
    """[n, b] initial margin."""
    losses: Integers
    """[n, b] loss that followed, options at their marks; gains are negative."""
    gaps: int
    """Points left out because rows are missing before the end of their horizon."""


class OptionWalker:
    """The simulated surfaces, the listed contracts and the lots of all books."""

    def __init__(self, data: MarketData, setup: Setup, seed: int) -> None:
        self._data = data
        self._historical = setup.parameters.historical_scenarios > 0
        names, closes = data.names, data.closes
        self.ranges = Walker(data, replace(setup, seeds=0), VOLATILITY_RANGE_PPM)
        self.books = option_books(names, setup.seeds)
        self.fits = tuple(fit_heston(data.times_s, series, name) for name, series in zip(names, closes, strict=True))
        self.paths: list[Reals] = [
            variance_path(data.times_s, series, fit, f"crossclear/surface/{seed}/{name}")
            for name, series, fit in zip(names, closes, self.fits, strict=True)
        ]
        self._cash = (CashGroup(1, "USD"),)
        per_group = (PERPETUAL_CHARGE, *(OPTION_CHARGE for _ in LISTED[1:])) * len(names)
        self._charges = tuple(LotCharge(number, *charge) for number, charge in enumerate(per_group, start=1))
        self._opened_ms: int | None = None
        self.listed: tuple[tuple[Instrument, ...], ...] = ()
        self.lots: Integers = np.zeros((len(self.books), 0), np.int64)

    def observe(self, at: int) -> None:
        """Take in the prices of row `at`, and where history is required the level of each simulated surface."""
        if not self._historical:
            self.ranges.observe(at)
            return
        surfaces = (simulated_surface(fit, float(path[at])) for fit, path in zip(self.fits, self.paths, strict=True))
        levels = [volatility * reference_level_ppm(pillars) // PPM for volatility, pillars in surfaces]
        self.ranges.observe(at, levels)

    def reopen(self, at: int, end: int) -> None:
        """Open all books again at row `at` where the nearest options would expire before row `end`."""
        now_ms, end_ms = self._data.times_s[at] * 1000, self._data.times_s[end] * 1000
        if self._opened_ms is not None and end_ms <= self._opened_ms + OPEN_MS:
            return
        ticks = self.index_ticks(at)
        self._opened_ms = now_ms
        self.listed = listed_contracts(self._data.names, ticks, now_ms)
        self.lots = np.array([book_lots(book, ticks) for book in self.books], np.int64)

    def index_ticks(self, at: int) -> list[int]:
        """[g] closing prices of a row."""
        return [series[at] for series in self._data.closes]

    def groups(self, at: int, published: list[PublishedRangeRecord] | None = None) -> tuple[RiskGroup, ...]:
        """The risk groups of a row with their surfaces, and with the ranges in force, if given."""
        found = []
        for number, name in enumerate(self._data.names):
            volatility, surface = simulated_surface(self.fits[number], float(self.paths[number][at]))
            group = RiskGroup(
                id=number + 1,
                name=name,
                feed=number + 1,
                range_ppm=FIRST_RANGE_PPM if published is None else published[number].range_ppm,
                volatility_ppm=volatility,
                volatility_range_ppm=VOLATILITY_RANGE_PPM,
                short_option_ppm=SHORT_OPTION_PPM,
                surface=surface,
                shock=OPTION_SHOCK,
                scenarios=OPTION_GRID,
            )
            found.append(group)
        return tuple(found)

    def arrays(self, at: int, groups: tuple[RiskGroup, ...]) -> RiskArrays:
        """The engine's arrays of all listed contracts."""
        parameters = RiskParameters(groups, charges=self._charges, history=self.ranges.history)
        index = dict(enumerate(self.index_ticks(at), start=1))
        marks = {series[0].id: ticks for series, ticks in zip(self.listed, index.values(), strict=True)}
        instruments = [instrument for series in self.listed for instrument in series]
        return build_risk_arrays(instruments, (), self._cash, marks, index, parameters, self._data.times_s[at] * 1000)

    def margins(self, arrays: RiskArrays) -> Integers:
        """[b] initial margin."""
        nothing = np.zeros((len(self.books), 1), np.int64)
        initial = batch_margin(arrays, nothing, nothing[:, :0], self.lots).initial
        if initial.dtype != np.int64:
            raise _too_wide(self._data)
        return initial

    def worth(self, at: int, groups: tuple[RiskGroup, ...]) -> list[int]:
        """[m] micros of a lot of each listed contract at a row: a perpetual's price, an option's mark."""
        now_ms, found = self._data.times_s[at] * 1000, []
        for group, series, ticks in zip(groups, self.listed, self.index_ticks(at), strict=True):
            found.append(ticks * MICROS_PER_TICK)
            for option in series[1:]:
                tenor = option.expiry_ms - now_ms
                volatility = option_volatility(group, float(ticks), float(option.strike_ticks), tenor)
                found.append(option_value(option, ticks, volatility, 0, now_ms, MICROS_PER_TICK))
        return found

    def losses(self, before: list[int], after: list[int]) -> Integers:
        """[b] what every book lost from one worth of the contracts to another; gains are negative."""
        change = [then - now for now, then in zip(before, after, strict=True)]
        most = int(np.abs(self.lots).sum(axis=1).max(initial=0)) * max(map(abs, change), default=0)
        if most >= 2**63:
            raise _too_wide(self._data)
        return -(self.lots @ np.array(change, np.int64))


def walk_options(
    data: MarketData, setup: Setup, seed: int, progress: Callable[[int], None] = lambda _: None
) -> OptionWalked:
    """Walk through all rows; `seed` is that of the surfaces. `progress` is called with the number of rows done.

    Raises LocalFault MARKET_DATA_UNUSABLE for too short a history, and when prices are too far apart to be counted.
    """
    walker, steps = OptionWalker(data, setup, seed), setup.steps
    span_s = steps * setup.parameters.interval_ms // 1000
    times, closes, volatilities, margins, losses, gaps = [], [], [], [], [], 0
    for at in range(len(data.times_s)):
        walker.observe(at)
        published = walker.ranges.publish(at)
        if at % 256 == 0:
            progress(at)
        end = at + steps
        if at < setup.warm_up or (at - setup.warm_up) % steps or end >= len(data.times_s):
            continue
        if data.times_s[end] - data.times_s[at] != span_s:
            gaps += 1
            continue
        walker.reopen(at, end)
        groups = walker.groups(at, published)
        times.append(data.times_s[at])
        closes.append(walker.index_ticks(at))
        volatilities.append([group.volatility_ppm for group in groups])
        margins.append(walker.margins(walker.arrays(at, groups)))
        losses.append(walker.losses(walker.worth(at, groups), walker.worth(end, walker.groups(end))))
    progress(len(data.times_s))
    width, books = len(data.names), len(walker.books)
    return OptionWalked(
        names=data.names,
        books=walker.books,
        fits=walker.fits,
        times_s=np.array(times, np.int64),
        closes=np.array(closes, np.int64).reshape(len(times), width),
        volatilities_ppm=np.array(volatilities, np.int64).reshape(len(times), width),
        margins=np.array(margins, np.int64).reshape(len(times), books),
        losses=np.array(losses, np.int64).reshape(len(times), books),
        gaps=gaps,
    )


def _too_wide(data: MarketData) -> LocalFault:
    return LocalFault(NodeCode.MARKET_DATA_UNUSABLE, data.names[0], why="prices move further than can be counted")
