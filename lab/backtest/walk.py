"""The walk through history: at each observation publish ranges and margins, then see the next move on books.

Rule: a range knows only observations before it. `MoveWindow` keeps the newest moves of a risk group sorted, so that
their quantiles cost little at every step. A book is fixed before any price is looked at: a function of its seed and of
how many underlyings there are, by SHA-256 alone, so that anybody can make the same ones anywhere; none is left out.

Seed s has form s mod 4: 0 the first underlying alone, 1 the last alone, 2 all of them on one side, 3 all of them on
alternating sides. Its first side is long where s div 4 is even, otherwise short. Its holding of underlying u is worth
10,000 + (h mod 990,001) settlement units when the book is opened, h the first eight bytes of
SHA-256("crossclear/book/<s>/<u>"), big-endian; in lots of a thousandth of the underlying, rounded up. Every book is
opened again at its worth each `REOPEN` observations, or four years of rising prices would leave one leg of each.
"""

import hashlib
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import msgspec
import numpy as np
from numpy.typing import NDArray

from clearing.base.errors import LocalFault
from clearing.margin.requirement.account_margin import batch_margin
from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.price_ranges.historical_moves import group_horizon, historical_moves, historical_requirement
from clearing.price_ranges.history import (
    deviation_multiple,
    deviation_over,
    first_variance,
    observe_price,
    quantile_up,
    spanned_move,
    sqrt_up,
    standardised_move,
)
from clearing.price_ranges.joint_scenarios import column_sizes, joint_columns, joint_credit
from clearing.price_ranges.range_rule import HistoryFigures, next_published_range
from clearing.price_ranges.volatility_levels import deviation_level, first_level_variance, moved_level
from clearing.schema.records.prices import GroupMove, MovesRecord, PublishedRangeRecord, VarianceRecord
from clearing.schema.risk.history import HistoricalRequirement
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.risk.volatility_surface import VolShock
from clearing.schema.terms.assets import CashGroup
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from lab.backtest.market_data import MarketData
from member.codes import NodeCode


class MoveWindow:
    """At most `parameters.window` moves."""

    def __init__(self, parameters: RangeParameters) -> None:
        self._parameters = parameters
        self._moves: deque[GroupMove] = deque()
        self._spans: deque[int | None] = deque()
        """Standardised, one for each run of moves, None where one was not observed; the oldest begins at the oldest
        move."""
        self._multiples: list[int] = []
        self._deviations: list[int] = []

    def add(self, move: GroupMove) -> None:
        """Add the newest move; the oldest is dropped when there are too many."""
        if len(self._moves) == self._parameters.window:
            self._forget()
        self._moves.append(move)
        if move.deviation_nano:
            insort(self._deviations, move.deviation_nano)
        steps, count = self._parameters.steps, len(self._moves)
        if count < steps:
            return
        run = [move] if steps == 1 else list(islice(self._moves, count - steps, count))
        whole = spanned_move(run)
        size = None if whole is None else standardised_move(whole)
        self._spans.append(size)
        if size is not None:
            insort(self._multiples, size)

    def filtered(self, variance_record: VarianceRecord) -> HistoryFigures:
        """Multiple and stressed deviation now."""
        rules = self._parameters
        if len(self._multiples) < rules.window_min:
            return HistoryFigures(rules.multiple_ppm, sqrt_up(variance_record.variance))
        multiple = deviation_multiple(self._multiples, rules.confidence_ppm)
        return HistoryFigures(multiple, quantile_up(self._deviations, rules.stress_quantile_ppm))

    def _forget(self) -> None:
        """Drop the oldest move and the run that began with it."""
        oldest, size = self._moves.popleft(), self._spans.popleft()
        if oldest.deviation_nano:
            del self._deviations[bisect_left(self._deviations, oldest.deviation_nano)]
        if size is not None:
            del self._multiples[bisect_left(self._multiples, size)]


Integers = NDArray[np.int64]

FIRST_RANGE_PPM = 50_000
GENESIS_JOINT = JointCredit(keep_largest=True)
"""No scenarios at first; an account in one group alone gets no credit between groups."""
JOINT_EVERY = 168
"""Observations between two renewals of the joint scenarios."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What to walk with."""

    parameters: RangeParameters
    seeds: int
    warm_up: int
    """Observations before the first tested one."""
    steps: int = 1
    """Horizon in observations; tested moves do not overlap."""


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """n tested points, g underlyings, b books. Money in micros."""

    names: tuple[str, ...]
    times_s: Integers
    """[n] when the range and the margin were published."""
    moves_ppm: Integers
    """[n, g] size of the move that followed, rounded up as ranges are."""
    raw_ppm: Integers
    """[n, g]."""
    ranges_ppm: Integers
    """[n, g] published."""
    margins: Integers
    """[n, b] initial margin."""
    losses: Integers
    """[n, b] loss that followed; gains are negative."""
    gaps: int
    """Points left out because rows are missing before the end of their horizon."""


