"""The house as a principal: what it keeps apart, and how much it may take over.

Rule: the house keeps its stated capital above the initial margin of its inventory. A takeover beyond a limit is only
taken as far as it fits, or where it brings the house closer to the limit. It must not know what becomes of the rest.
"""

from typing import NamedTuple

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.base.units import mul_div_up
from clearing.context.member_status import member_status
from clearing.context.unresolved_losses import defaults_under_way
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.records.default import MemberStatus
from clearing.state.holdings import Holdings, current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import asset_of_currency, balance
from clearing.state.state import State

PARTS = 1_024
"""A takeover is cut to a multiple of this fraction of it."""


class TakenLots(NamedTuple):
    """Signed lots that the house is to take over, and what they are worth at the mark in cash: an option's value."""

    instrument: int
    lots: int
    value: int


def kept_apart(state: State) -> int:
    """Micros that the house keeps above its initial margin: its stated capital, or its part of all open defaults where
    that is more. 0 where nothing is ring-fenced."""
    crisis = state.terms.crisis
    if not crisis.house.capital_micros:
        return 0
    under_way = sum(default.member != HOUSE_MEMBER for _, default in defaults_under_way(state))
    return max(crisis.house.capital_micros, crisis.default.house_capital_micros * under_way)


def check_ring_fence(state: State, at: str, after: Holdings, leaving: tuple[int, int]) -> Rejected | None:
    """Whether the house, with the holdings `after` (currency, units) have left it, keeps what it must."""
    currency, units = leaving
    owed = recoverable_units(state, currency)
    if owed and balance(state, HOUSE_ACCOUNT, currency) - units < owed:
        return reject(ClearingCode.RECOVERY_OWED, at, asset=asset_of_currency(currency), units=units, owed=owed)
    kept = kept_apart(state)
    if kept:
        margin = holdings_margin(current_arrays(state), after)
        if margin.equity - margin.initial < kept:
            return reject(ClearingCode.RING_FENCED, at, equity=margin.equity, initial=margin.initial, kept=kept)
    return None


def recoverable_units(state: State, currency: int) -> int:
    """Units of a token that the house has for the payers of defaults."""
    tokens = (token for _, record in state.recoveries.ordered() for token in record.tokens)
    return sum(token.units for token in tokens if asset_of_currency(currency) == token.asset)


def is_house_in_default(state: State) -> bool:
    """Whether a default of the house is under way."""
    return member_status(state, HOUSE_MEMBER) is MemberStatus.DEFAULTING


def has_limits(state: State) -> bool:
    """Whether genesis limits what the house takes over."""
    house = state.terms.crisis.house
    return bool(house.covers_margin or house.inventory_margin_max or house.inventory_notional_max)


def house_excess(state: State, taken: tuple[TakenLots, ...]) -> tuple[tuple[int, int], ...]:
    """(instrument, lots) of a takeover that are beyond the house's limits; empty where all of it fits.

    The house keeps the same share of every position, lots rounded down; the share is found by bisection. In default it
    takes nothing.
    """
    if is_house_in_default(state):
        return tuple((each.instrument, each.lots) for each in taken)
    if not has_limits(state) or not taken:
        return ()
    before = current_holdings(state, HOUSE_ACCOUNT)
    limits = _measures(state, before)
    fits, too_many = 0, PARTS + 1
    while too_many - fits > 1:
        middle = PARTS if fits == 0 and too_many == PARTS + 1 else (fits + too_many) // 2
        if _fits(state, limits, _after_takeover(state, before, taken, middle)):
            fits = middle
        else:
            too_many = middle
    excess = ((each.instrument, each.lots - _part(each.lots, fits)) for each in taken)
    return tuple((instrument, lots) for instrument, lots in excess if lots)


def _part(lots: int, parts: int) -> int:
    """A number of lots as a share, rounded towards zero."""
    size = abs(lots) * parts // PARTS
    return size if lots > 0 else -size


def _after_takeover(state: State, before: Holdings, taken: tuple[TakenLots, ...], parts: int) -> Holdings:
    after = before.copy()
    for each in taken:
        listed, kept = state.terms.instruments[each.instrument], _part(each.lots, parts)
        after.lots[state.terms.array_index[each.instrument]] += kept
        # What is paid rounds up, what is received down.
        after.cash[state.terms.cash_groups.index(listed.cash_group)] -= mul_div_up(
            each.value, abs(kept), abs(each.lots)
        )
    return after


def _measures(state: State, holdings: Holdings) -> tuple[int, ...]:
    """What is limited: missing margin, initial margin of the positions alone, their notional."""
    house, arrays = state.terms.crisis.house, current_arrays(state)
    missing = inventory = notional = 0
    if house.covers_margin:
        margin = holdings_margin(arrays, holdings)
        missing = max(margin.initial + kept_apart(state) - margin.equity, 0)
    if house.inventory_margin_max:
        alone = Holdings([0] * len(holdings.cash), [0] * len(holdings.tokens), list(holdings.lots))
        inventory = holdings_margin(arrays, alone).initial
    if house.inventory_notional_max:
        for instrument, lots in zip(state.terms.instruments.values(), holdings.lots, strict=True):
            if lots:
                notional += abs(lots) * state.marks[instrument.id].ticks * instrument.micros_per_tick
    return missing, inventory, notional


def _fits(state: State, before: tuple[int, ...], after: Holdings) -> bool:
    house = state.terms.crisis.house
    limits = (0, house.inventory_margin_max, house.inventory_notional_max)
    return all(now <= max(limit, was) for limit, was, now in zip(limits, before, _measures(state, after), strict=True))
