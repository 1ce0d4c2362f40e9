"""What defaults have not resolved yet: how much is owed that nobody has borne, and by when somebody will have.

Rule: read off the ledger, so never more than what is really missing. It must not know who will bear it.
"""

from clearing.default.estate import available
from clearing.default.records import DefaultClock, DefaultHeld
from clearing.ledger import balance, cash_currency
from clearing.state.state import State

NO_DEFAULTS = DefaultClock(0)


def defaults_under_way(state: State) -> tuple[tuple[int, DefaultHeld], ...]:
    """Numbers and records of the defaults that have not ended, in order of declaration."""
    clock = state.default_clock.get(0) or NO_DEFAULTS
    return tuple((number, state.defaults[number]) for number in clock.under_way)


def unresolved_micros(state: State) -> int:
    """What defaulters and their clients owe in cash, all groups together, beyond what they have to pay it with.

    Else somebody could owe in one group what it has in another, or in collateral, and hold everybody's money back.
    """
    return sum(_missing(state, held) for _, held in defaults_under_way(state))


def _missing(state: State, held: DefaultHeld) -> int:
    """Of one default: a client pays its own debts only, the member's own accounts pay all that is left."""
    clients = sum(max(_beyond(state, (client,)), 0) for client in held.clients)
    return max(_beyond(state, held.own) + clients, 0)


def _beyond(state: State, accounts: tuple[int, ...]) -> int:
    return sum(micros for _, _, micros in deficits_of(state, accounts)) - available(state, accounts)


def deadline_height(state: State) -> int:
    """By the block of this height every default under way has ended; 0 when none is."""
    return max((held.deadline_height for _, held in defaults_under_way(state)), default=0)


def assessed_now(state: State, member: int) -> int:
    """What a member was assessed and has not brought yet, for all defaults together."""
    return sum(dict(held.assessed).get(member, 0) for _, held in defaults_under_way(state))


def deficits_of(state: State, accounts: tuple[int, ...]) -> tuple[tuple[int, int, int], ...]:
    """(account, cash group, micros owed) of those that owe, in order of account and group."""
    found = []
    for account in accounts:
        for group in state.terms.cash_groups:
            owed = -balance(state, account, cash_currency(group))
            if owed > 0:
                found.append((account, group, owed))
    return tuple(found)
