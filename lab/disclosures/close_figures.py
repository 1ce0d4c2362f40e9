"""Figures of the state at a day's close: collateral, margin required and held, rates, parameters, client positions.

Rule: participants' accounts only. Collateral that counts rounds down, before haircut up; a rate rounds up.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from clearing.base.ids import HOUSE_MEMBER
from clearing.base.units import PPM, mul_div_up
from clearing.pricing.value_after_haircut import unit_value_after_haircut, value_before_haircut_up
from clearing.schema.records.prices import FeedStatus
from clearing.schema.terms.default import default_blocks_max
from clearing.schema.terms.genesis import MEMBER_ACCOUNTS_MAX, AccountKind
from clearing.state.effective_parameters import effective_assets, effective_parameters
from clearing.state.holdings import Holdings, current_arrays, holdings_margin, margin_book
from clearing.state.ledger import balance, cash_currency, inventory_units, token_currency
from clearing.state.state import State

RATE_LOTS = 1_000
HOUSE, CLIENT, TOTAL = "house", "client_gross", "total"
Value = tuple[str, int, str]
"""(item, value, unit)."""


@dataclass(frozen=True, slots=True)
class Participants:
    """Accounts of members, the house's left out."""

    own: tuple[int, ...]
    clients: tuple[int, ...]


def participants(state: State) -> Participants:
    """All of them, ordered."""
    own: list[int] = []
    clients: list[int] = []
    for account, record in state.accounts.ordered():
        if account < MEMBER_ACCOUNTS_MAX and record.member != HOUSE_MEMBER:
            (clients if record.kind is AccountKind.CLIENT else own).append(account)
    return Participants(tuple(own), tuple(clients))


def margin_required(state: State) -> Iterator[Value]:
    """6.1.1."""
    book, found = margin_book(state), participants(state)
    sums = []
    for name, accounts in ((HOUSE, found.own), (CLIENT, found.clients)):
        known = [account for account in accounts if account in book]
        sums.append(sum(book.margins(known).initial.tolist()) if known else 0)
        yield name, sums[-1], "micros"
    yield TOTAL, sum(sums), "micros"


def margin_held(state: State) -> Iterator[Value]:
    """6.2: cash above zero, tokens before and after haircut; tokens without a price count for nothing."""
    found = participants(state)
    for name, accounts in ((HOUSE, found.own), (CLIENT, found.clients)):
        for group in state.terms.genesis.cash_groups:
            cash = sum(max(balance(state, account, cash_currency(group.id)), 0) for account in accounts)
            yield f"{name}/{group.name}", cash, "micros"
        for token in effective_assets(state):
            units = sum(balance(state, account, token_currency(token.id)) for account in accounts)
            feed = state.feeds.get(token.feed)
            ticks = feed.ticks if feed is not None and feed.status != FeedStatus.UNOPENED else 0
            yield f"{name}/{token.name}/before_haircut", value_before_haircut_up(token, units, ticks), "micros"
            yield f"{name}/{token.name}/after_haircut", units * unit_value_after_haircut(token, ticks), "micros"


def margin_rates(state: State) -> Iterator[Value]:
    """6.3.1: of every instrument with a mark that is not settled."""
    terms, arrays = state.terms, current_arrays(state)
    for instrument, mark in state.marks.ordered():
        if mark.settled or not mark.ticks or instrument not in terms.instruments:
            continue
        notional = RATE_LOTS * mark.ticks * terms.instruments[instrument].micros_per_tick
        for name, lots in (("long", RATE_LOTS), ("short", -RATE_LOTS)):
            alone = Holdings([0] * len(terms.cash_groups), [0] * len(terms.tokens), [0] * len(terms.instruments))
            alone.lots[terms.array_index[instrument]] = lots
            rate = mul_div_up(holdings_margin(arrays, alone).initial, PPM, notional)
            yield f"{terms.instruments[instrument].name}/{name}", rate, "ppm"


def model_parameters(state: State) -> Iterator[Value]:
    """6.4."""
    ranges, risk = state.terms.genesis.ranges, effective_parameters(state)
    yield "scenarios_by_group", max(len(risk.grid(group)) for group in risk.groups) if risk.groups else 0, "count"
    yield "maintenance", risk.maintenance_numerator * PPM // risk.maintenance_denominator, "ppm"
    yield "confidence", ranges.confidence_ppm, "ppm"
    yield "lookback", ranges.window, "observations"
    yield "observation_interval", ranges.interval_ms, "ms"
    yield "close_out_period", ranges.horizon_ms, "ms"
    yield "decay", ranges.decay_ppm, "ppm"
    yield "procyclicality_buffer", ranges.buffer_ppm, "ppm"
    yield "stress_weight", ranges.stress_weight_ppm, "ppm"
    yield "joint_scenarios", len(risk.joint.scenarios), "count"
    for group in risk.groups:
        yield f"range/{group.name}", group.range_ppm, "ppm"
        yield f"volatility_range/{group.name}", group.volatility_range_ppm, "ppm"


def close_out_period(state: State) -> Iterator[Value]:
    """4.4.2."""
    yield "close_out_period", state.terms.genesis.ranges.horizon_ms, "ms"
    yield "default_lasts_at_most", default_blocks_max(state.terms.crisis.default), "blocks"


def eligible_assets(state: State) -> Iterator[Value]:
    """5.1.1."""
    for asset in state.terms.genesis.assets:
        if asset.is_cash and asset.id not in {token.id for token in state.terms.tokens}:
            yield asset.name, 0, "ppm"
    for token in effective_assets(state):
        yield token.name, token.haircut_ppm, "ppm"


def fund_assets(state: State) -> Iterator[Value]:
    """5.2.1."""
    for asset in state.terms.genesis.assets:
        if asset.is_cash and asset.cash_group == state.terms.crisis.fund.cash_group:
            yield asset.name, 0, "ppm"


def liquid_resources(state: State) -> Iterator[Value]:
    """7.1: inventory of cash tokens by vault."""
    for asset in state.terms.genesis.assets:
        if asset.is_cash:
            yield asset.name, max(inventory_units(state, asset), 0), "units"


def client_positions(state: State) -> Iterator[Value]:
    """14.1.1."""
    notional = 0
    for account in participants(state).clients:
        book = state.books.get(account)
        for instrument, lots in book.lots if book is not None else ():
            mark = state.marks.get(instrument)
            notional += abs(lots) * (mark.ticks if mark else 0) * state.terms.instruments[instrument].micros_per_tick
    yield "notional", notional, "micros"
    yield "share", PPM if notional else 0, "ppm"
