"""Margin simulation: an account's margin under other prices, volatilities, positions and deposits, and its liquidation
prices.

Rule: a shock changes the inputs as the rulebook would (marks follow the index, marked lots are settled in cash, trades
pay their fee), and the same `account_margin` evaluates the result. A liquidation price is found by bisection over it.
Work is bounded by the listing and the holdings. It must not change any state.
"""

from dataclasses import dataclass, field, replace
from typing import TypeVar

import msgspec

from clearing.base.errors import BaseCode, LocalFault
from clearing.base.units import MONEY_MAX, POSITION_MAX, PPM, mul_div_up
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin_explanation import MarginInputs, arrays_of_inputs, margin_of_inputs
from clearing.pricing.marks import mark_ticks
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.risk.volatility_surface import VOLATILITY_MIN_PPM
from clearing.schema.terms.instruments import INDEX_TICKS_MAX, Instrument, InstrumentKind
from clearing.settlement.funding import perpetual_mark_ticks
from clearing.settlement.settlement_prices import TimeAverage, expected_average_ticks

T = TypeVar("T")
STEPS = 24
"""Prices tried on each side before bisection: downwards in parts of the index, upwards to four times the index."""


@dataclass(frozen=True, slots=True)
class SimulatedTrade:
    """Lots added to a position, negative to sell, at a price in ticks, by default the mark."""

    instrument: int
    lots: int
    ticks: int | None = None


@dataclass(frozen=True, slots=True)
class Shock:
    """The changes to simulate. First trades and deposits at present prices, then price moves."""

    index_ppm: dict[int, int] = field(default_factory=dict)
    """Move of the index by feed, in millionths of it."""
    volatility_ppm: dict[int, int] = field(default_factory=dict)
    """Points added to the volatility by risk group; 10_000 is one per cent."""
    trades: tuple[SimulatedTrade, ...] = ()
    cash_micros: dict[int, int] = field(default_factory=dict)
    """Cash added by cash group, negative to withdraw."""
    token_units: dict[int, int] = field(default_factory=dict)
    """Units added by asset."""


@dataclass(frozen=True, slots=True)
class LiquidationPrice:
    """The nearest index at which the account would be liquidated, other prices unchanged.

    None: not down to one tick, or not up to four times the index. A failure and recovery between two tried prices is
    not found.
    """

    feed: int
    name: str
    index_ticks: int
    below_ticks: int | None
    above_ticks: int | None


def simulate(inputs: MarginInputs, shock: Shock) -> MarginInputs:
    """The inputs after a shock. Raises LocalFault OUT_OF_RANGE for what is not listed or too large."""
    after = _with_deposits(inputs, shock)
    for trade in shock.trades:
        after = _with_trade(after, trade)
    index = after.index
    moved = {
        feed: _moved_ticks(_check_listed(index, feed, "feed"), ppm) for feed, ppm in sorted(shock.index_ppm.items())
    }
    groups = {group.id: group for group in after.parameters.groups}
    for group_id, points in sorted(shock.volatility_ppm.items()):
        group = _check_listed(groups, group_id, "risk group")
        groups[group_id] = _with_volatility(group, points)
    return _with_prices(after, moved, tuple(groups.values()))


def is_liquidatable(inputs: MarginInputs, before: RiskArrays | None = None) -> bool:
    """Whether maintenance margin or a cash limit is violated; `before` as in `arrays_of_inputs`."""
    owes = any(cash < -inputs.parameters.cash_limit_micros for cash in inputs.cash)
    return owes or not margin_of_inputs(inputs, before).maintenance_ok


