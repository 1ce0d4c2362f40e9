"""Figures of the state at a day's close: collateral, margin required and held, rates, liquidity, client positions.

Rule: participants' accounts only. Collateral that counts rounds down, before haircut up; a rate rounds up.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from clearing.base.ids import HOUSE_MEMBER
from clearing.base.units import PPM, mul_div_up
from clearing.pricing.value_after_haircut import unit_value_after_haircut, value_before_haircut_up
from clearing.schema.records.prices import FeedStatus
from clearing.schema.terms.genesis import MEMBER_ACCOUNTS_MAX, AccountKind
from clearing.state.effective_parameters import effective_assets
from clearing.state.holdings import Holdings, current_arrays, holdings_margin, margin_book
from clearing.state.ledger import balance, cash_currency, inventory_units, token_currency
from clearing.state.state import State

RATE_LOTS = 1_000
HOUSE, CLIENT, TOTAL = "house_net", "client_gross", "total"
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
    """6.2.14: the sums of 6.2.15, then cash above zero and tokens; tokens without a price count for nothing."""
    details = tuple(_held_by_asset(state))
    yield from _sums_held(details)
    for who, name, before, after in details:
        yield f"{who}/{name}/pre_haircut", before, "micros"
        yield f"{who}/{name}/post_haircut", after, "micros"


def total_margin_held(state: State) -> Iterator[Value]:
    """6.2.15."""
    yield from _sums_held(tuple(_held_by_asset(state)))


def _sums_held(details: tuple[tuple[str, str, int, int], ...]) -> Iterator[Value]:
    for name, counted in (("house_im", ("house",)), ("client_im", ("client",)), ("total_im", ("house", "client"))):
        yield f"{name}_pre_haircut", sum(before for who, _, before, _ in details if who in counted), "micros"
        yield f"{name}_post_haircut", sum(after for who, _, _, after in details if who in counted), "micros"


def _held_by_asset(state: State) -> Iterator[tuple[str, str, int, int]]:
    """(house or client, cash group or token, micros before and after haircut)."""
    found = participants(state)
    for who, accounts in (("house", found.own), ("client", found.clients)):
        for group in state.terms.genesis.cash_groups:
            cash = sum(max(balance(state, account, cash_currency(group.id)), 0) for account in accounts)
            yield who, group.name, cash, cash
        for token in effective_assets(state):
            units = sum(balance(state, account, token_currency(token.id)) for account in accounts)
            feed = state.feeds.get(token.feed)
            ticks = feed.ticks if feed is not None and feed.status != FeedStatus.UNOPENED else 0
            after = units * unit_value_after_haircut(token, ticks)
            yield who, token.name, value_before_haircut_up(token, units, ticks), after


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
    """7.1.9: inventory of cash tokens together and by vault; a unit of a cash token is credited as a micro."""
    found = [
        (asset.name, max(inventory_units(state, asset), 0)) for asset in state.terms.genesis.assets if asset.is_cash
    ]
    yield TOTAL, sum(units for _, units in found), "micros"
    for name, units in found:
        yield name, units, "units"


def client_positions(state: State) -> Iterator[Value]:
    """14.1.1."""
    notional = 0
    for account in participants(state).clients:
        book = state.books.get(account)
        for instrument, lots in book.lots if book is not None else ():
            mark = state.marks.get(instrument)
            notional += abs(lots) * (mark.ticks if mark else 0) * state.terms.instruments[instrument].micros_per_tick
    yield "share", PPM if notional else 0, "ppm"
    yield "notional", notional, "micros"
