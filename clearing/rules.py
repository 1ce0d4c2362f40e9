"""Which rule judges which kind of request.

Rule: every kind of `Transaction` is here once. A rule applies the request at `index` of the block whole, with receipts,
or refuses it and changes nothing.
"""

from collections.abc import Callable
from typing import Any

from clearing.accounts.lifecycle import close_account, open_account
from clearing.accounts.porting import port_account
from clearing.accounts.requests import AccountClosing, AccountOpening, AccountPorting, TokenTransfer
from clearing.accounts.transfers import transfer_cash, transfer_tokens
from clearing.base.errors import Rejected
from clearing.collateral.auctions import bid
from clearing.collateral.requests import ClaimSwap, CollateralBid, LimitedWithdrawal
from clearing.collateral.swaps import swap
from clearing.default.auction import bid_for_default
from clearing.default.membership import leave, readmit_member, rescue_client
from clearing.default.requests import ClientRescue, DefaultBid, MemberExit, MemberReadmission
from clearing.fund.payments import contribute
from clearing.fund.requests import FundContribution
from clearing.gates.passing import cancel_withdrawal
from clearing.gates.requests import WithdrawalCancellation
from clearing.governance.halts import halt_by_house
from clearing.governance.proposals import propose
from clearing.governance.requests import EmergencyHalt, GovernanceProposal, GovernanceVote
from clearing.governance.votes import vote
from clearing.liquidation.auction import bid as bid_for_slice
from clearing.liquidation.requests import LiquidationBid
from clearing.prices.auction_requests import ReopeningOrder
from clearing.prices.auctions import take_order
from clearing.run import Run
from clearing.trades.changes import cancel_trade, correct_trade, give_up_trade
from clearing.trades.mandates import set_mandate
from clearing.trades.novation import novate
from clearing.trades.reconciliation import read_statement
from clearing.trades.reports import report_trade
from clearing.trades.requests import (
    TradeCancellation,
    TradeCorrection,
    TradeGiveUp,
    TradeReport,
    VenueMandate,
    VenueStatement,
    VenueSwitch,
)
from clearing.trades.venue_switch import switch_venue
from clearing.transactions import CashTransfer, Trade, Withdrawal
from clearing.validators.changes import change_validators
from clearing.validators.requests import ValidatorChange
from clearing.withdrawals import request_withdrawal


def _withdraw(run: Run, _: int, request: Withdrawal | LimitedWithdrawal) -> Rejected | None:
    return request_withdrawal(run, request)


RULES: dict[type, Callable[[Run, int, Any], Rejected | None]] = {
    Trade: novate,
    Withdrawal: _withdraw,
    CashTransfer: transfer_cash,
    TradeReport: report_trade,
    TradeCorrection: correct_trade,
    TradeCancellation: cancel_trade,
    TradeGiveUp: give_up_trade,
    VenueMandate: set_mandate,
    VenueStatement: read_statement,
    AccountOpening: open_account,
    AccountClosing: close_account,
    TokenTransfer: transfer_tokens,
    AccountPorting: port_account,
    VenueSwitch: switch_venue,
    ClaimSwap: swap,
    CollateralBid: bid,
    LimitedWithdrawal: _withdraw,
    ReopeningOrder: take_order,
    ValidatorChange: change_validators,
    DefaultBid: bid_for_default,
    ClientRescue: rescue_client,
    MemberReadmission: readmit_member,
    MemberExit: leave,
    LiquidationBid: bid_for_slice,
    GovernanceProposal: propose,
    GovernanceVote: vote,
    EmergencyHalt: halt_by_house,
    WithdrawalCancellation: cancel_withdrawal,
    FundContribution: contribute,
}
