"""Unresolved losses and available resources: what nobody has borne yet, and what accounts can pay with.

Rule: read off the ledger, so never more than what is really missing; nothing is moved. Cash counts at par, tokens at
their value after haircut at the last price. Within a block an account is looked at again only when its money has
moved. This module must not know who will bear a loss.
"""

from bisect import bisect_left
from collections.abc import Sequence

from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.schema.records.default import DefaultCounters, DefaultRecord
from clearing.schema.transfers import Transfer
from clearing.state.holdings import current_arrays
from clearing.state.ledger import balance, cash_currency, token_currency
from clearing.state.state import State

NO_DEFAULTS = DefaultCounters(0)


def defaults_under_way(state: State) -> tuple[tuple[int, DefaultRecord], ...]:
    """Numbers and records of the defaults that have not ended, in order of declaration."""
    clock = state.default_counters.get(0) or NO_DEFAULTS
    return tuple((number, state.defaults[number]) for number in clock.open)


class UnresolvedLosses:
    """Of one block: what was found of each account and each default, as long as nothing about it has changed."""

    def __init__(self) -> None:
        self._arrays: RiskArrays | None = None
        self._seen = 0
        """Transfers of the block that were looked at."""
        self._beyond: dict[int, int] = {}
        self._missing: dict[int, tuple[DefaultRecord, int]] = {}
        self._default_of: dict[int, int] = {}

    def micros(self, state: State, transfers: Sequence[Transfer]) -> int:
        """As `unresolved_micros`; `transfers`: all of the block so far."""
        self._forget(state, transfers)
        whole = 0
        for number, default in defaults_under_way(state):
            known = self._missing.get(number)
            if known is None or known[0] is not default:
                known = self._missing[number] = (default, self._look(state, number, default))
            whole += known[1]
        return whole

    def _forget(self, state: State, transfers: Sequence[Transfer]) -> None:
        """Drop what is known of accounts whose money has moved, or of all when tokens are worth something else."""
        arrays = current_arrays(state)
        if arrays is not self._arrays:
            self._arrays = arrays
            self._beyond.clear()
            self._missing.clear()
        for moved in transfers[self._seen :]:
            for account in (moved.debit, moved.credit):
                if self._beyond.pop(account, None) is not None:
                    self._missing.pop(self._default_of[account], None)
        self._seen = len(transfers)

    def _look(self, state: State, number: int, default: DefaultRecord) -> int:
        """A client pays its own debts only, the member's own accounts pay all that is left."""
        for account in (*default.own_accounts, *default.client_accounts):
            if account not in self._beyond:
                self._beyond[account] = net_owed(state, account)
            self._default_of[account] = number
        clients = sum(max(self._beyond[client], 0) for client in default.client_accounts)
        return max(sum(self._beyond[account] for account in default.own_accounts) + clients, 0)


def unresolved_micros(state: State) -> int:
    """What defaulters and their clients owe in cash, all groups together, beyond what they have to pay it with.

    Else somebody could owe in one group what it has in another, or in collateral, and hold everybody's money back.
    """
    return UnresolvedLosses().micros(state, ())


def resolution_deadline(state: State) -> int:
    """By the block of this height every default under way has ended; 0 when none is."""
    return max((default.deadline_height for _, default in defaults_under_way(state)), default=0)


def outstanding_assessment(state: State, member: int) -> int:
    """What a member was assessed and has not brought yet, for all defaults together."""
    return sum(_assessed_micros(default.assessed, member) for _, default in defaults_under_way(state))


def _assessed_micros(assessed: tuple[tuple[int, int], ...], member: int) -> int:
    """Micros of one member; `assessed` is in order of members."""
    at = bisect_left(assessed, (member, 0))
    return assessed[at][1] if at < len(assessed) and assessed[at][0] == member else 0


def available_resources(state: State, accounts: tuple[int, ...]) -> int:
    """Micros of positive cash, and of tokens at their value after haircut."""
    return sum(_positive_cash(state, account) + _token_value(state, account) for account in accounts)


def account_deficits(state: State, accounts: tuple[int, ...]) -> tuple[tuple[int, int, int], ...]:
    """(account, cash group, micros owed) of those that owe, in order of account and group."""
    found = []
    for account in accounts:
        for group in state.terms.cash_groups:
            owed = -balance(state, account, cash_currency(group))
            if owed > 0:
                found.append((account, group, owed))
    return tuple(found)


def net_owed(state: State, account: int) -> int:
    """What an account owes beyond what it has; negative: what it has beyond that."""
    return sum(micros for _, _, micros in account_deficits(state, (account,))) - available_resources(state, (account,))


def _positive_cash(state: State, account: int) -> int:
    return sum(max(balance(state, account, cash_currency(group)), 0) for group in state.terms.cash_groups)


def _token_value(state: State, account: int) -> int:
    values = current_arrays(state).token_values.tolist()
    listed = zip(state.terms.tokens, values, strict=True)
    return sum(value * balance(state, account, token_currency(token.id)) for token, value in listed)
