"""Affiliation: which accounts are one owner's, and which owners are one group.

Rule: an owner is a member, or one of its clients: a client's accounts under one member with one key, or a client's
account without a key and its sub-accounts. A client whose key is its member's trade key is the member itself. Owners
are affiliated where genesis says so, or where it was declared (`clearing.accounts.affiliates`). Anybody may write
somebody else's key on an account of its own client, so the same key under another member is the same owner only for
rules that cost nobody but that account (`are_affiliated`, `has_key_of`), never for what an owner's other accounts pay.
It moves no money.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from clearing.schema.records.accounts import Account, AffiliationRecord
from clearing.schema.terms.genesis import AccountKind
from clearing.state.state import State

ITSELF = bytes(20)
"""In place of a client: the member's own money."""


class Owner(NamedTuple):
    """Whose money is in an account."""

    member: int
    client: bytes
    """The client's key, or its top account's id where it has none; zeros: the member itself."""


def owner_of(state: State, account: int) -> Owner:
    """The owner of a known account's money."""
    return _owner(state, account, state.accounts[account])


def _owner(state: State, account: int, record: Account) -> Owner:
    if record.kind is not AccountKind.CLIENT:
        return Owner(record.member, ITSELF)
    if not any(record.key):
        return Owner(record.member, (record.parent or account).to_bytes(20, "big"))
    member = state.members.get(record.member)
    is_member = member is not None and member.trade_address == record.key
    return Owner(record.member, ITSELF if is_member else record.key)


def is_in_force(record: AffiliationRecord, height: int) -> bool:
    """Whether a declared affiliation counts in the block at `height`."""
    return record.from_height <= height and not (record.until_height and record.until_height <= height)


class OwnerFamilies:
    """The groups of affiliated owners of one state. Costs what was declared, not what there is of accounts."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._above: dict[Owner, Owner] = {}
        for one, other in _declared_in_genesis(state):
            self._join(one, other)
        for (member, client, other_member, other_client), record in state.affiliations.ordered():
            if is_in_force(record, state.now.height):
                self._join(Owner(member, client), Owner(other_member, other_client))

    def root(self, owner: Owner) -> Owner:
        """The owner that stands for all of its group: the lowest."""
        while owner in self._above:
            owner = self._above[owner]
        return owner

    def group_of(self, account: int) -> Owner:
        """The group of a known account's owner."""
        return self.root(owner_of(self._state, account))

    def is_on_members_side(self, account: int) -> bool:
        """Whether a known account is its member's own, or an affiliate's of it."""
        record = self._state.accounts[account]
        if record.kind is not AccountKind.CLIENT:
            return True
        return self.root(_owner(self._state, account, record)) == self.root(Owner(record.member, ITSELF))

    def backed_members(self, account: int) -> set[int]:
        """Members for whose shortfalls the money of a known account must stay: its own member on whose side it is,
        those of its group, and those whose group has a key that it names."""
        groups = {self.group_of(account)} | self._groups_by_address.get(self._state.accounts[account].key, set())
        return {owner.member for group in groups for owner in self.joined(group) if owner.client == ITSELF}

    @cached_property
    def _groups_by_address(self) -> dict[bytes, set[Owner]]:
        """The groups of members, and of owners in groups of more than one, by the address of a key of theirs."""
        found: dict[bytes, set[Owner]] = {}
        declared = {*self._above, *self._above.values()}
        for owner in declared.union(Owner(member, ITSELF) for member, _ in self._state.members.ordered()):
            address = owner_address(self._state, owner)
            if address is not None:
                found.setdefault(address, set()).add(self.root(owner))
        return found

    def members_like(self, member: int) -> Owner:
        """The group of a member itself."""
        return self.root(Owner(member, ITSELF))

    def joined(self, group: Owner) -> set[Owner]:
        """All owners of a group that has more than one, and the group itself."""
        return {owner for owner in self._above if self.root(owner) == group} | {group}

    def _join(self, one: Owner, other: Owner) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        if low != high:
            self._above[high] = low


def are_affiliated(state: State, account: int, other: int, families: OwnerFamilies | None = None) -> bool:
    """Whether two known accounts are one owner's or one group's, as far as that can be known.

    By member, key, genesis or declaration; the same key counts under any member. Use it for what must not happen
    between an owner and itself. `families`: of this state, where it is at hand.
    """
    families = families or OwnerFamilies(state)
    if families.group_of(account) == families.group_of(other):
        return True
    return has_key_of(state, account, _joined_of(families, other)) or has_key_of(
        state, other, _joined_of(families, account)
    )


def has_key_of(state: State, account: int, owners: Iterable[Owner]) -> bool:
    """Whether a known account names a key of one of these owners: a client's key, or a member's trade key."""
    key = state.accounts[account].key
    return any(key) and any(key == owner_address(state, owner) for owner in owners)


def owner_address(state: State, owner: Owner) -> bytes | None:
    """The address of an owner's key; None for a client without one."""
    if owner.client != ITSELF:
        return owner.client if any(owner.client[:12]) else None
    member = state.members.get(owner.member)
    return member.trade_address if member else None


def _joined_of(families: OwnerFamilies, account: int) -> set[Owner]:
    return families.joined(families.group_of(account))


def _declared_in_genesis(state: State) -> Iterable[tuple[Owner, Owner]]:
    """Pairs of owners that the terms in force list as affiliates."""
    for member, client_accounts, members in state.terms.listed_affiliates:
        itself = Owner(member, ITSELF)
        for account in client_accounts:
            record = state.accounts.get(account)
            if record is not None:
                yield itself, _owner(state, account, record)
        for other in members:
            yield itself, Owner(other, ITSELF)
