"""What defaults have not resolved yet: how much is owed that nobody has borne, and by when somebody will have.

Rule: read off the ledger, so never more than what is really missing. It must not know who will bear it.
"""

from clearing.default.records import DefaultClock, DefaultHeld
from clearing.ledger import balance, cash_currency
from clearing.state.state import State

NO_DEFAULTS = DefaultClock(0)


def defaults_under_way(state: State) -> tuple[tuple[int, DefaultHeld], ...]:
    """Numbers and records of the defaults that have not ended, in order of declaration."""
    clock = state.default_clock.get(0) or NO_DEFAULTS
    return tuple((number, state.defaults[number]) for number in clock.under_way)


def unresolved_micros(state: State) -> int:
    """What defaulters and their clients owe in cash, all groups together, that has not been borne yet."""
    return sum(
        sum(micros for _, _, micros in deficits_of(state, (*held.own, *held.clients)))
        for _, held in defaults_under_way(state)
    )


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
