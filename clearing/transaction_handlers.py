"""The table of transaction handlers: the handler of every kind of request.

Rule: every kind of `Transaction` is listed once. A handler either applies the request at `index` of the block
completely, with receipts, or refuses it and changes nothing.
"""

from collections.abc import Callable
from typing import Any

from clearing.accounts.affiliates import declare_affiliation
from clearing.accounts.commitment_seeds import rotate_seed
from clearing.accounts.lifecycle import close_account, open_account
from clearing.accounts.porting import port_account
from clearing.accounts.standby_members import declare_standby
from clearing.accounts.transfers import swap_claims, transfer_cash, transfer_tokens
from clearing.base.errors import Rejected
from clearing.context.block_context import BlockContext
from clearing.default.default_auction import bid_for_default
from clearing.default.disposal import bid_for_inventory
from clearing.default.exit_and_readmission import leave_membership, readmit_member, rescue_client
from clearing.default.sealed_bids import commit_to_bid, reveal_bid
from clearing.default_fund.contributions import pay_contribution
from clearing.governance.halts import halt_by_house
from clearing.governance.proposals import propose_amendment
from clearing.governance.votes import count_vote
from clearing.liquidation.auction import bid_for_slice
from clearing.margin_calls.cash_calls import bid_for_collateral
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
from clearing.schema.requests.governance import EmergencyHalt, GovernanceProposal, GovernanceVote
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
from clearing.schema.requests.validators import ValidatorChange
from clearing.schema.requests.withdrawals import LimitedWithdrawal, Withdrawal, WithdrawalCancellation
from clearing.trades.bilateral_trades import novate_bundle, novate_trade
from clearing.trades.consent import set_mandate
from clearing.trades.pending_trades import cancel_trade, correct_trade, give_up_trade
from clearing.trades.reconciliation import compare_statement
from clearing.trades.reopening_auctions import place_order
from clearing.trades.reports import report_trade
from clearing.trades.session_keys import name_session_key
from clearing.trades.trade_ids import switch_venue
from clearing.validators.set_changes import change_validator_set
from clearing.withdrawals.delayed_release import cancel_withdrawal
from clearing.withdrawals.permission import request_withdrawal


def _request_withdrawal(context: BlockContext, _: int, request: Withdrawal | LimitedWithdrawal) -> Rejected | None:
    return request_withdrawal(context, request)


TRANSACTION_HANDLERS: dict[type, Callable[[BlockContext, int, Any], Rejected | None]] = {
    Trade: novate_trade,
    Withdrawal: _request_withdrawal,
    CashTransfer: transfer_cash,
    TradeReport: report_trade,
    TradeCorrection: correct_trade,
    TradeCancellation: cancel_trade,
    TradeGiveUp: give_up_trade,
    VenueMandate: set_mandate,
    VenueStatement: compare_statement,
    AccountOpening: open_account,
    AccountClosing: close_account,
    TokenTransfer: transfer_tokens,
    AccountPorting: port_account,
    VenueSwitch: switch_venue,
    ClaimSwap: swap_claims,
    CollateralBid: bid_for_collateral,
    LimitedWithdrawal: _request_withdrawal,
    ReopeningOrder: place_order,
    ValidatorChange: change_validator_set,
    DefaultBid: bid_for_default,
    ClientRescue: rescue_client,
    MemberReadmission: readmit_member,
    MemberExit: leave_membership,
    LiquidationBid: bid_for_slice,
    GovernanceProposal: propose_amendment,
    GovernanceVote: count_vote,
    EmergencyHalt: halt_by_house,
    WithdrawalCancellation: cancel_withdrawal,
    FundContribution: pay_contribution,
    SessionKey: name_session_key,
    TradeBundle: novate_bundle,
    AffiliationDeclaration: declare_affiliation,
    StandbyDeclaration: declare_standby,
    DefaultBidCommitment: commit_to_bid,
    DefaultBidReveal: reveal_bid,
    InventoryBid: bid_for_inventory,
    SeedRotation: rotate_seed,
}
