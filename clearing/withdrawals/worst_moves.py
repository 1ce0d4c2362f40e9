"""Worst moves: the most that a position and collateral may still cost, for money that members keep during a default.

Rule: a price falls to nothing, or rises by the largest move up that the terms state for its risk group, in a margin or
stress scenario, and at least doubles. Prices of one portfolio do both at once. An option that is owned costs nothing
more, because its value is not counted before. A written call costs at most its underlying, a written put its strike.
Tokens fall to nothing. Micros, rounded up. A price that rises further than any scenario states is not foreseen.
"""

from collections.abc import Iterable, Mapping

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM, mul_div_up
from clearing.schema.risk.parameters import RiskParameters
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.settlement.mark_to_market import notional_micros
from clearing.state.effective_parameters import effective_parameters
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, positions_of
from clearing.state.ledger import balance, cash_currency, soft_credit_total
from clearing.state.state import State

DOUBLING_PPM = PPM


def largest_rise_ppm(parameters: RiskParameters, group_id: int) -> int:
    """The largest move up of a risk group in all scenarios, as a fraction of its index, rounded up; at least 1."""
    at = [group.id for group in parameters.groups].index(group_id)
    group = parameters.groups[at]
    rise = DOUBLING_PPM
    for scenario in (*parameters.grid(group), *(stress.moves[at] for stress in parameters.stress)):
        if scenario.move_numerator > 0:
            reach = PPM if scenario.of_index else group.range_ppm
            rise = max(rise, mul_div_up(reach, scenario.move_numerator, scenario.move_denominator))
    return rise


def largest_rises_ppm(state: State) -> dict[int, int]:
    """By risk group, its largest move up with the ranges in force."""
    parameters = effective_parameters(state)
    return {group.id: largest_rise_ppm(parameters, group.id) for group in parameters.groups}


def worst_account_loss(state: State, account: int, rises_ppm: Mapping[int, int]) -> int:
    """Micros that an account owes at the worst prices; negative: what it has even then. `rises_ppm`: of
    `largest_rises_ppm`."""
    cash = sum(balance(state, account, cash_currency(group)) for group in state.terms.cash_groups)
    owed = max(-cash, 0) if account == HOUSE_ACCOUNT else -cash
    for number, lots in positions_of(state, account).lots:
        instrument = state.terms.instruments[number]
        owed += _worst_position_loss(state, instrument, lots, rises_ppm[instrument.group])
    return owed


def worst_side_loss(state: State, own: Iterable[int], clients: Iterable[int]) -> int:
    """Micros that a member's own accounts owe together at the worst prices, and its clients each beyond what it cannot
    withdraw before. A client pays only its own debts."""
    rises = largest_rises_ppm(state)
    owed = sum(worst_account_loss(state, account, rises) for account in own)
    owed += sum(max(worst_account_loss(state, account, rises) + _may_leave(state, account), 0) for account in clients)
    return max(owed, 0)


def _may_leave(state: State, account: int) -> int:
    """Micros of cash that a defaulter's client may withdraw by its own right: above initial margin, none of it lent. 0
    for a client without a key."""
    record = state.accounts.get(account)
    if record is None or not any(record.key):
        return 0
    cash = sum(max(balance(state, account, cash_currency(group)), 0) for group in state.terms.cash_groups)
    margin = holdings_margin(current_arrays(state), current_holdings(state, account))
    return max(min(cash, margin.equity - margin.initial - soft_credit_total(state, account)), 0)


def _worst_position_loss(state: State, instrument: Instrument, lots: int, rise_ppm: int) -> int:
    feed, mark = state.feeds.get(instrument.feed), state.marks.get(instrument.id)
    index = feed.ticks if feed is not None else 0
    if instrument.is_option:
        if lots > 0:
            return 0
        risen = mul_div_up(index, PPM + rise_ppm, PPM)
        return notional_micros(
            instrument, lots, risen if instrument.kind is InstrumentKind.CALL else instrument.strike_ticks
        )
    price = max(index, mark.ticks if mark is not None else 0)
    return notional_micros(instrument, lots, price if lots > 0 else mul_div_up(price, rise_ppm, PPM))
