"""Requests about accounts: opening, closing, porting, transfers of cash and tokens, and swaps of claims.

Rule: data and digests only. Each request names an account and uses a nonce of it, so it is applied at most once.
"""

from typing import ClassVar

from clearing.base.codec import U32, U63, Bytes20, Bytes32, Bytes65
from clearing.base.eip712 import TypedRequest
from clearing.schema.requests.trades import OptionalSignature
from clearing.schema.terms.genesis import AccountKind


class AccountOpening(TypedRequest, frozen=True, tag=10):
    """Open an account of the member that owns `account`. The receipt contains its id (`lifecycle.opened_id`)."""

    SIGNED: ClassVar[str] = (
        "AccountOpening(uint64 account,uint32 kind,uint64 parent,address key,uint64 nonce,uint64 notAfterMs)"
    )
    """Signed by the account's member."""

    account: U63
    """An existing account of the member, whose nonce is used."""
    kind: AccountKind
    parent: U63
    """The account that the new one is a sub-account of; 0: none."""
    key: Bytes20
    """The client's own key, required to move money out; zeros: none. A sub-account has its parent's key."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65


class AccountClosing(TypedRequest, frozen=True, tag=11):
    """Close an empty account that was opened by request."""

    SIGNED: ClassVar[str] = "AccountClosing(uint64 account,uint64 nonce,uint64 notAfterMs)"
    """Signed by the account's member."""

    account: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65


class AccountPorting(TypedRequest, frozen=True, tag=13):
    """Port a client account to another member, with its sub-accounts and all their contents."""

    SIGNED: ClassVar[str] = "AccountPorting(uint64 account,uint64 toMember,uint64 nonce,uint64 notAfterMs)"
    """Signed by both members, and by the client where it has a key."""

    account: U63
    to_member: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65
    """Signature of the present member."""
    member_signature: Bytes65
    """Signature of the new member."""
    client_signature: OptionalSignature
    """Signature of the client's own key, when the account has one."""


class TokenTransfer(TypedRequest, frozen=True, tag=12):
    """Move `units` (clearing units) of a collateral token between two accounts of one member."""

    SIGNED: ClassVar[str] = (
        "TokenTransfer(uint64 account,uint64 recipient,uint32 asset,uint64 units,uint64 nonce,uint64 notAfterMs)"
    )
    """Signed by the account's owner."""

    account: U63
    recipient: U63
    asset: U32
    units: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65


class ClaimSwap(TypedRequest, frozen=True, tag=20):
    """Two accounts exchange claims, such as a token on one chain for it on another. Both sign the same digest.

    A currency is a cash group's id, or 2^32 + the id of a collateral token.
    """

    SIGNED: ClassVar[str] = (
        "ClaimSwap(uint64 account,uint64 recipient,uint64 givenCurrency,uint64 givenUnits,uint64 takenCurrency,"
        "uint64 takenUnits,uint64 nonce,uint64 notAfterMs)"
    )
    """Signed by the owners of both accounts."""

    account: U63
    """Gives `given`, receives `taken`; its nonce is used."""
    recipient: U63
    given_currency: U63
    given_units: U63
    taken_currency: U63
    taken_units: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65
    recipient_signature: Bytes65


class AffiliationDeclaration(TypedRequest, frozen=True, tag=95):
    """Declare that two accounts have one owner, or owners of one group.

    A member declares it of one of its own accounts, and the other owner signs too. The house declares it, and ends it,
    of any two accounts, with notice.
    """

    SIGNED: ClassVar[str] = (
        "AffiliationDeclaration(uint64 account,uint64 affiliate,bool ends,uint64 nonce,uint64 notAfterMs)"
    )
    """Signed by the account's member and by the affiliate's owner, or by the house."""

    account: U63
    affiliate: U63
    """A client's account, or another member's own."""
    ends: bool
    """Whether the affiliation is over."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65
    """Signature of the account's member, or of the house."""
    affiliate_signature: OptionalSignature
    """Signature of the affiliate's owner, for a client without a key the house's; none where the house declares."""


class StandbyDeclaration(TypedRequest, frozen=True, tag=96):
    """Name a standby member for a client, to which it is ported when its member's default is declared; or end that.

    The client signs with its own key, or its member for a client without one, and the standby member accepts. Either
    side alone ends it.
    """

    SIGNED: ClassVar[str] = "StandbyDeclaration(uint64 account,uint64 standby,uint64 nonce,uint64 notAfterMs)"
    """Signed by the client or its member, and by the standby member."""

    account: U63
    """A client's account; its sub-accounts move with it."""
    standby: U63
    """The member; 0: the client has no standby any more."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65
    """Signature of the client, or of its member; where it ends, also of the standby member."""
    standby_signature: OptionalSignature
    """Signature of the standby member; none where it ends."""


class CashTransfer(TypedRequest, frozen=True, tag=3):
    """Move cash between two accounts of one member."""

    SIGNED: ClassVar[str] = (
        "Transfer(uint64 account,uint64 recipient,uint32 cashGroup,uint64 micros,uint64 nonce,uint64 notAfterMs)"
    )
    """Signed by the account's owner."""

    account: U63
    recipient: U63
    cash_group: U32
    micros: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65


class SeedRotation(TypedRequest, frozen=True, tag=97):
    """Choose the seed of the account's commitments from the next snapshot on, sealed for the validators; three words of
    zeros: they derive one again."""

    SIGNED: ClassVar[str] = (
        "SeedRotation(uint64 account,bytes32 ephemeral,bytes32 masked,bytes32 mac,uint64 nonce,uint64 notAfterMs)"
    )
    """Signed by the account's owner."""

    account: U63
    ephemeral: Bytes32
    """X25519 public key made for this seed."""
    masked: Bytes32
    mac: Bytes32
    nonce: U63
    not_after_ms: U63
    signature: Bytes65
