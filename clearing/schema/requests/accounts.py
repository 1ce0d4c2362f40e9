"""Requests about accounts: opening, closing, porting, transfers of cash and tokens, and swaps of claims.

Rule: data and digests only. Each request names an account and uses a nonce of it, so it is applied at most once.
"""

from clearing.base import eip712
from clearing.base.codec import U32, U63, Bytes20, Bytes65, Wire
from clearing.base.ids import Hash32, NetworkId
from clearing.schema.requests.trades import OptionalSignature
from clearing.schema.terms.genesis import AccountKind

OPENING_TYPE = "AccountOpening(uint64 account,uint32 kind,uint64 parent,address key,uint64 nonce,uint64 notAfterMs)"

CLOSING_TYPE = "AccountClosing(uint64 account,uint64 nonce,uint64 notAfterMs)"

PORTING_TYPE = "AccountPorting(uint64 account,uint64 toMember,uint64 nonce,uint64 notAfterMs)"


class AccountOpening(Wire, frozen=True, tag=10):
    """Open an account of the member that owns `account`. The receipt contains its id (`lifecycle.opened_id`)."""

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

    def digest(self, network: NetworkId) -> Hash32:
        """What the member signs."""
        return eip712.typed_data_digest(
            network,
            OPENING_TYPE,
            (self.account, int(self.kind), self.parent, self.key, self.nonce, self.not_after_ms),
        )


class AccountClosing(Wire, frozen=True, tag=11):
    """Close an empty account that was opened by request."""

    account: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the member signs."""
        return eip712.typed_data_digest(network, CLOSING_TYPE, (self.account, self.nonce, self.not_after_ms))


class AccountPorting(Wire, frozen=True, tag=13):
    """Port a client account to another member, with its sub-accounts and all their contents."""

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

    def digest(self, network: NetworkId) -> Hash32:
        """What all of them sign."""
        return eip712.typed_data_digest(
            network, PORTING_TYPE, (self.account, self.to_member, self.nonce, self.not_after_ms)
        )


TOKEN_TRANSFER_TYPE = (
    "TokenTransfer(uint64 account,uint64 recipient,uint32 asset,uint64 units,uint64 nonce,uint64 notAfterMs)"
)


class TokenTransfer(Wire, frozen=True, tag=12):
    """Move `units` (clearing units) of a collateral token between two accounts of one member."""

    account: U63
    recipient: U63
    asset: U32
    units: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the key that may move the account's money signs."""
        return eip712.typed_data_digest(
            network,
            TOKEN_TRANSFER_TYPE,
            (self.account, self.recipient, self.asset, self.units, self.nonce, self.not_after_ms),
        )


CLAIM_SWAP_TYPE = (
    "ClaimSwap(uint64 account,uint64 recipient,uint64 givenCurrency,uint64 givenUnits,uint64 takenCurrency,"
    "uint64 takenUnits,uint64 nonce,uint64 notAfterMs)"
)


class ClaimSwap(Wire, frozen=True, tag=20):
    """Two accounts exchange claims, such as a token on one chain for it on another. Both sign the same digest.

    A currency is a cash group's id, or 2^32 + the id of a collateral token.
    """

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

    def digest(self, network: NetworkId) -> Hash32:
        """What both sides sign."""
        given = (self.given_currency, self.given_units, self.taken_currency, self.taken_units)
        return eip712.typed_data_digest(
            network, CLAIM_SWAP_TYPE, (self.account, self.recipient, *given, self.nonce, self.not_after_ms)
        )


CASH_TRANSFER_TYPE = (
    "Transfer(uint64 account,uint64 recipient,uint32 cashGroup,uint64 micros,uint64 nonce,uint64 notAfterMs)"
)


class CashTransfer(Wire, frozen=True, tag=3):
    """Move cash between two accounts of one member."""

    account: U63
    recipient: U63
    cash_group: U32
    micros: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the account's member signs."""
        return eip712.typed_data_digest(
            network,
            CASH_TRANSFER_TYPE,
            (self.account, self.recipient, self.cash_group, self.micros, self.nonce, self.not_after_ms),
        )
