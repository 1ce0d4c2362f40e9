"""Unresolved losses and available resources: losses not yet borne, and what accounts can pay with.

Rule: computed from the ledger, so never more than what is missing; nothing is moved. Cash counts at par, tokens at
their value after haircut at the last price. Within a block an account is read again only when its money has moved. This
module must not know who will bear a loss.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.schema.records.default import DefaultCounters, DefaultRecord
from clearing.schema.terms.default import default_blocks_max
from clearing.schema.transfers import Transfer
from clearing.state.holdings import current_arrays, margin_book, positions_of
from clearing.state.indexes import CALLED_ACCOUNTS, holders
from clearing.state.ledger import balance, cash_currency, token_currency
from clearing.state.state import State

NO_DEFAULTS = DefaultCounters(0)


class Deficit(NamedTuple):
    """Micros that an account owes in a cash group."""

    account: int
    cash_group: int
    micros: int


def defaults_under_way(state: State) -> tuple[tuple[int, DefaultRecord], ...]:
    """Numbers and records of open defaults, in order of declaration."""
    clock = state.default_counters.get(0) or NO_DEFAULTS
    return tuple((number, state.defaults[number]) for number in clock.open)


class UnresolvedLosses:
    """Cached losses of one block: per account and per default, until something about it changes."""

    def __init__(self) -> None:
        self._arrays: RiskArrays | None = None
        self._transfers_seen = 0
        """Number of the block's transfers that were processed."""
        self._net_owed_by_account: dict[int, int] = {}
        self._unresolved_by_default: dict[int, tuple[DefaultRecord, int]] = {}
        self._default_of: dict[int, int] = {}

    def micros(self, state: State, transfers: Sequence[Transfer]) -> int:
        """As `unresolved_micros`; `transfers`: all of the block so far."""
        self._forget(state, transfers)
        whole = 0
        for number, default in defaults_under_way(state):
            cached = self._unresolved_by_default.get(number)
            if cached is None or cached[0] is not default:
                cached = self._unresolved_by_default[number] = (
                    default,
                    self._unresolved_of_default(state, number, default),
                )
            whole += cached[1]
        return whole + insolvent_micros(state)

    def _forget(self, state: State, transfers: Sequence[Transfer]) -> None:
        """Drop cached accounts whose money has moved, or all when token values have changed."""
        arrays = current_arrays(state)
        if arrays is not self._arrays:
            self._arrays = arrays
            self._net_owed_by_account.clear()
            self._unresolved_by_default.clear()
        for moved in transfers[self._transfers_seen :]:
            for account in (moved.debit, moved.credit):
                if self._net_owed_by_account.pop(account, None) is not None:
                    self._unresolved_by_default.pop(self._default_of[account], None)
        self._transfers_seen = len(transfers)

    def _unresolved_of_default(self, state: State, number: int, default: DefaultRecord) -> int:
        """A client pays only its own debts; the member's own accounts pay all that is left."""
        for account in (*default.own_accounts, *default.client_accounts):
            if account not in self._net_owed_by_account:
                self._net_owed_by_account[account] = net_owed(state, account)
            self._default_of[account] = number
        clients = sum(max(self._net_owed_by_account[client], 0) for client in default.client_accounts)
        return max(sum(self._net_owed_by_account[account] for account in default.own_accounts) + clients, 0)


def unresolved_micros(state: State) -> int:
    """What defaulters and their clients owe in cash over all groups, beyond their resources, and what other accounts
    without equity lack.

    Netting over groups matters: otherwise an account could owe in one group what it has in another, or in collateral,
    and block everybody's withdrawals.
    """
    return UnresolvedLosses().micros(state, ())


def insolvent_micros(state: State) -> int:
    """What accounts with negative equity lack for which no default is declared yet: their member may still have to.

    Every such account was touched by this block, or is called. The house is among them where it can be in default.
    """
    if not state.terms.crisis.default.enabled:
        return 0
    book = margin_book(state)
    below = book.below_zero([account for account in holders(state, CALLED_ACCOUNTS, 0) if account in book])
    declared = {
        account
        for _, default in defaults_under_way(state)
        for account in (*default.own_accounts, *default.client_accounts)
    }
    missing = sum(-equity for account, equity in below.items() if account not in declared)
    return missing if HOUSE_ACCOUNT in declared else missing + _house_shortfall(state)


