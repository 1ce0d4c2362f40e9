"""From wire values to readable JSON.

Rule: a field's type decides how it looks, never its value: integers of at most 32 bits are numbers, wider ones strings,
bytes hex with 0x, enumerations their names in lower case.
"""

from enum import IntEnum
from functools import lru_cache
from typing import Any

import msgspec

from clearing.base.certificate import Certificate, signer_indices
from clearing.base.codec import encode
from clearing.base.header import Header
from clearing.receipts import Receipt
from node.api.shapes import HeaderView, ReceiptView
from node.api.view import ReceiptAt
from node.explaining.concerned import concerned

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
    return tuple(sorted({getattr(receipt, field) for field in _naming(type(receipt))}.union(concerned(receipt))))


@lru_cache(maxsize=256)
def _naming(kind: type[Receipt]) -> tuple[str, ...]:
    """Fields (or properties) of a kind of receipt that name an account."""
    named_by = ("account", "buyer", "seller", "recipient", "named_account")
    return tuple(field for field in named_by if hasattr(kind, field))


def named(value: msgspec.Struct) -> dict[str, Any]:
    """A wire struct as a JSON object."""
    return {name: _shown(getattr(value, name), info) for name, info in _fields(type(value))}


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
