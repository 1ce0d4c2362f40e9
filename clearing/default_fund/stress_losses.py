"""Stress losses of all members: the shortfall of accounts in every stress scenario, which sizes the default fund.

Rule: cash beyond initial margin does not count, because it may leave. So the result is never less than the shortfall in
a statement. It equals `stressed_equity` of each account: in 64 bits where no sum can overflow, otherwise one by one.
Linear in the accounts, once an epoch. It decides nothing.
"""

from collections.abc import Sequence

import numpy as np

from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.default_fund.cover_rules import StressNeeds
from clearing.margin.statement.stress import StressArrays, stressed_equity
from clearing.state.account_margins import margin_book
from clearing.state.effective_parameters import current_rulebook
from clearing.state.holdings import Holdings, current_holdings
from clearing.state.state import State

RECEIPT_MICROS_MAX = 2**61
"""Cap on reported figures: twice as much fits into 63 bits, and no group's cash reaches half of it."""


def stress_needs(state: State, contributing: tuple[int, ...], group: int) -> StressNeeds:
    """Members' shortfalls in each scenario, what the house bears first, and margins of the `contributing` members.

    `group`: the cash group of the contributions; 0: none.
    """
    stress, book = current_rulebook(state).stress(), margin_book(state)
    # The book may still contain accounts that were emptied and closed since it was built.
    accounts = [account for account in book.accounts() if account in state.accounts]
    batch = book.margins(accounts)
    margins = {member: 0 for member in contributing if member != HOUSE_MEMBER}
    risky: list[tuple[int, int, Holdings]] = []
    for account, equity, initial in zip(accounts, batch.equity.tolist(), batch.initial.tolist(), strict=True):
        member = state.accounts[account].member
        if member in margins:
            margins[member] = min(margins[member] + initial, RECEIPT_MICROS_MAX)
        own = current_holdings(state, account)
        # An account without positions and debts has no shortfall: tokens are never worth less than zero.
        if any(own.lots) or any(cash < 0 for cash in own.cash):
            risky.append((member, min(max(equity - initial, 0), _fund_cash(state, own, group)), own))
    shortfalls: dict[int, list[int]] = {}
    equities = stressed_equities(stress, [own for _, _, own in risky])
    for (member, free, _), stressed in zip(risky, equities, strict=True):
        found = [max(0, free - equity) for equity in stressed]
        before = shortfalls.get(member, [0] * len(found))
        shortfalls[member] = [min(a + b, RECEIPT_MICROS_MAX) for a, b in zip(before, found, strict=True)]
    return StressNeeds(
        shortfalls=tuple(
            (name, {member: losses[at] for member, losses in sorted(shortfalls.items())})
            for at, name in enumerate(stress.names)
        ),
        house_micros=house_fund_micros(state, stress),
        margins=margins,
    )


def house_fund_micros(state: State, stress: StressArrays) -> int:
    """What the house's own account bears: at most its cash, and at most its equity in the worst scenario.

    Nor more than it bears of one default: the risk parameters of a statement may name more.
    """
    own, default = current_holdings(state, HOUSE_ACCOUNT), state.terms.crisis.default
    equity = stressed_equity(stress, own.cash, own.tokens, own.lots)
    named = state.terms.risk.default_fund_micros
    if default.enabled:
        named = min(named, default.house_capital_micros)
    return max(0, min(named, sum(own.cash), *equity))


def _fund_cash(state: State, holdings: Holdings, group: int) -> int:
    """The account's own cash of the fund's group."""
    return max(holdings.cash[state.terms.cash_groups.index(group)], 0) if group else 0


_INT64_SAFE = 2**62


def stressed_equities(stress: StressArrays, holdings: Sequence[Holdings]) -> list[list[int]]:
    """Stressed equity [n][S] in micros, in the order of `holdings`."""
    if not holdings or not _fits_int64(stress, holdings):
        return [stressed_equity(stress, own.cash, own.tokens, own.lots) for own in holdings]
    cash = np.array([sum(own.cash) for own in holdings], np.int64)
    equity = cash[:, None] + np.zeros((1, len(stress.names)), np.int64)
    for values, amounts in (
        (stress.tokens, [own.tokens for own in holdings]),
        (stress.instruments, [own.lots for own in holdings]),
    ):
        if values and values[0]:
            equity += np.array(amounts, np.int64) @ np.array(values, np.int64).T
    found: list[list[int]] = equity.tolist()
    return found


def _fits_int64(stress: StressArrays, holdings: Sequence[Holdings]) -> bool:
    """Whether the sum of the largest of every term stays far inside 64 bits."""
    bound = max(sum(map(abs, own.cash)) for own in holdings)
    for values, amounts in (
        (stress.tokens, [own.tokens for own in holdings]),
        (stress.instruments, [own.lots for own in holdings]),
    ):
        columns = zip(zip(*values, strict=True), zip(*amounts, strict=True), strict=True)
        bound += sum(max(map(abs, of_value)) * max(map(abs, of_amount)) for of_value, of_amount in columns)
    return bound < _INT64_SAFE