def _house_shortfall(state: State) -> int:
    """What the house lacks at the marks beyond what its last default left unpaid: it is in default from the end of the
    block on."""
    if not state.terms.crisis.house.own_default:
        return 0
    arrays, cash = current_arrays(state), _house_cash(state)
    lots = positions_of(state, HOUSE_ACCOUNT).lots
    options = sum(int(arrays.values[state.terms.array_index[instrument], 0]) * held for instrument, held in lots)
    equity = cash + _token_value(state, HOUSE_ACCOUNT) + options
    return max(-equity - left_unpaid_by_house(state), 0)


def left_unpaid_by_house(state: State) -> int:
    """Micros that the last default of the house left owed: they do not begin another one."""
    status = state.member_statuses.get(HOUSE_MEMBER)
    if status is None or not status.default:
        return 0
    default = state.defaults[status.default]
    return max(default.loss - default.loss_borne, 0)  # what came due later is borne, too


def resolution_deadline(state: State) -> int:
    """The height by which every open default has ended, and one that insolvent accounts may cause; 0: there is none."""
    open_ = defaults_under_way(state)
    ends = [default.deadline_height for _, default in open_]
    if insolvent_micros(state):
        ends.append(state.now.height + default_blocks_max(state.terms.crisis.default, len(open_)))
    return max(ends, default=0)


def outstanding_assessment(state: State, member: int) -> int:
    """What a member was assessed and has not paid yet, over all open defaults."""
    return sum(_assessed_micros(default.assessed, member) for _, default in defaults_under_way(state))


def _assessed_micros(assessed: tuple[tuple[int, int], ...], member: int) -> int:
    """Micros of one member; `assessed` is ordered by member."""
    at = bisect_left(assessed, (member, 0))
    return assessed[at][1] if at < len(assessed) and assessed[at][0] == member else 0


def available_resources(state: State, accounts: tuple[int, ...]) -> int:
    """Micros of positive cash, and of tokens at their value after haircut. The house's offset its debts already."""
    others = (account for account in accounts if account != HOUSE_ACCOUNT)
    return sum(_positive_cash(state, account) + _token_value(state, account) for account in others)


def account_deficits(state: State, accounts: tuple[int, ...]) -> tuple[Deficit, ...]:
    """What the accounts that owe owe, in order of account and group. The house owes what it has less than nothing of,
    over all groups and tokens."""
    found: list[Deficit] = []
    for account in accounts:
        if account == HOUSE_ACCOUNT:
            found += _house_deficit(state)
            continue
        for group in state.terms.cash_groups:
            owed = -balance(state, account, cash_currency(group))
            if owed > 0:
                found.append(Deficit(account, group, owed))
    return tuple(found)


def _house_deficit(state: State) -> tuple[Deficit, ...]:
    """The house pays in any group and is paid in any: only what is missing over all of them is owed."""
    groups = state.terms.cash_groups
    missing = -_house_cash(state) - _token_value(state, HOUSE_ACCOUNT)
    return (Deficit(HOUSE_ACCOUNT, state.terms.crisis.fund.cash_group or groups[0], missing),) if missing > 0 else ()


def _house_cash(state: State) -> int:
    return sum(balance(state, HOUSE_ACCOUNT, cash_currency(group)) for group in state.terms.cash_groups)


def net_owed(state: State, account: int) -> int:
    """What an account owes beyond its resources; negative: its resources beyond what it owes."""
    return sum(deficit.micros for deficit in account_deficits(state, (account,))) - available_resources(
        state, (account,)
    )


def _positive_cash(state: State, account: int) -> int:
    return sum(max(balance(state, account, cash_currency(group)), 0) for group in state.terms.cash_groups)


def _token_value(state: State, account: int) -> int:
    values = current_arrays(state).token_values.tolist()
    listed = zip(state.terms.tokens, values, strict=True)
    return sum(value * balance(state, account, token_currency(token.id)) for token, value in listed)
