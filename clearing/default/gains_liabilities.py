"""The variation-margin gains haircut: what each account gained until a default was declared, and what it can pay of it.

Rule: gains are fixed when a default is declared, as equity gained since the member was last fully margined. What an
account then does with its cash changes nothing.

1. Equity gained is variation, and what trades away from the mark and swaps passed on.
2. What a member moved to a client's account since then carries its gains along, up to what it moved.
3. A share is debited from the account's equity, its margin included, and never below zero; then from that of the same
   owner's other accounts. An owner is a member's own accounts together, or a client's account with its sub-accounts;
   where genesis pools affiliates, it is a whole group of affiliated owners.
4. What bears one default's loss is no gain any more for another.

This module must not know how the loss is allocated.
"""

import msgspec

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import defaults_under_way
from clearing.default.variation_gains import (
    OWN_TRANSFERS,
    VALUE_PASSED,
    gains_since,
    record_position_changes,
    value_received_since,
)
from clearing.default.waterfall import GainingAccount, allocate_capped
from clearing.schema.records.default import DefaultRecord, GainsLiabilityRecord
from clearing.schema.terms.genesis import AccountKind
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, margin_book
from clearing.state.ledger import can_hold, soft_credit_total
from clearing.state.state import State

MICROS_MAX = 2**62
BeneficialOwner = tuple[int, int | bytes]


def fix_gains(context: BlockContext, number: int, default: DefaultRecord) -> DefaultRecord:
    """Record every account's gains of a default just declared. Returns its record with their sum.

    Linear in the holders of what the window has marks of, and in the accounts that changed since.
    """
    liabilities = equity_gained(context, default)
    for account, micros in liabilities.items():
        context.state.gains_liabilities.put((number, account), GainsLiabilityRecord(micros))
    return msgspec.structs.replace(default, gains_fixed=min(sum(liabilities.values()), MICROS_MAX))


def equity_gained(context: BlockContext, default: DefaultRecord) -> dict[int, int]:
    """Micros that each account gained since the defaulter was last fully margined; only positive ones, by account.

    The house's gains bear like anybody's. The defaulter's own accounts pay before.
    """
    record_position_changes(context)
    state, since = context.state, default.last_margined_height
    gained: dict[int, int] = {}
    for gains in gains_since(state, since, default.last_margined_marks).values():
        for account, micros in gains.items():
            gained[account] = gained.get(account, 0) + micros
    for account, micros in value_received_since(state, since, VALUE_PASSED).items():
        gained[account] = gained.get(account, 0) + micros
    _follow_own_transfers(state, gained, value_received_since(state, since, OWN_TRANSFERS))
    return {
        account: min(gained[account], MICROS_MAX)
        for account in sorted(gained)
        if gained[account] > 0 and _bears_haircut(state, default, account)
    }


def drop_gains(context: BlockContext, number: int) -> None:
    """Delete the gains of a default that ends."""
    for of, account in [key for key, _ in context.state.gains_liabilities.ordered()]:
        if of == number:
            context.state.gains_liabilities.remove((of, account))


def _follow_own_transfers(state: State, gained: dict[int, int], received: dict[int, int]) -> None:
    """Let gains follow the money that a member moved between its accounts: of each payer at most what it moved on."""
    by_member: dict[int, list[int]] = {}
    for account in sorted(received):
        if account in state.accounts:
            by_member.setdefault(state.accounts[account].member, []).append(account)
    for accounts in by_member.values():
        carried = 0
        for account in accounts:
            part = min(max(gained.get(account, 0), 0), -received[account])
            if part > 0:
                gained[account] -= part
                carried += part
        payees = [account for account in accounts if received[account] > 0]
        amounts = [received[account] for account in payees]
        for account, micros in zip(payees, allocate_capped(carried, amounts, amounts), strict=True):
            gained[account] = gained.get(account, 0) + micros


class GainsHaircut:
    """Gains that can still bear the loss of one default, and the equity that pays them; payments are subtracted."""

    def __init__(self, context: BlockContext, number: int, default: DefaultRecord) -> None:
        state = context.state
        self._gained = {
            account: liability.micros for (of, account), liability in state.gains_liabilities.ordered() if of == number
        }
        owners = {account: _beneficial_owner(context, account) for account in self._gained}
        families = _accounts_by_owner(context, set(owners.values()), default) if owners else {}
        self._owner = owners
        self._family = {account: (account, *families[owner]) for account, owner in owners.items()}
        accounts = sorted({related for family in self._family.values() for related in family})
        self._equity = _own_equity(context, accounts)

    def gaining_accounts(self) -> tuple[GainingAccount, ...]:
        """Each gaining account with what can pay: its own equity, then its owner's unused equity, in order."""
        capacity = {account: min(gained, self._equity[account]) for account, gained in self._gained.items()}
        spare: dict[BeneficialOwner, int] = {}
        for account, owner in self._owner.items():
            if owner not in spare:
                spare[owner] = sum(self._equity[related] for related in set(self._family[account]))
            spare[owner] -= capacity[account]
        for account, gained in self._gained.items():
            owner = self._owner[account]
            more = min(gained - capacity[account], spare[owner])
            capacity[account], spare[owner] = capacity[account] + more, spare[owner] - more
        return tuple(GainingAccount(account, self._gained[account], micros) for account, micros in capacity.items())

    def payers(self, account: int, micros: int) -> list[tuple[int, int]]:
        """(account, micros) that pay a gainer's share: from its own equity, then its owner's."""
        found = []
        for payer in self._family[account]:
            part = min(self._equity[payer], micros)
            if part:
                found.append((payer, part))
                self._equity[payer] -= part
                micros -= part
        return found


def use_gains(state: State, account: int, micros: int) -> None:
    """Subtract what an account's gains have borne, for every open default."""
    for number, _ in defaults_under_way(state):
        liability = state.gains_liabilities.get((number, account))
        if liability is not None and micros:
            left = max(liability.micros - micros, 0)
            state.gains_liabilities.put((number, account), GainsLiabilityRecord(left))


def _beneficial_owner(context: BlockContext, account: int) -> BeneficialOwner:
    """The owner of an account's money: a member, or a client, identified by its top account; or their group."""
    record = context.state.accounts[account]
    if context.terms.crisis.default.pool_affiliates:
        return context.families.group_of(account)
    of_client = record.kind is AccountKind.CLIENT
    return record.kind, (record.parent or account) if of_client else record.member


def _bears_haircut(state: State, default: DefaultRecord, account: int) -> bool:
    return account not in default.own_accounts and can_hold(state, account)


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


def _own_equity(context: BlockContext, accounts: list[int]) -> dict[int, int]:
    """Each account's equity that is its own: without soft credit, at least 0."""
    book = margin_book(context.state)
    known = [account for account in accounts if account in book]
    found = dict.fromkeys(accounts, 0)
    if known:
        for account, equity in zip(known, book.totals(known).equity.tolist(), strict=True):
            found[account] = min(max(equity - soft_credit_total(context.state, account), 0), MICROS_MAX)
    if HOUSE_ACCOUNT in found:
        house = holdings_margin(current_arrays(context.state), current_holdings(context.state, HOUSE_ACCOUNT))
        found[HOUSE_ACCOUNT] = min(max(house.equity, 0), MICROS_MAX)
    return found