class Walker:
    """The state of the walk: what the network would know."""

    def __init__(self, data: MarketData, setup: Setup, volatility_range_ppm: int = 0) -> None:
        self._data, self._setup = data, setup
        rules = self._rules = setup.parameters
        count = len(data.names)
        self._groups = tuple(
            RiskGroup(
                at + 1,
                data.names[at],
                at + 1,
                FIRST_RANGE_PPM,
                800_000,
                volatility_range_ppm,
                shock=VolShock(relative=True),
            )
            for at in range(count)
        )
        self._instruments = tuple(
            Instrument(at + 1, f"{name}-PERP", InstrumentKind.PERPETUAL, at + 1, at + 1, 1, MICROS_PER_TICK)
            for at, name in enumerate(data.names)
        )
        self._cash = (CashGroup(1, "USD"),)
        first = first_variance(FIRST_RANGE_PPM, rules.multiple_ppm, rules.horizon_ms, rules.interval_ms)
        self._variances: list[VarianceRecord] = [first] * count
        self._windows = [MoveWindow(rules) for _ in range(count)]
        self._samples: deque[MovesRecord] = deque(maxlen=rules.window)
        self._published: list[PublishedRangeRecord | None] = [None] * count
        self._joint = GENESIS_JOINT
        self._level_variances = [first_level_variance(group, rules) for group in self._groups]
        self._level_moves: deque[MovesRecord] = deque(maxlen=rules.window)
        self.history = HistoricalRequirement()
        self._worth = [worth_of(seed, count) for seed in range(setup.seeds)]
        self.lots = np.zeros((setup.seeds, count), np.int64)

    def observe(self, at: int, levels: Sequence[int] = ()) -> None:
        """Take in the prices of row `at`, and where history is required the volatility levels of all groups, by
        default the deviations of their prices."""
        rules, time_ms, moves = self._rules, self._data.times_s[at] * 1000, []
        for number, series in enumerate(self._data.closes):
            self._variances[number], move = observe_price(
                self._variances[number],
                series[at],
                time_ms,
                interval_ms=rules.interval_ms,
                decay_ppm=rules.decay_ppm,
                floor_samples=rules.floor_samples,
            )
            self._windows[number].add(move)
            moves.append(move)
        self._samples.append(MovesRecord(time_ms, tuple(moves)))
        if rules.historical_scenarios:
            self._observe_levels(time_ms, levels or [deviation_level(record) for record in self._variances])

    def publish(self, at: int) -> list[PublishedRangeRecord]:
        """Ranges after row `at`, as the network publishes them."""
        after = []
        for number, group in enumerate(self._groups):
            variance = self._variances[number]
            filtered = self._windows[number].filtered(variance)
            before = self._published[number]
            after.append(
                next_published_range(self._rules, group, variance, filtered, before, self._rules.horizon_ms, at)
            )
        self._published = list(after)
        if at % JOINT_EVERY == 0:
            self._renew_joint()
            self._renew_history(after)
        if at % REOPEN == 0:
            ticks = [series[at] for series in self._data.closes]
            self.lots = np.array([lots_of(worth, ticks) for worth in self._worth], np.int64).reshape(self.lots.shape)
        return after

    def margins(self, at: int) -> Integers:
        """[b] initial margin of every book after row `at`."""
        ticks = {number: series[at] for number, series in enumerate(self._data.closes, start=1)}
        arrays = build_risk_arrays(
            self._instruments, (), self._cash, ticks, ticks, self._risk(), self._data.times_s[at] * 1000
        )
        nothing = np.zeros((len(self.lots), 1), np.int64)
        initial = batch_margin(arrays, nothing, nothing[:, :0], self.lots).initial
        if initial.dtype != np.int64:
            raise _too_wide(at)
        return initial

    def losses(self, at: int, end: int) -> Integers:
        """[b] loss of every book from row `at` to row `end`, gains negative."""
        change = np.array([series[end] - series[at] for series in self._data.closes], np.int64)
        largest = int(np.abs(self.lots).sum(axis=1).max(initial=0)) * int(np.abs(change).max(initial=0))
        if largest * MICROS_PER_TICK >= 2**63:
            raise _too_wide(at)
        return -(self.lots @ change) * MICROS_PER_TICK

    def _risk(self) -> RiskParameters:
        current = zip(self._groups, self._published, strict=True)
        groups = tuple(
            msgspec.structs.replace(group, range_ppm=published.range_ppm) if published else group
            for group, published in current
        )
        return RiskParameters(groups, joint=self._joint, history=self.history)

    def _renew_joint(self) -> None:
        if self._rules.joint_scenarios == 0:
            return
        risk, rules = self._risk(), self._rules
        horizons = [deviation_over(record.variance, rules.horizon_ms, rules.interval_ms) for record in self._variances]
        columns = joint_columns(self._samples, risk, risk.groups, horizons)
        sizes = [column_sizes(risk.scenarios, group.range_ppm) for group in risk.groups]
        self._joint = joint_credit(columns, sizes, rules, GENESIS_JOINT)

    def _observe_levels(self, time_ms: int, levels: Sequence[int]) -> None:
        moves = []
        for number, level in enumerate(levels):
            self._level_variances[number], move = moved_level(
                self._level_variances[number], level, time_ms, self._rules
            )
            moves.append(move)
        self._level_moves.append(MovesRecord(time_ms, tuple(moves)))

    def _renew_history(self, published: Sequence[PublishedRangeRecord]) -> None:
        rules = self._rules
        if rules.historical_scenarios == 0:
            return
        records = zip(self._variances, published, self._level_variances, strict=True)
        horizons = [group_horizon(rules, *each, rules.horizon_ms) for each in records]
        levels = {record.time_ms: record for record in self._level_moves}
        moves = historical_moves(tuple(self._samples), levels, horizons)
        self.history = historical_requirement(moves, self._risk().groups, rules, HistoricalRequirement())


