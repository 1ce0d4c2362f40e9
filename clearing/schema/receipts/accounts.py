"""Receipts about accounts: opened, closed, ported, and transfers between them.

Rule: a receipt reports; it never decides. `clearing.schema.blocks.receipt` lists all kinds of receipts.
"""

from clearing.base.codec import U32, U63, Bytes20, Wire


class AccountOpened(Wire, frozen=True, tag=29):
    """A member opened an account."""

    index: U32
    account: U63
    member: U63
    kind: U32
    """1 the member's own, 2 a client's."""
    parent: U63
    key: Bytes20
    named_account: U63
    """The account whose nonce was used."""
    nonce: U63


class AccountClosed(Wire, frozen=True, tag=30):
    """An empty account was closed. Its id is never reused."""

    index: U32
    account: U63
    member: U63


class TokensTransferred(Wire, frozen=True, tag=31):
    """Collateral moved between two accounts of one member."""

    index: U32
    account: U63
    recipient: U63
    asset: U32
    units: U63
    nonce: U63


class AccountPorted(Wire, frozen=True, tag=32):
    """A client account and its sub-accounts, with their contents, were ported to another member."""

    index: U32
    account: U63
    from_member: U63
    to_member: U63
    children: tuple[U63, ...]
    pending_trades: U32
    """How many pending trades of the account continue under the new member."""


class AffiliationDeclared(Wire, frozen=True, tag=185):
    """Two owners were declared to be one, or no longer. Each is a member, and the client's key, or its account for a
    client without one, or zeros for the member itself."""

    index: U32
    account: U63
    affiliate: U63
    owner: tuple[U63, Bytes20]
    other: tuple[U63, Bytes20]
    ends: bool
    by_house: bool
    effective_height: U63
    """The first block in which it counts."""


class StandbyDeclared(Wire, frozen=True, tag=195):
    """A client named a standby member that accepted; 0: it has none any more."""

    index: U32
    account: U63
    standby: U63


class CashTransferred(Wire, frozen=True, tag=9):
    """Cash moved between two accounts of one member."""

    index: U32
    account: U63
    recipient: U63
    cash_group: U32
    micros: U63
    nonce: U63


class SeedRotated(Wire, frozen=True, tag=198):
    """The owner of an account chose the seed of its commitments, or chooses none any more."""

    index: U32
    account: U63
    chosen: bool
    nonce: U63
