"""Receipts as readable JSON, and back.

Rule: a field's type decides how it looks, never its value: integers of at most 32 bits are numbers, wider ones strings,
bytes hex with 0x, enumerations their names in lower case. Reading is the inverse of writing; what does not have the
shape of its kind is refused, for a node may say anything.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from clearing.base.codec import decode, encode
from clearing.base.errors import CrossclearError, RemoteFault
from member.api.receipts import ReceiptAt, ReceiptView
from member.api.types import hexed
from member.codes import NodeCode

RECEIPT_BYTES_MAX = 1 << 20

T = TypeVar("T", bound=msgspec.Struct)


def receipts_of(shown: tuple[ReceiptView, ...], kinds: Mapping[str, type[Any]]) -> list[ReceiptAt]:
    """Typed receipts of these kinds, by name; others are left out. Raises RemoteFault NODE_ANSWER."""
    return [
        ReceiptAt(each.height, each.index, unnamed(each.details, kinds[each.kind]))
        for each in shown
        if each.kind in kinds
    ]


def unnamed(details: Mapping[str, Any], kind: type[T]) -> T:
    """One receipt out of its fields. Raises RemoteFault NODE_ANSWER."""
    try:
        built: T = _struct(details, kind)
        return decode(encode(built), kind, RECEIPT_BYTES_MAX)  # which checks every bound
    except (CrossclearError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise RemoteFault(NodeCode.NODE_ANSWER, kind.__name__, why=str(error)[:200]) from None


def _struct(value: Mapping[str, Any], kind: type[Any]) -> Any:
    fields = msgspec.structs.fields(kind)
    info = msgspec.inspect.type_info(kind)
    if not isinstance(info, msgspec.inspect.StructType) or set(value) != {field.name for field in fields}:
        raise ValueError(f"expected the fields of {kind.__name__}")
    return kind(**{field.name: _read(value[field.name], field.type) for field in info.fields})


def _read(value: Any, info: msgspec.inspect.Type) -> Any:
    if isinstance(info, msgspec.inspect.Metadata):
        return _read(value, info.type)
    if isinstance(info, msgspec.inspect.StructType):
        return _struct(_of(value, dict), info.cls)
    if isinstance(info, msgspec.inspect.VarTupleType):
        return tuple(_read(each, info.item_type) for each in _of(value, list))
    if isinstance(info, msgspec.inspect.TupleType):
        return tuple(_read(each, item) for each, item in zip(_of(value, list), info.item_types, strict=True))
    return _leaf(value, info)


def _leaf(value: Any, info: msgspec.inspect.Type) -> Any:
    if isinstance(info, msgspec.inspect.EnumType):
        return _member(info.cls, _of(value, str))
    if isinstance(info, msgspec.inspect.IntType):
        return int(value) if isinstance(value, str) else _of(value, int)
    if isinstance(info, msgspec.inspect.BytesType):
        return bytes.fromhex(_of(value, str).removeprefix("0x"))
    plain: dict[type, Callable[[Any], Any]] = {msgspec.inspect.BoolType: bool, msgspec.inspect.StrType: str}
    for each, wanted in plain.items():
        if isinstance(info, each):
            return _of(value, wanted)  # type: ignore[arg-type]
    raise TypeError(f"no receipt has a {type(info).__name__}")


def _member(kind: Any, name: str) -> IntEnum:
    found: IntEnum = kind[name.upper()]
    return found


def _of(value: Any, kind: type[Any]) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"expected {kind.__name__}")
    return value


_NUMBER_MAX = 2**32


def named(value: msgspec.Struct) -> dict[str, Any]:
    """A wire struct as a JSON object."""
    return {name: _json_value(getattr(value, name), info) for name, info in _fields(type(value))}


@lru_cache(maxsize=128)
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, msgspec.inspect.Type], ...]:
    info = msgspec.inspect.type_info(kind)
    if not isinstance(info, msgspec.inspect.StructType):
        raise TypeError(kind)
    return tuple((field.name, field.type) for field in info.fields)


def _json_value(value: Any, info: msgspec.inspect.Type) -> Any:
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
            return [_json_value(each, item) for each, item in zip(value, info.item_types, strict=True)]
        item = info.item_type if isinstance(info, msgspec.inspect.VarTupleType) else info
        return [_json_value(each, item) for each in value]
    if isinstance(value, int) and not isinstance(value, bool):
        narrow = isinstance(info, msgspec.inspect.IntType) and info.le is not None and info.le < _NUMBER_MAX
        return value if narrow else str(value)
    return value
