"""Which receipt tells of a transfer: by the transfer's code, its kind and the field that holds the cause.

Rule: data only; codes that are not here are told by any receipt of the block that names the account.
"""

from clearing.transfers import TransferCode

_TRADE, _LIQUIDATION, _INSTRUMENT = ("TradeNovated", "venue_trade_id"), ("Liquidated", "account"), "instrument"
TOLD_BY: dict[TransferCode, tuple[str, str]] = {
    TransferCode.DEPOSIT: ("DepositCredited", "nonce"),
    TransferCode.WITHDRAWAL: ("WithdrawalReleased", ""),
    TransferCode.CASH_TRANSFER: ("CashTransferred", "nonce"),
    TransferCode.VARIATION_MARGIN: ("Marked", _INSTRUMENT),
    TransferCode.TRADE_VARIATION: _TRADE,
    TransferCode.PREMIUM: _TRADE,
    TransferCode.TRADE_FEE: _TRADE,
    TransferCode.VENUE_FEE: _TRADE,
    TransferCode.SETTLEMENT: ("Settled", _INSTRUMENT),
    TransferCode.FUNDING: ("FundingPaid", _INSTRUMENT),
    TransferCode.FUNDING_ROUNDING: ("FundingPaid", _INSTRUMENT),
    TransferCode.DELIVERY: ("Delivered", _INSTRUMENT),
    TransferCode.DELIVERY_PAYMENT: ("Delivered", _INSTRUMENT),
    TransferCode.DELIVERY_FAILED: ("DeliveryFailed", _INSTRUMENT),
    TransferCode.LIQUIDATION_OPTION_VALUE: _LIQUIDATION,
    TransferCode.LIQUIDATION_PENALTY: _LIQUIDATION,
    TransferCode.COLLATERAL_BOUGHT: _LIQUIDATION,
    TransferCode.COLLATERAL_PAID: _LIQUIDATION,
    TransferCode.DEFICIT_COVERED: _LIQUIDATION,
    TransferCode.SKEW_FEE: ("SkewFeePaid", ""),
    TransferCode.SKEW_REBATE: ("SkewFeePaid", ""),
    TransferCode.FUND_CONTRIBUTION: ("FundPaid", "member"),
    TransferCode.FUND_RETURNED: ("FundReturned", "member"),
    TransferCode.FUND_TOKEN_RETURNED: ("FundReturned", "member"),
    TransferCode.FUND_DRAWN: ("FundDrawn", "cause"),
    TransferCode.SLICE_OPTION_VALUE: ("SliceSold", ""),
    TransferCode.SLICE_DISCOUNT: ("SliceSold", "account"),
    TransferCode.PENALTY_TO_TAKER: ("SliceSold", "account"),
    TransferCode.PENALTY_TO_FUND: ("SliceSold", "account"),
    TransferCode.BACKSTOP_OPTION_VALUE: ("BackstopTook", ""),
    TransferCode.ESTATE_POOLED: ("EstatePooled", "number"),
    TransferCode.DEFICIT_CURED: ("DeficitCured", ""),
    TransferCode.DEFAULT_AUCTION_PAID: ("PortfolioSold", "number"),
    TransferCode.ASSESSMENT: ("AssessmentTaken", "number"),
    TransferCode.GAINS_CUT: ("LossShared", "number"),
    TransferCode.TORN_UP: ("TornUp", _INSTRUMENT),
    TransferCode.ESTATE_COLLATERAL_TAKEN: ("CollateralTaken", "account"),
    TransferCode.ESTATE_COLLATERAL_PAID: ("CollateralTaken", "account"),
    TransferCode.FUND_CONTRIBUTION: ("FundPaid", "member"),
    TransferCode.FUND_RETURNED: ("FundReturned", "member"),
    TransferCode.FUND_DRAWN: ("FundDrawn", "cause"),
    TransferCode.WAITING_GIVEN_BACK: ("WithdrawalGivenBack", ""),
    TransferCode.UNPAID_GIVEN_BACK: ("WithdrawalGivenBack", ""),
}
"""The receipt behind a transfer: its kind, and the field that holds the transfer's cause ("": any that names the
account). For other codes, any receipt of the block that names the account."""

ALSO_TOLD_BY: dict[TransferCode, str] = {
    TransferCode.WITHDRAWAL: "WithdrawalWaits",
    TransferCode.PENALTY_TO_TAKER: "BackstopTook",
    TransferCode.PENALTY_TO_FUND: "BackstopTook",
}
"""Another kind of receipt that may be the one behind it, where it names the account."""
