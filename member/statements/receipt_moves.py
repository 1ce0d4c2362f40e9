"""Which lots a receipt moved, and which receipt is behind a transfer.

Rule: exactly what the receipt states, on both sides; receipts that do not name both sides are not here. A transfer code
that is not here belongs to any receipt of the block that names the account.
"""

from collections.abc import Callable, Iterator
from typing import Any

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.receipts.default import Deleveraged, EstatePooled, HouseTakeover, PositionsTornUp
from clearing.schema.receipts.house import InventoryClosed, InventorySold
from clearing.schema.receipts.liquidation import BackstopTakeover, Liquidated, SliceSold
from clearing.schema.transfers import TransferCode

LotsMoved = tuple[int, int, int]
"""(account, instrument, signed lots that came)."""


def lots_moved(receipt: Receipt) -> Iterator[LotsMoved]:
    """Every account's change by this receipt; nothing for other kinds."""
    moves = _MOVES_OF_KIND.get(type(receipt).__name__)
    if moves is not None:
        yield from moves(receipt)


def _moved_between(giver: int, taker: int, instrument: int, lots: int) -> Iterator[LotsMoved]:
    yield giver, instrument, -lots
    yield taker, instrument, lots


def _moved_to(taker: Callable[[Any], int]) -> Callable[[Any], Iterator[LotsMoved]]:
    def moved(receipt: Any) -> Iterator[LotsMoved]:
        for position in receipt.positions:
            yield from _moved_between(receipt.account, taker(receipt), position.instrument, position.lots)

    return moved


def _pooled(receipt: EstatePooled) -> Iterator[LotsMoved]:
    for instrument, lots in receipt.positions:
        yield from _moved_between(receipt.account, receipt.estate, instrument, lots)


def _deleveraged(receipt: Deleveraged) -> Iterator[LotsMoved]:
    for account, _, _, _, lots, _ in receipt.counterparties:
        yield from _moved_between(receipt.account, account, receipt.instrument, lots)


def _sold_by_house(receipt: InventorySold) -> Iterator[LotsMoved]:
    if receipt.instrument:
        yield from _moved_between(HOUSE_ACCOUNT, receipt.account, receipt.instrument, receipt.lots)


def _closed_by_house(receipt: InventoryClosed) -> Iterator[LotsMoved]:
    for account, _, _, lots, _ in receipt.counterparties:
        yield from _moved_between(HOUSE_ACCOUNT, account, receipt.instrument, lots)


def _torn_up(receipt: PositionsTornUp) -> Iterator[LotsMoved]:
    for account, lots, _ in receipt.positions:
        yield account, receipt.instrument, -lots


_MOVES_OF_KIND: dict[str, Callable[[Any], Iterator[LotsMoved]]] = {
    Liquidated.__name__: _moved_to(lambda _: HOUSE_ACCOUNT),
    SliceSold.__name__: _moved_to(lambda receipt: int(receipt.bidder)),
    BackstopTakeover.__name__: _moved_to(lambda receipt: int(receipt.backstop)),
    HouseTakeover.__name__: _moved_to(lambda _: HOUSE_ACCOUNT),
    EstatePooled.__name__: _pooled,
    Deleveraged.__name__: _deleveraged,
    PositionsTornUp.__name__: _torn_up,
    InventorySold.__name__: _sold_by_house,
    InventoryClosed.__name__: _closed_by_house,
}
EXACT = tuple(_MOVES_OF_KIND)
"""Kinds of receipts that state every position that they changed."""
_TRADE, _LIQUIDATION, _INSTRUMENT = ("TradeNovated", "venue_trade_id"), ("Liquidated", "account"), "instrument"
RECEIPT_OF_TRANSFER: dict[TransferCode, tuple[str, str]] = {
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
    TransferCode.BACKSTOP_OPTION_VALUE: ("BackstopTakeover", ""),
    TransferCode.ESTATE_POOLED: ("EstatePooled", "number"),
    TransferCode.DEFICIT_CURED: ("DeficitCured", ""),
    TransferCode.DEFAULT_AUCTION_PAID: ("PortfolioSold", "number"),
    TransferCode.ASSESSMENT: ("AssessmentTaken", "number"),
    TransferCode.GAINS_CUT: ("LossAllocated", "number"),
    TransferCode.TORN_UP: ("PositionsTornUp", _INSTRUMENT),
    TransferCode.ESTATE_COLLATERAL_TAKEN: ("CollateralTaken", "account"),
    TransferCode.ESTATE_COLLATERAL_PAID: ("CollateralTaken", "account"),
    TransferCode.WAITING_GIVEN_BACK: ("WithdrawalRefunded", ""),
    TransferCode.UNPAID_GIVEN_BACK: ("WithdrawalRefunded", ""),
    TransferCode.INVENTORY_DISCOUNT: ("InventorySold", _INSTRUMENT),
    TransferCode.INVENTORY_SOLD: ("InventorySold", "number"),
    TransferCode.INVENTORY_PAID: ("InventorySold", "number"),
    TransferCode.RECOVERY_PAID: ("RecoveryPaid", "number"),
    TransferCode.RECOVERY_IN_KIND: ("RecoveryEnded", "number"),
}
"""The receipt behind a transfer: its kind, and the field with the transfer's cause ("": any that names the
account). For other codes, any receipt of the block that names the account."""

SECOND_RECEIPT_OF_TRANSFER: dict[TransferCode, str] = {
    TransferCode.WITHDRAWAL: "WithdrawalDelayed",
    TransferCode.PENALTY_TO_TAKER: "BackstopTakeover",
    TransferCode.PENALTY_TO_FUND: "BackstopTakeover",
}
"""Another kind of receipt that may be the one behind it, where it names the account."""
