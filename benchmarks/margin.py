"""Margin of many accounts: exact integers with bounds checks, beside a naive float64 product that checks nothing.

Run `python -m benchmarks.margin` at the top of the repository; medians of several repetitions, with extremes. Option
values and QuantLib are in `benchmarks.options`.
"""

import math
import os
import time
from collections.abc import Callable

from clearing.base.units import YEAR_MS

# Several threads of linear algebra on busy cores cost fifty times what they gain; before anything imports numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import numpy as np
import QuantLib

from benchmarks import options
from benchmarks.figures import Figure, of_times, repeated
from clearing.margin.requirement.account_margin import account_margin, batch_margin
from clearing.margin.requirement.margin_book import MarginBook
from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.prices.surface_medians import WeightedSurface, agreed_reports, corrected_quotes, median_quotes
from clearing.pricing.arbitrage_free import without_arbitrage
from clearing.schema.risk.charges import LotCharge
from clearing.schema.risk.group_charges import BasisMove, BasisPoint, GroupCharges, NetCharge
from clearing.schema.risk.history import HISTORY_MAX, HistoricalMove, HistoricalRequirement, HistoricalScenario
from clearing.schema.risk.live_surface import PPB, WHOLE_VOLATILITY_PPM, ExpiryQuote, carries_of, pillars_of
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters, Scenario, collapse
from clearing.schema.terms.assets import Asset, CashGroup
from clearing.schema.terms.collateral import ScenarioTerms
from clearing.schema.terms.instruments import Instrument, InstrumentKind

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


def parameters(groups: int) -> RiskParameters:
    listed = tuple(RiskGroup(each, f"G{each}", each, 200_000, 800_000, 200_000) for each in range(1, groups + 1))
    return RiskParameters(listed, grid(), rate_ppm=50_000)


def arrays(groups: int, first: int = 800_000, others: int = 800_000) -> RiskArrays:
    index = {each: first if each == 1 else others for each in range(1, groups + 1)}
    return build_risk_arrays(instruments(groups), [], [CashGroup(1, "USD")], {}, index, parameters(groups), NOW_MS)


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


