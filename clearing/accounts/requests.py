"""What members sign about accounts: opening, closing, moving collateral between them, porting one to another member.

Rule: data and digests only. Each names an account whose nonce it uses up, so it is applied at most once.
"""

from clearing.accounts.kinds import AccountKind
from clearing.base import eip712
from clearing.base.codec import U32, U63, Bytes20, Bytes65, Wire
from clearing.base.ids import Hash32, NetworkId
from clearing.trades.requests import OptionalSignature

OPENING_TYPE = "AccountOpening(uint64 account,uint32 kind,uint64 parent,address key,uint64 nonce,uint64 notAfterMs)"
CLOSING_TYPE = "AccountClosing(uint64 account,uint64 nonce,uint64 notAfterMs)"
TOKEN_TRANSFER_TYPE = (
    "TokenTransfer(uint64 account,uint64 recipient,uint32 asset,uint64 units,uint64 nonce,uint64 notAfterMs)"
)
PORTING_TYPE = "AccountPorting(uint64 account,uint64 toMember,uint64 nonce,uint64 notAfterMs)"


class AccountOpening(Wire, frozen=True, tag=10):
    """Open an account of the member who owns `account`; the receipt tells its id (`lifecycle.opened_id`)."""

    account: U63
    """An account the member has; this one's nonce is used."""
    kind: AccountKind
    parent: U63
    """The account that the new one is a sub-account of; 0: of none."""
    key: Bytes20
    """The client's own key, without which no money leaves; zeros: none. A sub-account has its parent's."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the member signs."""
        return eip712.digest(
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
        return eip712.digest(network, CLOSING_TYPE, (self.account, self.nonce, self.not_after_ms))


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
        """What whoever may move the account's money signs."""
        return eip712.digest(
            network,
            TOKEN_TRANSFER_TYPE,
            (self.account, self.recipient, self.asset, self.units, self.nonce, self.not_after_ms),
        )


class AccountPorting(Wire, frozen=True, tag=13):
    """A client account, with its sub-accounts and all that is in them, passes to another member."""

    account: U63
    to_member: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65
    """Of the member who carries it now."""
    member_signature: Bytes65
    """Of the member who takes it."""
    client_signature: OptionalSignature
    """Of the client's own key, when the account has one."""

    def digest(self, network: NetworkId) -> Hash32:
        """What all of them sign."""
        return eip712.digest(network, PORTING_TYPE, (self.account, self.to_member, self.nonce, self.not_after_ms))