def liquidation_prices(inputs: MarginInputs) -> tuple[LiquidationPrice, ...]:
    """Liquidation prices for every feed that a position or token depends on, by bisection over `is_liquidatable`."""
    listed = zip(inputs.instruments, inputs.lots, strict=True)
    feeds = {instrument.feed for instrument, lots in listed if lots}
    feeds |= {token.feed for token, units in zip(inputs.listed_tokens, inputs.tokens, strict=True) if units}
    found, (arrays, _) = [], arrays_of_inputs(inputs)
    for price in inputs.prices:
        if price.feed in feeds and price.usable:
            down = [max(price.ticks * (STEPS - step) // STEPS, 1) for step in range(STEPS + 1)]
            up = [min(price.ticks + 3 * price.ticks * step // STEPS, INDEX_TICKS_MAX) for step in range(STEPS + 1)]
            sides = [_first_failing_ticks(inputs, arrays, price.feed, tried) for tried in (down, up)]
            found.append(LiquidationPrice(price.feed, price.name, price.ticks, *sides))
    return tuple(found)


def _first_failing_ticks(inputs: MarginInputs, arrays: RiskArrays, feed: int, tried: list[int]) -> int | None:
    """The first of `tried` at which the account fails, refined to a tick by bisection from the one before."""
    covered: int | None = None
    for ticks in tried:
        if is_liquidatable(at_index(inputs, feed, ticks), arrays):
            return ticks if covered is None else _bisect_ticks(inputs, arrays, feed, covered, ticks)
        covered = ticks
    return None


def _bisect_ticks(inputs: MarginInputs, arrays: RiskArrays, feed: int, covered: int, failing: int) -> int:
    while abs(covered - failing) > 1:
        middle = (covered + failing) // 2
        if is_liquidatable(at_index(inputs, feed, middle), arrays):
            failing = middle
        else:
            covered = middle
    return failing


def at_index(inputs: MarginInputs, feed: int, ticks: int) -> MarginInputs:
    """The inputs when one index is at `ticks`."""
    return _with_prices(inputs, {feed: ticks}, inputs.parameters.groups)


def _with_prices(inputs: MarginInputs, index: dict[int, int], groups: tuple[RiskGroup, ...]) -> MarginInputs:
    """Index, marks and cash after the move: marked lots are settled against the new mark."""
    before = {group.id: group for group in inputs.parameters.groups}
    after = {group.id: group for group in groups}
    marks, cash = dict(inputs.marks), list(inputs.cash)
    rows = {group.id: at for at, group in enumerate(inputs.cash_groups)}
    for instrument, lots in zip(inputs.instruments, inputs.lots, strict=True):
        moved = instrument.feed in index or before[instrument.group] != after[instrument.group]
        if not moved or instrument.id in inputs.settled or instrument.id not in marks:
            continue
        ticks = index.get(instrument.feed) or inputs.index.get(instrument.feed)
        if ticks is None:
            continue
        mark = _simulated_mark(inputs, instrument, ticks, after[instrument.group])
        if instrument.is_marked:
            paid = lots * (mark - marks[instrument.id]) * instrument.micros_per_tick
            cash[rows[instrument.cash_group]] += paid
        marks[instrument.id] = mark
    prices = tuple(replace(price, ticks=index.get(price.feed, price.ticks)) for price in inputs.prices)
    parameters = inputs.parameters  # the same object where unchanged, so that earlier arrays are reused
    if groups != parameters.groups:
        parameters = msgspec.structs.replace(parameters, groups=groups)
    return replace(inputs, marks=marks, cash=tuple(cash), prices=prices, parameters=parameters)


def _simulated_mark(inputs: MarginInputs, instrument: Instrument, index_ticks: int, group: RiskGroup) -> int:
    """As `clearing.settlement.mark_to_market.instrument_mark_at`, from frozen inputs; tests check that
    they are equal."""
    if instrument.kind is InstrumentKind.PERPETUAL:
        return perpetual_mark_ticks(index_ticks, inputs.premia[instrument.id], instrument.funding.premium_cap_ppm)
    known = inputs.known_averages.get(instrument.id)
    risk, valued_ms = inputs.parameters, inputs.arrays_time_ms
    ticks = mark_ticks(instrument, index_ticks, group, risk.rate_ppm, valued_ms, known, risk.mark_curve(group))
    if instrument.carries and instrument.averaging_ms:
        average = inputs.averages.get(instrument.id, TimeAverage())
        return expected_average_ticks(average, instrument.averaging_ms, ticks)
    return ticks


def _with_trade(inputs: MarginInputs, trade: SimulatedTrade) -> MarginInputs:
    """The trade as novation books it: against the mark, or the premium, and the fee."""
    ids = [listed.id for listed in inputs.instruments]
    if trade.instrument not in ids or trade.instrument not in inputs.marks or trade.instrument in inputs.settled:
        raise LocalFault(BaseCode.OUT_OF_RANGE, "shock.trades", instrument=trade.instrument)
    at = ids.index(trade.instrument)
    instrument, mark = inputs.instruments[at], inputs.marks[trade.instrument]
    ticks = mark if trade.ticks is None else trade.ticks
    after = inputs.lots[at] + trade.lots
    if abs(after) > POSITION_MAX or not 0 <= ticks <= INDEX_TICKS_MAX:
        raise LocalFault(BaseCode.OUT_OF_RANGE, "shock.trades", lots=after, ticks=ticks)
    received = ((mark - ticks) if instrument.is_marked else -ticks) * trade.lots * instrument.micros_per_tick
    fee = mul_div_up(abs(trade.lots) * ticks * instrument.micros_per_tick, inputs.trade_fee_ppm, PPM)
    group = [cash_group.id for cash_group in inputs.cash_groups].index(instrument.cash_group)
    cash, lots = list(inputs.cash), list(inputs.lots)
    cash[group] += received - fee
    lots[at] = after
    return replace(inputs, cash=tuple(cash), lots=tuple(lots))


def _with_deposits(inputs: MarginInputs, shock: Shock) -> MarginInputs:
    groups = {group.id: at for at, group in enumerate(inputs.cash_groups)}
    assets = {token.id: at for at, token in enumerate(inputs.listed_tokens)}
    cash, tokens = list(inputs.cash), list(inputs.tokens)
    for group, micros in sorted(shock.cash_micros.items()):
        cash[_check_listed(groups, group, "cash group")] += micros
    for asset, units in sorted(shock.token_units.items()):
        tokens[_check_listed(assets, asset, "asset")] += units
    for group, at in groups.items():
        if abs(cash[at]) > MONEY_MAX:
            raise LocalFault(BaseCode.OUT_OF_RANGE, "shock.cash", cash_group=group, micros=cash[at], most=MONEY_MAX)
    for token, at in assets.items():
        if not 0 <= tokens[at] <= MONEY_MAX:
            raise LocalFault(BaseCode.OUT_OF_RANGE, "shock.tokens", asset=token, units=tokens[at], most=MONEY_MAX)
    return replace(inputs, cash=tuple(cash), tokens=tuple(tokens))


def _check_listed(known: dict[int, T], wanted: int, kind: str) -> T:
    if wanted not in known:
        raise LocalFault(BaseCode.OUT_OF_RANGE, f"shock.{kind}", id=wanted)
    return known[wanted]


def _moved_ticks(ticks: int, ppm: int) -> int:
    return min(max(ticks * (PPM + ppm) // PPM, 1), INDEX_TICKS_MAX)


def _with_volatility(group: RiskGroup, points: int) -> RiskGroup:
    """The group's level moved by points; the levels of its smiles are fractions of it and move along."""
    moved = min(max(group.volatility_ppm + points, VOLATILITY_MIN_PPM), 100 * PPM)
    return msgspec.structs.replace(group, volatility_ppm=moved)
