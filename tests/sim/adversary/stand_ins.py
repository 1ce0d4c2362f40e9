"""What takes the place of functions of the product while a rule that no genesis switches off is off.

Rule: a stand-in does what the rulebook did before it had the rule. It is put into every module that imported the
function, in the process that plays.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch

from clearing.base.units import MONEY_MAX
from clearing.context.block_context import BlockContext
from clearing.default.declaration import cash_above_initial
from clearing.default.deleveraging import option_value
from clearing.default.variation_gains import gains_since, record_position_changes
from clearing.schema.receipts.default import PositionsTornUp
from clearing.schema.records.default import DefaultRecord
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import position_lots
from clearing.state.indexes import INSTRUMENT_HOLDERS, holders
from clearing.state.ledger import cash_currency
from clearing.state.state import State

StandIn = tuple[str, Callable[..., Any]]
"""The function of the product, as module:name, and what takes its place."""


def nobody_is_insolvent(state: State) -> int:
    """An account without equity arms no reserve before its member's default is declared."""
    return 0


def free_cash_only(context: BlockContext, accounts: list[int]) -> dict[int, int]:
    """Gains are cut from cash above initial margin alone."""
    return {account: cash_above_initial(context.state, account) for account in accounts}


def nothing_received(state: State, height: int, column: int) -> dict[int, int]:
    """What trades away from the mark, swaps and own transfers passed on is no gain."""
    return {}


def no_gains_reserve(context: BlockContext, account: int) -> int:
    """Gains that may have to bear a loss do not stay."""
    return 0


def claims_stay(context: BlockContext, number: int, default: DefaultRecord) -> tuple[()]:
    """No claim is cut: the house owes what is left, and who withdraws first is paid."""
    return ()


def nobody_checks(context: BlockContext, number: int, default: DefaultRecord) -> None:
    """A default may end with a loss that nobody bore."""


def tear_up_all(context: BlockContext, number: int, default: DefaultRecord, accounts: list[int]) -> None:
    """Where a gains haircut had payers, everything ends in the instruments in which the defaulter lost."""
    if not accounts:
        return
    record_position_changes(context)
    of_default = (*default.own_accounts, *default.client_accounts)
    since = gains_since(context.state, default.last_margined_height, default.last_margined_marks)
    for instrument, gains in since.items():
        if sum(gains.get(account, 0) for account in of_default) < 0 and not context.state.marks[instrument].settled:
            _tear_up(context, number, instrument)


def _tear_up(context: BlockContext, number: int, instrument: int) -> None:
    value, currency = option_value(context, instrument), cash_currency(context.terms.instruments[instrument].cash_group)
    accounts = holders(context.state, INSTRUMENT_HOLDERS, instrument)
    closed = [(account, position_lots(context.state, account, instrument)) for account in accounts]
    for account, lots in closed:
        context.positions.add(account, instrument, -lots)
        context.touched_accounts.add(account)
    amounts = [(account, lots * value) for account, lots in closed]
    context.journal.settle_amounts(amounts, currency, TransferCode.TORN_UP, instrument)
    ended = tuple((account, lots, lots * value) for account, lots in closed)
    ticks = context.state.marks[instrument].ticks
    loss = min(context.state.defaults[number].loss, MONEY_MAX)
    context.receipts.append(PositionsTornUp(number, instrument, ticks, ended, loss))


@contextmanager
def standing_in(stand_ins: Iterable[StandIn]) -> Iterator[None]:
    """Puts these in everywhere in this process."""
    with ExitStack() as stack:
        for name, stand_in in stand_ins:
            for place in _places(name):
                stack.enter_context(patch(place, stand_in))
        yield


@cache
def _places(name: str) -> tuple[str, ...]:
    """Every module of the product that has the function under its name, as patch names it."""
    function, short = resolve_name(name), name.split(":")[1]
    modules = sorted(each for each in sys.modules if each.split(".")[0] == "clearing")
    return tuple(f"{each}.{short}" for each in modules if getattr(sys.modules[each], short, None) is function)
