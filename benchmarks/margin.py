"""Margin of many accounts: exact integers with bounds checks, beside a naive float64 product that checks nothing.

Run `python -m benchmarks.margin` at the top of the repository; medians of several repetitions, with extremes.
"""

import time

import numpy as np

from benchmarks.figures import Figure, of_times, repeated
from clearing.assets import CashGroup
from clearing.instruments import Instrument, InstrumentKind
from clearing.margin.arrays import RiskArrays, build_risk_arrays
from clearing.margin.book import MarginBook
from clearing.margin.parameters import RiskGroup, RiskParameters, Scenario
from clearing.margin.requirement import batch_margin
from clearing.pricing.black76 import option_values

ACCOUNTS, POSITIONS, HOLDERS = 10_000, 40, 200
DAY_MS = 86_400_000
NOW_MS = 1_600_000_000_000


def grid() -> tuple[Scenario, ...]:
    """32 scenarios, so that there are 33 with the base."""
    moves = [(step, 5) for step in (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)]
    shifted = [Scenario(num, den, direction) for num, den in moves for direction in (-1, 0, 1)]
    return (*shifted, Scenario(2, 1, 0, 350_000), Scenario(-2, 1, 0, 350_000))


def instruments(groups: int) -> list[Instrument]:
    """Per group a perpetual, a future and options around the index."""
    listed: list[Instrument] = []
    for number in range(1, POSITIONS + 1):
        group = 1 + number % groups
        nth = (number - 1) // groups
        kind = (InstrumentKind.PERPETUAL, InstrumentKind.FUTURE, InstrumentKind.CALL, InstrumentKind.PUT)[nth % 4]
        option = kind in (InstrumentKind.CALL, InstrumentKind.PUT)
        listed.append(
            Instrument(
                id=number, name=f"I{number}", kind=kind, feed=group, group=group, cash_group=1, micros_per_tick=10,
                expiry_ms=0 if kind is InstrumentKind.PERPETUAL else NOW_MS + (30 + nth) * DAY_MS,
                strike_ticks=700_000 + 10_000 * nth if option else 0,
            )
        )  # fmt: skip
    return listed


def arrays(groups: int, first: int = 800_000, others: int = 800_000) -> RiskArrays:
    risk_groups = tuple(RiskGroup(each, f"G{each}", each, 200_000, 800_000, 200_000) for each in range(1, groups + 1))
    parameters = RiskParameters(risk_groups, grid(), rate_ppm=50_000)
    index = {each: first if each == 1 else others for each in range(1, groups + 1)}
    return build_risk_arrays(instruments(groups), [], [CashGroup(1, "USD")], {}, index, parameters, NOW_MS)


def naive(risk: RiskArrays, cash: np.ndarray, lots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Float64, no bounds, one product over all instruments, groups by slices: what one would write first."""
    values = risk.values.astype(np.float64)
    held = lots.astype(np.float64)
    requirement = np.zeros(len(lots))
    for group in risk.groups:
        members = list(risk.members(group))
        scenario = held[:, members] @ (values[members, :1] - values[members, 1:])
        requirement += np.maximum(scenario.max(axis=1), 0)
    return cash[:, 0] + held @ values[:, 0], requirement


def whole_book(groups: int) -> list[Figure]:
    rng = np.random.default_rng(1)
    risk = arrays(groups)
    lots = rng.integers(-100_000, 100_001, (ACCOUNTS, POSITIONS))
    cash = rng.integers(0, 10**13, (ACCOUNTS, 1))
    tokens = np.zeros((ACCOUNTS, 0), np.int64)
    exact = repeated(lambda: batch_margin(risk, cash, tokens, lots), 20)
    plain = repeated(lambda: naive(risk, cash, lots), 20)
    book = MarginBook(risk)
    for account in range(ACCOUNTS):
        book.put(account, cash[account].tolist(), [], lots[account].tolist())
    book.remargin()
    other = [arrays(groups, 800_100, 800_100), risk]
    times = []
    for turn in range(20):
        book.reprice(other[turn % 2])
        start = time.perf_counter()
        touched = book.remargin()
        times.append(time.perf_counter() - start)
        assert len(touched) == ACCOUNTS
    equity, requirement = naive(risk, cash, lots)
    batch = batch_margin(risk, cash, tokens, lots)
    assert np.array_equal(batch.initial, book.margins(range(ACCOUNTS)).initial)
    assert np.array_equal(batch.initial, requirement.astype(np.int64))
    assert np.array_equal(batch.equity, equity.astype(np.int64))
    size = f"{ACCOUNTS:,} x {POSITIONS} x {1 + risk.scenarios}, {groups} groups"
    naively = f"{np.median(plain) * 1e3:.1f} in naive float64"
    return [
        of_times(f"margin book, {size}", times, goal="< 10", peer=naively),
        of_times(f"exact batch, {size}", exact, peer=naively),
    ]


def one_tick() -> list[Figure]:
    rng = np.random.default_rng(2)
    groups = 4
    states = [arrays(groups), arrays(groups, 801_000)]
    book = MarginBook(states[0])
    first = set(states[0].members(states[0].groups[0]))
    for account in range(ACCOUNTS):
        lots = rng.integers(-1000, 1001, POSITIONS).tolist()
        if account % (ACCOUNTS // HOLDERS):
            lots = [0 if at in first else q for at, q in enumerate(lots)]
        book.put(account, [10**12], [], lots)
    book.remargin()
    times, repricing = [], []
    for turn in range(200):
        start = time.perf_counter()
        book.reprice(states[(turn + 1) % 2])
        middle = time.perf_counter()
        touched = book.remargin()
        times.append(time.perf_counter() - middle)
        repricing.append(middle - start)
        assert len(touched) == HOLDERS
    build = repeated(lambda: arrays(groups, 801_000), 20)
    return [
        of_times(f"one tick, {HOLDERS} holders of {ACCOUNTS:,}", times, "us", goal="< 100"),
        of_times("taking new arrays", repricing, "us"),
        of_times("building all arrays", build, "us"),
    ]


def options() -> list[Figure]:
    rng = np.random.default_rng(3)
    count = 100_000
    forward = rng.uniform(1e5, 1e7, count)
    strike = forward * rng.uniform(0.5, 2.0, count)
    volatility, years = rng.uniform(0.2, 2.0, count), rng.uniform(0.001, 1.0, count)
    discount, is_call = np.ones(count), rng.random(count) < 0.5
    seconds = np.median(repeated(lambda: option_values(forward, strike, volatility, years, discount, is_call), 5))
    return [Figure(f"option values in batches of {count:,}", count / float(seconds) / 1e6, "M/s")]


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    books = [figure for groups in ((4,) if quick else (1, 4, 10)) for figure in whole_book(groups)]
    return [*books, *one_tick(), *options()]


if __name__ == "__main__":
    for figure in figures():
        print(figure.line())
