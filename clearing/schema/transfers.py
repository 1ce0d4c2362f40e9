"""Transfers: debit account, credit account, amount, code and cause.

Rule: data only. A number of `TransferCode` never changes. `clearing.state.ledger` moves the money.
"""

from enum import IntEnum

from clearing.base.codec import U63, Wire


class TransferCode(IntEnum):
    """Why money moved."""

    DEPOSIT = 1
    WITHDRAWAL = 2
    CASH_TRANSFER = 3
    VARIATION_MARGIN = 4
    TRADE_VARIATION = 5
    PREMIUM = 6
    TRADE_FEE = 7
    SETTLEMENT = 8
    LIQUIDATION_OPTION_VALUE = 9
    LIQUIDATION_PENALTY = 10
    COLLATERAL_BOUGHT = 11
    COLLATERAL_PAID = 12
    DEFICIT_COVERED = 13
    VENUE_FEE = 20
    TOKEN_TRANSFER = 21
    SOFT_CREDIT_LENT = 30
    SOFT_CREDIT_REPAID = 31
    SKEW_FEE = 32
    SKEW_REBATE = 33
    CASH_LEFT_GROUP = 34
    TOKEN_OF_LEFT_CASH = 35
    INTEREST = 36
    COLLATERAL_AUCTIONED = 37
    AUCTION_PAID = 38
    CLAIM_SWAPPED = 39
    FUNDING = 40
    FUNDING_ROUNDING = 41
    DELIVERY = 42
    DELIVERY_PAYMENT = 43
    DELIVERY_FAILED = 44
    SLICE_OPTION_VALUE = 50
    SLICE_DISCOUNT = 51
    PENALTY_TO_TAKER = 52
    PENALTY_TO_FUND = 53
    BACKSTOP_OPTION_VALUE = 54
    ESTATE_POOLED = 56
    DEFICIT_CURED = 57
    DEFAULT_OPTION_VALUE = 58
    DEFAULT_AUCTION_PAID = 59
    OWN_MARGIN_PAID = 60
    ASSESSMENT = 61
    GAINS_CUT = 62
    TORN_UP = 63
    DEFAULT_DEFICIT_PAID = 64
    ESTATE_COLLATERAL_TAKEN = 65
    ESTATE_COLLATERAL_PAID = 66
    FUND_CONTRIBUTION = 70
    FUND_RETURNED = 71
    FUND_DRAWN = 72
    FUND_TOKEN_RETURNED = 73
    WAITING_GIVEN_BACK = 74
    UNPAID_GIVEN_BACK = 75
    SUSPENSE_ASSIGNED = 76
    CLAIM_CUT = 93
    AFFILIATE_GAINS = 83
    INVENTORY_DISCOUNT = 88
    INVENTORY_SOLD = 89
    INVENTORY_PAID = 90
    RECOVERY_PAID = 91
    RECOVERY_IN_KIND = 92


class Transfer(Wire, frozen=True):
    """`amount` of one currency from `debit` to `credit`. `currency` is a cash group or 2^32 + asset id."""

    debit: U63
    credit: U63
    currency: U63
    amount: U63
    code: TransferCode
    cause: U63
    """The deposit or withdrawal nonce, trade id, instrument or account that it was for, as the code implies."""