def _too_wide(row: int) -> LocalFault:
    """Prices so far apart that a book's money is beyond the range of a report (10^13 settlement units)."""
    return LocalFault(NodeCode.MARKET_DATA_UNUSABLE, f"row {row}", why="prices move further than can be counted")


def walk(data: MarketData, setup: Setup, progress: Callable[[int], None] = lambda _: None) -> Walked:
    """Walk through all rows. `progress` is called with the number of rows done, from time to time.

    Raises LocalFault MARKET_DATA_UNUSABLE when prices are so far apart that a loss exceeds 63 bits.
    """
    walker, steps = Walker(data, setup), setup.steps
    span_s = steps * setup.parameters.interval_ms // 1000
    closes = np.array(data.closes, np.int64)
    times, moves, raws, ranges, margins, losses, gaps = [], [], [], [], [], [], 0
    for at in range(len(data.times_s)):
        walker.observe(at)
        published = walker.publish(at)
        if at % 256 == 0:
            progress(at)
        end = at + steps
        if at < setup.warm_up or (at - setup.warm_up) % steps or end >= len(data.times_s):
            continue
        if data.times_s[end] - data.times_s[at] != span_s:
            gaps += 1
            continue
        change = closes[:, end] - closes[:, at]
        times.append(data.times_s[at])
        moves.append(-(-np.abs(change) * 1_000_000 // closes[:, at]))
        raws.append([series.raw_ppm for series in published])
        ranges.append([series.range_ppm for series in published])
        margins.append(walker.margins(at))
        losses.append(walker.losses(at, end))
    progress(len(data.times_s))
    series, books = len(data.names), setup.seeds
    return Walked(
        names=data.names,
        times_s=np.array(times, np.int64),
        moves_ppm=_table(moves, series),
        raw_ppm=_table(raws, series),
        ranges_ppm=_table(ranges, series),
        margins=_table(margins, books),
        losses=_table(losses, books),
        gaps=gaps,
    )


def _table(rows: list[Integers] | list[list[int]], width: int) -> Integers:
    return np.array(rows, np.int64).reshape(len(rows), width)


REOPEN = 720
FORMS = ("first alone", "last alone", "all on one side", "alternating sides")
MICROS_PER_TICK = 10
"""A lot is a thousandth of the underlying: a tick, 10^-2 of the settlement unit, is 10 micros a lot."""
TICK_LOTS_PER_UNIT = 100_000
"""One settlement unit is this many ticks of one lot."""


def form_of(seed: int) -> str:
    """What kind of book a seed is."""
    return FORMS[seed % len(FORMS)]


def worth_of(seed: int, underlyings: int) -> tuple[int, ...]:
    """Signed settlement units of every underlying."""
    form, side = seed % len(FORMS), 1 if seed // len(FORMS) % 2 == 0 else -1
    worth = []
    for at in range(underlyings):
        drawn = hashlib.sha256(f"crossclear/book/{seed}/{at}".encode()).digest()
        units = 10_000 + int.from_bytes(drawn[:8], "big") % 990_001
        in_book = (at == 0, at == underlyings - 1, True, True)[form]
        turned = form == 3 and at % 2 == 1
        worth.append((units if not turned else -units) * side if in_book else 0)
    return tuple(worth)


def lots_of(worth: Sequence[int], ticks: Sequence[int]) -> list[int]:
    """Lots that are worth at least so much at these prices."""
    sizes = (-(-abs(units) * TICK_LOTS_PER_UNIT // price) for units, price in zip(worth, ticks, strict=True))
    return [size if units >= 0 else -size for size, units in zip(sizes, worth, strict=True)]
