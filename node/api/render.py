"""From wire values to readable JSON, and from JSON bodies to wire values.

Rule: a field's type decides how it looks, never its value: integers of at most 32 bits are numbers, wider ones strings,
bytes hex with 0x, enumerations their names in lower case.
"""

from enum import IntEnum
from functools import lru_cache
from typing import Any

import msgspec

from clearing.base.certificate import Certificate, signer_indices
from clearing.base.codec import U63, encode
from clearing.base.header import Header
from clearing.receipts import Receipt
from clearing.transactions import CashTransfer, Trade, Transaction, Withdrawal
from node.api.shapes import HeaderView, ReceiptView, TradeBody, TransferBody, WithdrawalBody
from node.api.view import ReceiptAt

_NUMBER_MAX = 2**32


def hexed(data: bytes) -> str:
    """Hex with 0x."""
    return "0x" + data.hex()


def header_view(header: Header, certificate: Certificate) -> HeaderView:
    """A certified header as the API shows it."""
    return HeaderView(
        height=header.height,
        hash=hexed(header.hash),
        time_ms=header.time_ms,
        state_root=hexed(header.state_root),
        signers=signer_indices(certificate.signers),
        header=hexed(encode(header)),
        certificate=hexed(encode(certificate)),
    )


def receipt_view(at: ReceiptAt) -> ReceiptView:
    """A receipt as the API shows it; `kind` is its type's name."""
    return ReceiptView(height=at.height, index=at.index, kind=type(at.receipt).__name__, details=named(at.receipt))


def receipt_accounts(receipt: Receipt) -> tuple[int, ...]:
    """The accounts that a receipt names, ascending: those that may read it."""
    fields = ("account", "buyer", "seller", "recipient", "named_account")
    return tuple(sorted({getattr(receipt, field) for field in fields if hasattr(receipt, field)}))


def named(value: msgspec.Struct) -> dict[str, Any]:
    """A wire struct as a JSON object."""
    return {name: _shown(getattr(value, name), info) for name, info in _fields(type(value))}


def transaction_of(body: TradeBody | WithdrawalBody | TransferBody) -> Transaction:
    """The wire transaction that a JSON body describes. Raises msgspec.ValidationError for numbers beyond 63 bits."""
    if isinstance(body, TradeBody):
        return Trade(
            venue=body.venue,
            venue_trade_id=body.venue_trade_id,
            buyer=body.buyer,
            seller=body.seller,
            instrument=body.instrument,
            lots=_whole(body.lots),
            ticks=_whole(body.price_ticks),
            not_after_ms=body.not_after_ms,
            buyer_signature=_unhex(body.buyer_signature),
            seller_signature=_unhex(body.seller_signature),
        )
    if isinstance(body, WithdrawalBody):
        return Withdrawal(
            account=body.account,
            asset=body.asset,
            units=_whole(body.amount_units),
            to=_unhex(body.to),
            nonce=body.nonce,
            not_after_ms=body.not_after_ms,
            signature=_unhex(body.signature),
        )
    return CashTransfer(
        account=body.account,
        recipient=body.recipient,
        cash_group=body.cash_group,
        micros=_whole(body.amount_micros),
        nonce=body.nonce,
        not_after_ms=body.not_after_ms,
        signature=_unhex(body.signature),
    )


def body_of(transaction: Transaction) -> TradeBody | WithdrawalBody | TransferBody:
    """The JSON body of a wire transaction, for clients."""
    if isinstance(transaction, Trade):
        return TradeBody(
            venue=transaction.venue,
            venue_trade_id=transaction.venue_trade_id,
            buyer=transaction.buyer,
            seller=transaction.seller,
            instrument=transaction.instrument,
            lots=str(transaction.lots),
            price_ticks=str(transaction.ticks),
            not_after_ms=transaction.not_after_ms,
            buyer_signature=hexed(transaction.buyer_signature),
            seller_signature=hexed(transaction.seller_signature),
        )
    if isinstance(transaction, Withdrawal):
        return WithdrawalBody(
            account=transaction.account,
            asset=transaction.asset,
            amount_units=str(transaction.units),
            to=hexed(transaction.to),
            nonce=transaction.nonce,
            not_after_ms=transaction.not_after_ms,
            signature=hexed(transaction.signature),
        )
    return TransferBody(
        account=transaction.account,
        recipient=transaction.recipient,
        cash_group=transaction.cash_group,
        amount_micros=str(transaction.micros),
        nonce=transaction.nonce,
        not_after_ms=transaction.not_after_ms,
        signature=hexed(transaction.signature),
    )


def _whole(text: str) -> int:
    return msgspec.convert(int(text), U63)


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text[2:])


@lru_cache(maxsize=128)
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, msgspec.inspect.Type], ...]:
    info = msgspec.inspect.type_info(kind)
    if not isinstance(info, msgspec.inspect.StructType):
        raise TypeError(kind)
    return tuple((field.name, field.type) for field in info.fields)


def _shown(value: Any, info: msgspec.inspect.Type) -> Any:
    if isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    if isinstance(value, msgspec.Struct):
        return named(value)
    if isinstance(value, bytes):
        return hexed(value)
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, tuple):
        if isinstance(info, msgspec.inspect.TupleType):
            return [_shown(each, item) for each, item in zip(value, info.item_types, strict=True)]
        item = info.item_type if isinstance(info, msgspec.inspect.VarTupleType) else info
        return [_shown(each, item) for each in value]
    if isinstance(value, int) and not isinstance(value, bool):
        narrow = isinstance(info, msgspec.inspect.IntType) and info.le is not None and info.le < _NUMBER_MAX
        return value if narrow else str(value)
    return value
