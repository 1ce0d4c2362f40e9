"""Who gained by what a defaulter lost, and what free cash there is to bear it: the account's, then its owner's.

Rule: an account's gain is its own; what can bear it is all the free cash of the same owner, a member's own accounts
together or a client's with its sub-accounts, or a transfer between two of them would carry gains out of reach. Free is
what is above initial margin, not lent. It must not know how the loss is shared.
"""

from clearing.accounts.kinds import AccountKind
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.default.declare import cash_above
from clearing.default.gains import all_gains, note_shifts
from clearing.default.records import DefaultHeld
from clearing.default.waterfall import Gainer
from clearing.ledger import can_hold
from clearing.margin.book import MarginBook
from clearing.margins import margin_book
from clearing.run import Run
from clearing.state.state import State

MICROS_MAX = 2**62
Owner = tuple[AccountKind, int]


class Gainers:
    """Of one default, as things stand; what is paid is counted off."""

    def __init__(self, run: Run, held: DefaultHeld, cut: dict[int, int]) -> None:
        """`cut`: what was taken of whose gains before."""
        self._gained = _gained(run, held, cut)
        self._book = margin_book(run.state)
        self._owner = {account: owner_of(run.state, account) for account in self._gained}
        families = _families(run.state, set(self._owner.values()), held) if self._gained else {}
        self._family = {account: (account, *families[owner]) for account, owner in self._owner.items()}
        self._free = _free(run, self._book, sorted({each for family in self._family.values() for each in family}))

    def asked(self) -> tuple[Gainer, ...]:
        """With what each can bear: its own free cash, then what the others of its owner do not need, in order."""
        most = {account: min(gained, self._free[account]) for account, gained in self._gained.items()}
        spare: dict[Owner, int] = {}
        for account, owner in self._owner.items():
            if owner not in spare:
                spare[owner] = sum(self._free[each] for each in set(self._family[account]))
            spare[owner] -= most[account]
        for account, gained in self._gained.items():
            owner = self._owner[account]
            more = min(gained - most[account], spare[owner])
            most[account], spare[owner] = most[account] + more, spare[owner] - more
        return tuple(
            Gainer(account, min(self._gained[account], MICROS_MAX), micros)
            for account, micros in most.items()
            if micros or account in self._book
        )

    def payers(self, account: int, micros: int) -> list[tuple[int, int]]:
        """(account, micros) that bring a gainer's share: out of its own free cash, then its owner's."""
        found = []
        for each in self._family[account]:
            part = min(self._free[each], micros)
            if part:
                found.append((each, part))
                self._free[each] -= part
                micros -= part
        return found


def owner_of(state: State, account: int) -> Owner:
    """Whose money it is: a member's, or a client's, by the account that its others are sub-accounts of."""
    record = state.accounts[account]
    of_client = record.kind is AccountKind.CLIENT
    return record.kind, (record.parent or account) if of_client else record.member


def _gained(run: Run, held: DefaultHeld, cut: dict[int, int]) -> dict[int, int]:
    """Accounts that gained since the defaulter was last fully margined, less what was cut. The house bore its share."""
    note_shifts(run)
    sums: dict[int, int] = {}
    for gains in all_gains(run.state, held.margined_height, held.marks).values():
        for account, micros in gains.items():
            sums[account] = sums.get(account, 0) + micros
    gained = {account: sums[account] - cut.get(account, 0) for account in sorted(sums)}
    return {account: micros for account, micros in gained.items() if micros > 0 and _bears(run.state, held, account)}


def _bears(state: State, held: DefaultHeld, account: int) -> bool:
    return account != HOUSE_ACCOUNT and account not in held.own and can_hold(state, account)


def _families(state: State, owners: set[Owner], held: DefaultHeld) -> dict[Owner, tuple[int, ...]]:
    """All accounts of each owner, ordered; linear in the accounts."""
    found: dict[Owner, list[int]] = {owner: [] for owner in owners}
    for account, _ in state.accounts.ordered():
        if _bears(state, held, account) and (owner := owner_of(state, account)) in found:
            found[owner].append(account)
    return {owner: tuple(accounts) for owner, accounts in found.items()}


def _free(run: Run, book: MarginBook, accounts: list[int]) -> dict[int, int]:
    """Cash of each above its initial margin, as far as it is its own."""
    known = [account for account in accounts if account in book]
    free = dict.fromkeys(accounts, 0)
    if known:
        margins = book.margins(known)
        for account, equity, initial in zip(known, margins.equity.tolist(), margins.initial.tolist(), strict=True):
            free[account] = cash_above(run.state, account, equity - initial)
    return free
