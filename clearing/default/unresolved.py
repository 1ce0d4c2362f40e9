"""What defaults have not resolved yet: how much is owed that nobody has borne, and by when somebody will have.

Rule: read off the ledger, so never more than what is really missing. Within a block an account is looked at again only
when money of it has moved: a defaulter may have many clients, and every withdrawal asks. It must not know who will bear
it.
"""

from bisect import bisect_left
from collections.abc import Sequence

from clearing.default.means import owed_beyond
from clearing.default.records import DefaultClock, DefaultHeld
from clearing.holdings import arrays_of
from clearing.margin.arrays import RiskArrays
from clearing.state.state import State
from clearing.transfers import Transfer

NO_DEFAULTS = DefaultClock(0)


def defaults_under_way(state: State) -> tuple[tuple[int, DefaultHeld], ...]:
    """Numbers and records of the defaults that have not ended, in order of declaration."""
    clock = state.default_clock.get(0) or NO_DEFAULTS
    return tuple((number, state.defaults[number]) for number in clock.under_way)


class Unresolved:
    """Of one block: what was found of each account and each default, as long as nothing about it has changed."""

    def __init__(self) -> None:
        self._arrays: RiskArrays | None = None
        self._seen = 0
        """Transfers of the block that were looked at."""
        self._beyond: dict[int, int] = {}
        self._missing: dict[int, tuple[DefaultHeld, int]] = {}
        self._default_of: dict[int, int] = {}

    def micros(self, state: State, transfers: Sequence[Transfer]) -> int:
        """As `unresolved_micros`; `transfers`: all of the block so far."""
        self._forget(state, transfers)
        whole = 0
        for number, held in defaults_under_way(state):
            known = self._missing.get(number)
            if known is None or known[0] is not held:
                known = self._missing[number] = (held, self._look(state, number, held))
            whole += known[1]
        return whole

    def _forget(self, state: State, transfers: Sequence[Transfer]) -> None:
        """Drop what is known of accounts whose money has moved, or of all when tokens are worth something else."""
        arrays = arrays_of(state)
        if arrays is not self._arrays:
            self._arrays = arrays
            self._beyond.clear()
            self._missing.clear()
        for moved in transfers[self._seen :]:
            for account in (moved.debit, moved.credit):
                if self._beyond.pop(account, None) is not None:
                    self._missing.pop(self._default_of[account], None)
        self._seen = len(transfers)

    def _look(self, state: State, number: int, held: DefaultHeld) -> int:
        """A client pays its own debts only, the member's own accounts pay all that is left."""
        for account in (*held.own, *held.clients):
            if account not in self._beyond:
                self._beyond[account] = owed_beyond(state, account)
            self._default_of[account] = number
        clients = sum(max(self._beyond[client], 0) for client in held.clients)
        return max(sum(self._beyond[account] for account in held.own) + clients, 0)


def unresolved_micros(state: State) -> int:
    """What defaulters and their clients owe in cash, all groups together, beyond what they have to pay it with.

    Else somebody could owe in one group what it has in another, or in collateral, and hold everybody's money back.
    """
    return Unresolved().micros(state, ())


def deadline_height(state: State) -> int:
    """By the block of this height every default under way has ended; 0 when none is."""
    return max((held.deadline_height for _, held in defaults_under_way(state)), default=0)


def assessed_now(state: State, member: int) -> int:
    """What a member was assessed and has not brought yet, for all defaults together."""
    return sum(_assessed(held.assessed, member) for _, held in defaults_under_way(state))


def _assessed(assessed: tuple[tuple[int, int], ...], member: int) -> int:
    """Micros of one member; `assessed` is in order of members."""
    at = bisect_left(assessed, (member, 0))
    return assessed[at][1] if at < len(assessed) and assessed[at][0] == member else 0
