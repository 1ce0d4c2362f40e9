"""`Transaction`: the union of all signed requests that a block may contain, and their size limits.

Rule: each request is signed as EIP-712 typed data whose domain contains the network id. A tag never changes.
"""

from typing import TypeAlias

from clearing.base.codec import encode
from clearing.base.hashing import sha256
from clearing.base.ids import Hash32
from clearing.schema.requests.accounts import (
    AccountClosing,
    AccountOpening,
    AccountPorting,
    AffiliationDeclaration,
    CashTransfer,
    ClaimSwap,
    SeedRotation,
    StandbyDeclaration,
    TokenTransfer,
)
from clearing.schema.requests.auctions import (
    CollateralBid,
    DefaultBid,
    DefaultBidCommitment,
    DefaultBidReveal,
    InventoryBid,
    LiquidationBid,
    ReopeningOrder,
)
from clearing.schema.requests.default import ClientRescue, FundContribution, MemberExit, MemberReadmission
from clearing.schema.requests.governance import PROPOSAL_BYTES_MAX, EmergencyHalt, GovernanceProposal, GovernanceVote
from clearing.schema.requests.trades import (
    SessionKey,
    Trade,
    TradeBundle,
    TradeCancellation,
    TradeCorrection,
    TradeGiveUp,
    TradeReport,
    VenueMandate,
    VenueStatement,
    VenueSwitch,
)
from clearing.schema.requests.validators import CHANGE_BYTES_MAX, ValidatorChange
from clearing.schema.requests.withdrawals import LimitedWithdrawal, Withdrawal, WithdrawalCancellation

TRANSACTION_BYTES_MAX = 1024
"""Limit for every kind that `transaction_bytes_max` does not list."""

BLOCK_TRADES_MAX = 16_384
"""A block's transactions ask for at most so many trades: its bytes alone would not bound the work of bundles."""

Transaction: TypeAlias = (
    Trade
    | Withdrawal
    | CashTransfer
    | TradeReport
    | TradeCorrection
    | TradeCancellation
    | TradeGiveUp
    | VenueMandate
    | VenueStatement
    | AccountOpening
    | AccountClosing
    | TokenTransfer
    | AccountPorting
    | VenueSwitch
    | ClaimSwap
    | CollateralBid
    | LimitedWithdrawal
    | ReopeningOrder
    | ValidatorChange
    | DefaultBid
    | ClientRescue
    | MemberReadmission
    | MemberExit
    | LiquidationBid
    | GovernanceProposal
    | GovernanceVote
    | EmergencyHalt
    | FundContribution
    | WithdrawalCancellation
    | SessionKey
    | TradeBundle
    | AffiliationDeclaration
    | DefaultBidCommitment
    | DefaultBidReveal
    | InventoryBid
    | StandbyDeclaration
    | SeedRotation
)


def transaction_hash(transaction: Transaction) -> Hash32:
    """What a transaction is known by in the mempool and the API: SHA-256 of its canonical bytes."""
    return sha256(encode((transaction,)))


def transaction_bytes_max(transaction: Transaction) -> int:
    """Largest size of this transaction's canonical bytes."""
    if isinstance(transaction, GovernanceProposal):
        return PROPOSAL_BYTES_MAX
    return CHANGE_BYTES_MAX if isinstance(transaction, ValidatorChange) else TRANSACTION_BYTES_MAX


def trades_asked(transaction: Transaction) -> int:
    """What a transaction counts where work is bounded: a bundle as many as it has trades, any other 1."""
    return len(transaction.trades) if isinstance(transaction, TradeBundle) else 1
