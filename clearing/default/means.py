"""What accounts have to pay with, and what they owe beyond that: read off the ledger, nothing is moved.

Rule: cash counts at par, tokens at their value after haircut, at the last price there was. It must not know who pays
for whom, nor what a block has done so far.
"""

from clearing.holdings import arrays_of
from clearing.ledger import balance, cash_currency, token_currency
from clearing.state.state import State


def available(state: State, accounts: tuple[int, ...]) -> int:
    """Micros of positive cash, and of tokens at their value after haircut."""
    return sum(_cash(state, account) + _tokens(state, account) for account in accounts)


def deficits_of(state: State, accounts: tuple[int, ...]) -> tuple[tuple[int, int, int], ...]:
    """(account, cash group, micros owed) of those that owe, in order of account and group."""
    found = []
    for account in accounts:
        for group in state.terms.cash_groups:
            owed = -balance(state, account, cash_currency(group))
            if owed > 0:
                found.append((account, group, owed))
    return tuple(found)


def owed_beyond(state: State, account: int) -> int:
    """What an account owes beyond what it has; negative: what it has beyond that."""
    return sum(micros for _, _, micros in deficits_of(state, (account,))) - available(state, (account,))


def _cash(state: State, account: int) -> int:
    return sum(max(balance(state, account, cash_currency(group)), 0) for group in state.terms.cash_groups)


def _tokens(state: State, account: int) -> int:
    values = arrays_of(state).token_values.tolist()
    listed = zip(state.terms.tokens, values, strict=True)
    return sum(value * balance(state, account, token_currency(token.id)) for token, value in listed)
