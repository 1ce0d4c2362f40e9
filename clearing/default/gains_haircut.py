"""The variation-margin gains haircut: accounts that gained from the defaulter's losses, and their free cash.

Rule: gains belong to an account. All free cash of the same owner bears their haircut, or a transfer between two of its
accounts would move the gains out of reach. An owner is a member's own accounts together, or a client's account with its
sub-accounts; where genesis pools affiliates, it is a whole group of affiliated owners. Free is cash above initial
margin and without soft credit. This module must not know how the loss is allocated.
"""

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext
from clearing.default.declaration import cash_within
from clearing.default.variation_gains import gains_since, record_position_changes
from clearing.default.waterfall import GainingAccount
from clearing.margin.requirement.margin_book import MarginBook
from clearing.schema.records.default import DefaultRecord
from clearing.schema.terms.genesis import AccountKind
from clearing.state.holdings import margin_book
from clearing.state.ledger import can_hold
from clearing.state.state import State

MICROS_MAX = 2**62
BeneficialOwner = tuple[int, int | bytes]


class GainsHaircut:
    """Gains and free cash of one default at present; payments are subtracted."""

    def __init__(self, context: BlockContext, default: DefaultRecord, cut: dict[int, int]) -> None:
        """`cut`: earlier haircuts by account."""
        self._gained = net_gains(context, default, cut)
        self._book = margin_book(context.state)
        self._owner = {account: _beneficial_owner(context, account) for account in self._gained}
        families = _accounts_by_owner(context, set(self._owner.values()), default) if self._gained else {}
        self._family = {account: (account, *families[owner]) for account, owner in self._owner.items()}
        self._free = _cash_above_initial(
            context, self._book, sorted({related for family in self._family.values() for related in family})
        )

    def gaining_accounts(self) -> tuple[GainingAccount, ...]:
        """Each gaining account with its capacity: its own free cash, then its owner's unused free cash, in order."""
        capacity = {account: min(gained, self._free[account]) for account, gained in self._gained.items()}
        spare: dict[BeneficialOwner, int] = {}
        for account, owner in self._owner.items():
            if owner not in spare:
                spare[owner] = sum(self._free[related] for related in set(self._family[account]))
            spare[owner] -= capacity[account]
        for account, gained in self._gained.items():
            owner = self._owner[account]
            more = min(gained - capacity[account], spare[owner])
            capacity[account], spare[owner] = capacity[account] + more, spare[owner] - more
        return tuple(
            GainingAccount(account, min(self._gained[account], MICROS_MAX), micros)
            for account, micros in capacity.items()
            if micros or account in self._book
        )

    def cash_payers(self, account: int, micros: int) -> list[tuple[int, int]]:
        """(account, micros) that pay a gainer's share: from its own free cash, then its owner's."""
        found = []
        for payer in self._family[account]:
            part = min(self._free[payer], micros)
            if part:
                found.append((payer, part))
                self._free[payer] -= part
                micros -= part
        return found


def _beneficial_owner(context: BlockContext, account: int) -> BeneficialOwner:
    """The owner of an account's money: a member, or a client, identified by its top account; or their group."""
    record = context.state.accounts[account]
    if context.terms.crisis.default.pool_affiliates:
        return context.families.group_of(account)
    of_client = record.kind is AccountKind.CLIENT
    return record.kind, (record.parent or account) if of_client else record.member


def net_gains(context: BlockContext, default: DefaultRecord, cut: dict[int, int]) -> dict[int, int]:
    """Accounts that gained since the defaulter was last fully margined, less earlier haircuts. The house
    bore its share."""
    record_position_changes(context)
    sums: dict[int, int] = {}
    for gains in gains_since(context.state, default.last_margined_height, default.last_margined_marks).values():
        for account, micros in gains.items():
            sums[account] = sums.get(account, 0) + micros
    gained = {account: sums[account] - cut.get(account, 0) for account in sorted(sums)}
    return {
        account: micros
        for account, micros in gained.items()
        if micros > 0 and _bears_haircut(context.state, default, account)
    }


def _bears_haircut(state: State, default: DefaultRecord, account: int) -> bool:
    return account != HOUSE_ACCOUNT and account not in default.own_accounts and can_hold(state, account)


def _accounts_by_owner(
    context: BlockContext, owners: set[BeneficialOwner], default: DefaultRecord
) -> dict[BeneficialOwner, tuple[int, ...]]:
    """All accounts of each owner, ordered; linear in the accounts."""
    found: dict[BeneficialOwner, list[int]] = {owner: [] for owner in owners}
    for account, _ in context.state.accounts.ordered():
        bears = _bears_haircut(context.state, default, account)
        if bears and (owner := _beneficial_owner(context, account)) in found:
            found[owner].append(account)
    return {owner: tuple(accounts) for owner, accounts in found.items()}


def _cash_above_initial(context: BlockContext, book: MarginBook, accounts: list[int]) -> dict[int, int]:
    """Each account's cash above its initial margin, without soft credit."""
    known = [account for account in accounts if account in book]
    free = dict.fromkeys(accounts, 0)
    if known:
        margins = book.margins(known)
        for account, equity, initial in zip(known, margins.equity.tolist(), margins.initial.tolist(), strict=True):
            free[account] = cash_within(context.state, account, equity - initial)
    return free
