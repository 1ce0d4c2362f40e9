"""The gains haircut: who gained by what a defaulter lost, and what free cash there is to bear it.

Rule: an account's gain is its own. What can bear it is all free cash of the same owner, or a transfer between two of
its accounts would carry gains out of reach: a member's own accounts together, or a client's with its sub-accounts.
Free is what is above initial margin and not lent. This module must not know how the loss is allocated.
"""

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext
from clearing.default.declaration import cash_within
from clearing.default.variation_gains import gains_since, record_position_changes
from clearing.default.waterfall import GainingAccount
from clearing.margin.requirement.margin_book import MarginBook
from clearing.schema.records.default import DefaultRecord
from clearing.schema.terms.genesis import AccountKind
from clearing.state.account_margins import margin_book
from clearing.state.ledger import can_hold
from clearing.state.state import State

MICROS_MAX = 2**62

BeneficialOwner = tuple[AccountKind, int]


class GainsHaircut:
    """Of one default, as things stand; what is paid is counted off."""

    def __init__(self, context: BlockContext, default: DefaultRecord, cut: dict[int, int]) -> None:
        """`cut`: what was taken of whose gains before."""
        self._gained = _net_gains(context, default, cut)
        self._book = margin_book(context.state)
        self._owner = {account: beneficial_owner(context.state, account) for account in self._gained}
        families = _accounts_by_owner(context.state, set(self._owner.values()), default) if self._gained else {}
        self._family = {account: (account, *families[owner]) for account, owner in self._owner.items()}
        self._free = _cash_above_initial(
            context, self._book, sorted({each for family in self._family.values() for each in family})
        )

    def gaining_accounts(self) -> tuple[GainingAccount, ...]:
        """With what each can bear: its own free cash, then what the others of its owner do not need, in order."""
        most = {account: min(gained, self._free[account]) for account, gained in self._gained.items()}
        spare: dict[BeneficialOwner, int] = {}
        for account, owner in self._owner.items():
            if owner not in spare:
                spare[owner] = sum(self._free[each] for each in set(self._family[account]))
            spare[owner] -= most[account]
        for account, gained in self._gained.items():
            owner = self._owner[account]
            more = min(gained - most[account], spare[owner])
            most[account], spare[owner] = most[account] + more, spare[owner] - more
        return tuple(
            GainingAccount(account, min(self._gained[account], MICROS_MAX), micros)
            for account, micros in most.items()
            if micros or account in self._book
        )

    def cash_payers(self, account: int, micros: int) -> list[tuple[int, int]]:
        """(account, micros) that bring a gainer's share: out of its own free cash, then its owner's."""
        found = []
        for each in self._family[account]:
            part = min(self._free[each], micros)
            if part:
                found.append((each, part))
                self._free[each] -= part
                micros -= part
        return found


def beneficial_owner(state: State, account: int) -> BeneficialOwner:
    """Whose money it is: a member's, or a client's, by the account that its others are sub-accounts of."""
    record = state.accounts[account]
    of_client = record.kind is AccountKind.CLIENT
    return record.kind, (record.parent or account) if of_client else record.member


def _net_gains(context: BlockContext, default: DefaultRecord, cut: dict[int, int]) -> dict[int, int]:
    """Accounts that gained since the defaulter was last fully margined, less what was cut. The house bore its share."""
    record_position_changes(context)
    sums: dict[int, int] = {}
    for gains in gains_since(context.state, default.last_margined_height, default.last_margined_marks).values():
        for account, micros in gains.items():
            sums[account] = sums.get(account, 0) + micros
    gained = {account: sums[account] - cut.get(account, 0) for account in sorted(sums)}
    return {
        account: micros
        for account, micros in gained.items()
        if micros > 0 and _is_haircut(context.state, default, account)
    }


def _is_haircut(state: State, default: DefaultRecord, account: int) -> bool:
    return account != HOUSE_ACCOUNT and account not in default.own_accounts and can_hold(state, account)


def _accounts_by_owner(
    state: State, owners: set[BeneficialOwner], default: DefaultRecord
) -> dict[BeneficialOwner, tuple[int, ...]]:
    """All accounts of each owner, ordered; linear in the accounts."""
    found: dict[BeneficialOwner, list[int]] = {owner: [] for owner in owners}
    for account, _ in state.accounts.ordered():
        if _is_haircut(state, default, account) and (owner := beneficial_owner(state, account)) in found:
            found[owner].append(account)
    return {owner: tuple(accounts) for owner, accounts in found.items()}


def _cash_above_initial(context: BlockContext, book: MarginBook, accounts: list[int]) -> dict[int, int]:
    """Cash of each above its initial margin, as far as it is its own."""
    known = [account for account in accounts if account in book]
    free = dict.fromkeys(accounts, 0)
    if known:
        margins = book.margins(known)
        for account, equity, initial in zip(known, margins.equity.tolist(), margins.initial.tolist(), strict=True):
            free[account] = cash_within(context.state, account, equity - initial)
    return free
