"""What members ask for: signed requests, as they travel in batches and blocks.

Rule: each request is signed as EIP-712 typed data whose domain holds the network id; `digest` is what is signed. A
request is applied at most once: a trade by its id (`clearing.trades.ids`), a change of one by its revision, a part of a
statement by its number, the others by (account, nonce).
"""

from typing import TypeAlias

from clearing.accounts.requests import AccountClosing, AccountOpening, AccountPorting, TokenTransfer
from clearing.base import eip712
from clearing.base.codec import U32, U63, Bytes20, Bytes65, Wire
from clearing.base.ids import Hash32, NetworkId
from clearing.collateral.requests import ClaimSwap, CollateralBid, LimitedWithdrawal
from clearing.default.requests import ClientRescue, DefaultBid, MemberExit, MemberReadmission
from clearing.fund.requests import FundContribution
from clearing.gates.requests import WithdrawalCancellation
from clearing.governance.requests import PROPOSAL_BYTES_MAX, EmergencyHalt, GovernanceProposal, GovernanceVote
from clearing.liquidation.requests import LiquidationBid
from clearing.prices.auction_requests import ReopeningOrder
from clearing.trades.requests import (
    TradeCancellation,
    TradeCorrection,
    TradeGiveUp,
    TradeReport,
    VenueMandate,
    VenueStatement,
    VenueSwitch,
)
from clearing.validators.requests import CHANGE_BYTES_MAX, ValidatorChange

TRANSACTION_BYTES_MAX = 1024
"""Of every kind but those in `bytes_max`."""

TRADE_TYPE = (
    "Trade(uint64 venue,uint64 venueTradeId,uint64 buyer,uint64 seller,uint32 instrument,uint64 lots,uint64 ticks,"
    "uint64 notAfterMs)"
)
WITHDRAWAL_TYPE = "Withdrawal(uint64 account,uint32 asset,uint64 units,address to,uint64 nonce,uint64 notAfterMs)"
TRANSFER_TYPE = (
    "Transfer(uint64 account,uint64 recipient,uint32 cashGroup,uint64 micros,uint64 nonce,uint64 notAfterMs)"
)


class Trade(Wire, frozen=True, tag=1):
    """A trade agreed outside, signed by both sides' trade keys, to be novated to the house.

    `venue` is a label that is no venue's of genesis; those report their trades themselves (`TradeReport`).
    """

    venue: U63
    venue_trade_id: U63
    buyer: U63
    seller: U63
    instrument: U32
    lots: U63
    ticks: U63
    not_after_ms: U63
    buyer_signature: Bytes65
    seller_signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What both sides sign."""
        return eip712.digest(
            network,
            TRADE_TYPE,
            (
                self.venue,
                self.venue_trade_id,
                self.buyer,
                self.seller,
                self.instrument,
                self.lots,
                self.ticks,
                self.not_after_ms,
            ),
        )


class Withdrawal(Wire, frozen=True, tag=2):
    """Pay `units` (clearing units) of an asset, which names its chain, to an EVM address there."""

    account: U63
    asset: U32
    units: U63
    to: Bytes20
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the account's member signs."""
        return eip712.digest(
            network,
            WITHDRAWAL_TYPE,
            (self.account, self.asset, self.units, self.to, self.nonce, self.not_after_ms),
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
        return eip712.digest(
            network,
            TRANSFER_TYPE,
            (self.account, self.recipient, self.cash_group, self.micros, self.nonce, self.not_after_ms),
        )


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
)


def bytes_max(transaction: Transaction) -> int:
    """How long the canonical bytes of such a transaction may be."""
    if isinstance(transaction, GovernanceProposal):
        return PROPOSAL_BYTES_MAX
    return CHANGE_BYTES_MAX if isinstance(transaction, ValidatorChange) else TRANSACTION_BYTES_MAX
