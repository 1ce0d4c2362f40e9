"""Whose accounts are whose: a member's own and its clients', told apart.

Rule: one pass over all accounts, for what happens seldom. It must not know what is in them.
"""

from clearing.accounts.kinds import AccountKind
from clearing.genesis import MEMBER_ACCOUNTS_MAX
from clearing.state.state import State


def accounts_by_member(state: State) -> dict[int, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Own accounts and clients' of every member that has any, each ordered."""
    found: dict[int, tuple[list[int], list[int]]] = {}
    for account, record in state.accounts.ordered():
        if account < MEMBER_ACCOUNTS_MAX:
            found.setdefault(record.member, ([], []))[record.kind is AccountKind.CLIENT].append(account)
    return {member: (tuple(own), tuple(clients)) for member, (own, clients) in found.items()}


def own_accounts_by_member(state: State) -> dict[int, tuple[int, ...]]:
    """Own accounts of every member that has one, ordered."""
    return {member: own for member, (own, _) in accounts_by_member(state).items() if own}