def whole_requirement(groups: int) -> list[Figure]:
    """The same accounts with every term on: minimums, charges and impact, credit by 64 joint scenarios."""
    rng = np.random.default_rng(1)
    lots = rng.integers(-100_000, 100_001, (ACCOUNTS, POSITIONS))
    cash = rng.integers(0, 10**13, (ACCOUNTS, 1))
    tokens = np.zeros((ACCOUNTS, 0), np.int64)
    plain = parameters(groups)
    columns = rng.integers(0, 1 + plain.width, (64, groups)).tolist()
    charges = tuple(LotCharge(each, 5_000, 500, 50_000, 5_000, 10_000) for each in range(1, 1 + POSITIONS))
    every = msgspec.structs.replace(
        plain,
        groups=tuple(msgspec.structs.replace(group, short_option_ppm=30_000) for group in plain.groups),
        charges=charges,
        joint=JointCredit(collapse(map(tuple, columns)), tail=2, keep_largest=True),
    )
    index = dict.fromkeys(range(1, groups + 1), 800_000)
    risk = build_risk_arrays(instruments(groups), [], [CashGroup(1, "USD")], {}, index, every, NOW_MS)
    found = batch_margin(risk, cash, tokens, lots)
    times = repeated(lambda: batch_margin(risk, cash, tokens, lots), 10)
    for at in range(0, ACCOUNTS, ACCOUNTS // 10):
        assert found.account(at) == account_margin(risk, cash[at].tolist(), [], lots[at].tolist())
    return [of_times(f"exact batch with every term, {groups} groups, 64 joint scenarios", times)]


def wide_grid() -> tuple[Scenario, ...]:
    """64 scenarios: 21 moves, each with volatility down, flat and up, and one tail."""
    shifted = [Scenario(step, 10, direction) for step in range(-10, 11) for direction in (-1, 0, 1)]
    return (*shifted, Scenario(-2, 1, 0, 350_000))


def collateral(groups: int, *, inside: bool) -> tuple[Asset, ...]:
    """A spot token of each group, at a haircut of 3 %; `inside`: it moves in the group's scenarios."""
    terms = [ScenarioTerms(each, haircut_ppm=30_000) if inside else ScenarioTerms() for each in range(1, groups + 1)]
    return tuple(
        Asset(each, f"T{each}", 1, bytes(20), bytes([each]) * 20, 18, 6, 0, each, 30_000, 10**15, scenarios=own)
        for each, own in enumerate(terms, start=1)
    )


def collateral_inside(groups: int) -> list[Figure]:
    """64 scenarios, every account with a token of each group; the same with the tokens outside as its peer."""
    rng = np.random.default_rng(1)
    lots = rng.integers(-100_000, 100_001, (ACCOUNTS, POSITIONS))
    cash = rng.integers(0, 10**13, (ACCOUNTS, 1))
    units = rng.integers(0, 10**8, (ACCOUNTS, groups))
    risk = msgspec.structs.replace(parameters(groups), scenarios=wide_grid())
    index = dict.fromkeys(range(1, groups + 1), 800_000)
    moved = dict.fromkeys(index, 800_100)
    spent: dict[bool, list[float]] = {}
    for inside in (False, True):
        listing = (instruments(groups), collateral(groups, inside=inside), [CashGroup(1, "USD")])
        both = [build_risk_arrays(*listing, {}, prices, risk, NOW_MS) for prices in (index, moved)]
        book = MarginBook(both[0])
        for account in range(ACCOUNTS):
            book.put(account, cash[account].tolist(), units[account].tolist(), lots[account].tolist())
        book.remargin()
        spent[inside] = []
        for turn in range(20):
            book.reprice(both[(1 + turn) % 2])
            start = time.perf_counter()
            touched = book.remargin()
            spent[inside].append(time.perf_counter() - start)
            assert len(touched) == ACCOUNTS
        for at in range(0, ACCOUNTS, ACCOUNTS // 10):
            row = (cash[at].tolist(), units[at].tolist(), lots[at].tolist())
            assert book.margin(at) == account_margin(book.arrays, *row)
            assert book.margins([at]).account(0) == book.margin(at)
    size = f"{ACCOUNTS:,} x {POSITIONS} x {1 + risk.width}, {groups} groups"
    outside = f"{np.median(spent[False]) * 1e3:.1f} outside"
    return [of_times(f"margin book, {groups} tokens inside, {size}", spent[True], goal="< 20", peer=outside)]


def past_moves(groups: int) -> HistoricalRequirement:
    """As many moves as a network takes from its past, of which the worst 6.375 count."""
    rng = np.random.default_rng(4)
    moves = rng.integers(-150_000, 150_001, (HISTORY_MAX - 1, groups, 2)).tolist()
    scenarios = (HistoricalScenario(tuple(HistoricalMove(*move) for move in each)) for each in sorted(moves))
    return HistoricalRequirement(tuple(scenarios), tail=6, tail_part_ppm=375_000)


def whole_history(groups: int) -> list[Figure]:
    """The book where history is required, all accounts repriced; the same without as its peer."""
    rng = np.random.default_rng(1)
    lots = rng.integers(-100_000, 100_001, (ACCOUNTS, POSITIONS))
    cash = rng.integers(0, 10**13, (ACCOUNTS, 1))
    index = dict.fromkeys(range(1, groups + 1), 800_000)
    moved = dict.fromkeys(index, 800_100)
    spent: dict[bool, list[float]] = {}
    for required in (False, True):
        risk = parameters(groups)
        if required:
            risk = msgspec.structs.replace(risk, history=past_moves(groups))
        listing = (instruments(groups), (), [CashGroup(1, "USD")])
        both = [build_risk_arrays(*listing, {}, prices, risk, NOW_MS) for prices in (index, moved)]
        book = MarginBook(both[0])
        for account in range(ACCOUNTS):
            book.put(account, cash[account].tolist(), [], lots[account].tolist())
        book.remargin()
        spent[required] = []
        for turn in range(10):
            book.reprice(both[(1 + turn) % 2])
            start = time.perf_counter()
            touched = book.remargin()
            spent[required].append(time.perf_counter() - start)
            assert len(touched) == ACCOUNTS
        for at in range(0, ACCOUNTS, ACCOUNTS // 10):
            assert book.margin(at) == account_margin(book.arrays, cash[at].tolist(), [], lots[at].tolist())
            assert book.margins([at]).account(0) == book.margin(at)
    size = f"{ACCOUNTS:,} x {POSITIONS} x {1 + risk.width} and {HISTORY_MAX - 1} of history, {groups} groups"
    return [of_times(f"margin book, {size}", spent[True], peer=f"{np.median(spent[False]) * 1e3:.1f} without history")]


EVERY_NET_CHARGE = GroupCharges(
    basis=(
        BasisMove((BasisPoint(7 * DAY_MS, 2_000), BasisPoint(180 * DAY_MS, 20_000))),
        BasisMove((BasisPoint(0, -3_000), BasisPoint(60 * DAY_MS, 4_000)), perpetual_ppm=-1_000),
    ),
    delta=NetCharge(1_000, 50_000_000, 2_000, 10_000, (250_000, 1_000_000, 16_000_000)),
    vega=NetCharge(20_000),
)


def one_tick(*, marked: bool, inside: bool | None = None, charged: bool = False, past: bool = False) -> list[Figure]:
    """One feed moves: new rows, new matrices, margins of its holders. `marked`: the feed has no options.

    `inside`: there are 64 scenarios, and a token of each group moves in them, or does not; None: no tokens.
    `charged`: every group has charges on its net basis, delta and vega. `past`: history is required.
    """
    rng = np.random.default_rng(2)
    groups = 4
    listed = tuple(perpetual(each) if marked and each.group == 1 else each for each in instruments(groups))
    risk, cash = parameters(groups), (CashGroup(1, "USD"),)
    tokens: tuple[Asset, ...] = () if inside is None else collateral(groups, inside=inside)
    if tokens:
        risk = msgspec.structs.replace(risk, scenarios=wide_grid())
    if charged:
        of_groups = (msgspec.structs.replace(group, charges=EVERY_NET_CHARGE) for group in risk.groups)
        risk = msgspec.structs.replace(risk, groups=tuple(of_groups))
    if past:
        risk = msgspec.structs.replace(risk, history=past_moves(groups))

    prices: list[tuple[dict[int, int], dict[int, int]]] = []
    for ticks in range(800_000, 800_800, 100):
        index = {each: ticks if each == 1 else 800_000 for each in range(1, groups + 1)}
        prices.append(({each.id: index[each.feed] for each in listed if each.is_marked}, index))

    def built(at: int, before: RiskArrays | None) -> RiskArrays:
        return build_risk_arrays(listed, tokens, cash, *prices[at], risk, NOW_MS, before=before)

    held = built(0, None)
    book = MarginBook(held)
    first = set(held.members(held.groups[0]))
    for account in range(ACCOUNTS):
        lots = rng.integers(-1000, 1001, POSITIONS).tolist()
        if account % (ACCOUNTS // HOLDERS):
            lots = [0 if at in first else q for at, q in enumerate(lots)]
        first_units = 10**8 * (account % (ACCOUNTS // HOLDERS) == 0)
        book.put(account, [10**12], [first_units, *[10**8] * (groups - 1)] if tokens else [], lots)
    book.remargin()
    spent: list[list[float]] = [[], [], [], []]
    for turn in range(300):
        marks = [time.perf_counter()]
        held = built(1 + turn % 7, held)
        marks.append(time.perf_counter())
        book.reprice(held)
        marks.append(time.perf_counter())
        touched = book.remargin()
        marks.append(time.perf_counter())
        for times, seconds in zip(spent, (*np.diff(marks), marks[-1] - marks[0]), strict=True):
            times.append(float(seconds))
        assert len(touched) == HOLDERS
    assert np.array_equal(held.values, built(1 + turn % 7, None).values)
    kind = _named(marked=marked, inside=inside, charged=charged, past=past)
    figures = [
        of_times(f"one tick, {kind}: its rows of the arrays", spent[0], "us", goal="< 100" if marked else ""),
        of_times(f"one tick, {kind}: all of it, {HOLDERS} holders", spent[3], "us", goal="< 200" if inside else ""),
        of_times(f"one tick, {kind}: all of it in a fork, which is merged", _in_forks(book, built), "us"),
    ]
    if marked and inside is None and not past:
        figures.insert(1, of_times(f"one tick: margins of {HOLDERS} holders of {ACCOUNTS:,}", spent[2], "us", "< 100"))
        figures.insert(1, of_times("one tick: taking new arrays", spent[1], "us"))
    return figures


def _in_forks(book: MarginBook, built: Callable[[int, RiskArrays], RiskArrays]) -> list[float]:
    """Seconds of each tick, with the fork's copies of the holders' columns."""
    spent = []
    for turn in range(300):
        start = time.perf_counter()
        fork = book.fork()
        fork.reprice(built(1 + turn % 7, fork.arrays))
        touched = fork.remargin()
        fork.absorb()
        spent.append(time.perf_counter() - start)
        assert len(touched) == HOLDERS
    return spent


def _named(*, marked: bool, inside: bool | None, charged: bool, past: bool) -> str:
    parts = ["marked instruments" if marked else "with options"]
    if inside is not None:
        parts.append(f"65 columns, tokens {'inside' if inside else 'outside'}")
    if charged:
        parts.append("charges on net amounts")
    if past:
        parts.append(f"{HISTORY_MAX - 1} moves of history")
    return ", ".join(parts)


def one_surface() -> list[Figure]:
    """The surface of one risk group moves while the index stands still: agreement, and new rows of its options."""
    groups, validators = 4, 100
    listed, cash, index = tuple(instruments(groups)), (CashGroup(1, "USD"),), dict.fromkeys(range(1, 5), 800_000)
    expiries = sorted({each.expiry_ms for each in listed if each.is_option and each.group == 1})
    expiries += [NOW_MS + (60 + 7 * week) * DAY_MS for week in range(16 - len(expiries))]

    def quoted(turn: int) -> tuple[ExpiryQuote, ...]:
        return tuple(ExpiryQuote(at, PPB + turn, 50_000, 800_000 + 100 * turn, -200_000, 400_000) for at in expiries)

    def on_surface(turn: int) -> RiskParameters:
        quotes, plain = quoted(turn), parameters(groups)
        smiles = without_arbitrage(pillars_of(quotes, NOW_MS), WHOLE_VOLATILITY_PPM)
        first = msgspec.structs.replace(
            plain.groups[0], volatility_ppm=WHOLE_VOLATILITY_PPM, surface=smiles, curve=carries_of(quotes)
        )
        return msgspec.structs.replace(plain, groups=(first, *plain.groups[1:]))

    def built(risk: RiskParameters, before: RiskArrays | None) -> RiskArrays:
        return build_risk_arrays(listed, (), cash, {}, index, risk, NOW_MS, before=before)

    held = built(on_surface(0), None)
    assert held.matrices
    spent: list[list[float]] = [[], []]
    for turn in range(300):
        marks = [time.perf_counter()]
        risk = on_surface(1 + turn % 7)
        marks.append(time.perf_counter())
        held = built(risk, held)
        marks.append(time.perf_counter())
        for times, seconds in zip(spent, np.diff(marks), strict=True):
            times.append(float(seconds))
    assert np.array_equal(held.values, built(risk, None).values)
    reports = [WeightedSurface(1, {each.expiry_ms: each for each in quoted(number)}) for number in range(validators)]

    def agreed() -> tuple[ExpiryQuote, ...]:
        chosen, among = agreed_reports(reports, expiries, validators)
        return corrected_quotes(median_quotes(chosen, among), NOW_MS)

    assert agreed()[0].level_ppm == 800_000 + 100 * (validators // 2 - 1)
    return [
        of_times("one surface: its rows of the arrays", spent[1], "us"),
        of_times("one surface, 16 expiries: the parameters in force", spent[0], "us"),
        of_times(f"one surface, 16 expiries: medians of {validators} validators", repeated(agreed, 50), "us"),
    ]


def perpetual(each: Instrument) -> Instrument:
    return msgspec.structs.replace(each, kind=InstrumentKind.PERPETUAL, expiry_ms=0, strike_ticks=0)


def by_quantlib(risk: RiskArrays) -> np.ndarray:
    """[m, 1 + S] float64: the arrays with each option in each scenario by one call of QuantLib."""
    black, weights = QuantLib.blackFormula, [1.0, *(each.weight_ppm / 1e6 for each in grid())]
    moves = [1.0, *(1.0 + 0.2 * each.move_numerator / each.move_denominator for each in grid())]
    shifts = [0.8, *(0.8 + 0.2 * each.volatility_direction for each in grid())]
    values = np.zeros(risk.values.shape)
    for row, each in enumerate(risk.instruments):
        scale, years = float(each.micros_per_tick), (each.expiry_ms - NOW_MS) / YEAR_MS
        growth = 1.0 if each.kind is InstrumentKind.PERPETUAL else 1.0 + 0.05 * years
        forwards = [800_000.0 * move * growth for move in moves]
        if not each.is_option:
            values[row] = [
                (forward - forwards[0]) * scale * part for forward, part in zip(forwards, weights, strict=True)
            ]
            continue
        kind = QuantLib.Option.Call if each.kind is InstrumentKind.CALL else QuantLib.Option.Put
        full = [
            black(kind, float(each.strike_ticks), forward, volatility * math.sqrt(years), 1.0 / growth) * scale
            for forward, volatility in zip(forwards, shifts, strict=True)
        ]
        values[row] = [full[0] + (value - full[0]) * part for value, part in zip(full, weights, strict=True)]
    return values


def building() -> list[Figure]:
    """All rows anew, and what a margin costs that revalues every position of every account."""
    groups = 4
    listed, risk = instruments(groups), parameters(groups)
    index = dict.fromkeys(range(1, groups + 1), 800_000)
    cash = [CashGroup(1, "USD")]
    ours = repeated(lambda: build_risk_arrays(listed, [], cash, {}, index, risk, NOW_MS), 50)
    held = arrays(groups)
    theirs = repeated(lambda: by_quantlib(held), 10)
    ticks = np.abs(held.values - by_quantlib(held)) / [[each.micros_per_tick] for each in held.instruments]
    assert ticks.max() <= 2.0, "apart by more than moves and carry round"
    slow = float(np.median(theirs))
    return [
        of_times(
            f"building all arrays, {POSITIONS} x {1 + held.scenarios}", ours, "us", peer=f"{slow * 1e6:,.0f} QuantLib"
        ),
        Figure("every position of every account revalued by QuantLib", slow * ACCOUNTS, "s", peer="from one account"),
    ]


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    books = [figure for groups in ((4,) if quick else (1, 4, 10)) for figure in whole_book(groups)]
    ticks = [figure for marked in (True, False) for figure in one_tick(marked=marked)]
    ticks += [figure for inside in (False, True) for figure in one_tick(marked=True, inside=inside)]
    ticks += one_tick(marked=True, inside=True, charged=True)
    ticks += [figure for marked in (True, False) for figure in one_tick(marked=marked, past=True)]
    tokens = [figure for groups in ((4,) if quick else (1, 4, 10)) for figure in collateral_inside(groups)]
    whole = [figure for groups in ((4,) if quick else (1, 10)) for figure in whole_requirement(groups)]
    past = [figure for groups in ((4,) if quick else (1, 4, 10)) for figure in whole_history(groups)]
    return [*books, *tokens, *whole, *past, *ticks, *one_surface(), *building(), *options.figures(quick=quick)]


if __name__ == "__main__":
    for figure in figures():
        print(figure.line())
