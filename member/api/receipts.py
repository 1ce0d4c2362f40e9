"""Receipts as readable JSON and back, on pages, and what is for sale in calls, liquidations and defaults.

Rule: a field's type decides how it looks, never its value: integers of at most 32 bits are numbers, wider ones
strings, bytes hex with 0x, enumerations their names in lower case. Reading is the inverse of writing; what does not
have the shape of its kind is refused, for a node may say anything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from clearing.base.codec import decode, encode
from clearing.base.errors import CrossclearError, RemoteFault
from clearing.base.known_types import known_type
from clearing.schema.blocks.receipt import Receipt
from member.api.types import Body, Decimal, Id, Natural, SmallId, hexed
from member.codes import NodeCode


class InstrumentTicks(Body, frozen=True):
    """What the arithmetic of receipts needs of an instrument."""

    instrument: SmallId
    name: Annotated[str, Meta(max_length=64)]
    micros_per_tick: Natural
    """What a tick is worth for one lot."""
    cash_group: SmallId


class SlicePosition(Body, frozen=True):
    """A position of an account in liquidation."""

    instrument: SmallId
    lots: Decimal


class SliceSale(Body, frozen=True):
    """Slices that can be bid for in the next block. A `liquidation_bid` names account and height."""

    account: Id
    """Of another member: its mask, which a bid takes as well."""
    opened_height: Id
    discount_ppm: SmallId
    """Of the notional at the mark, in the next block."""
    slice_max_ppm: SmallId
    """No bid takes a larger share; less where less restores initial margin."""
    last_height: Id
    positions: tuple[SlicePosition, ...]


class ReceiptView(Body, frozen=True):
    """One receipt. `details` has the receipt's own fields; wide integers are strings."""

    height: int
    index: int
    kind: str
    details: dict[str, Any]


class LiquidationPage(Body, frozen=True):
    """Receipts of calls and liquidations in the order asked for. `next` is the `after` of the next page, or empty.

    An account of another member is a number from 2^62 on, the same in every receipt and at every node.
    """

    receipts: tuple[ReceiptView, ...]
    next: str
    instruments: tuple[InstrumentTicks, ...]
    sales: tuple[SliceSale, ...]
    """At most 256, those that end first."""


class DefaultUnderWay(Body, frozen=True):
    """A default that has not ended. Bids and porting are possible up to and including these heights; 0: not."""

    number: Id
    member: Id
    phase: Annotated[str, Meta(max_length=16)]
    declared_height: Id
    auction_height: Id
    porting_height: Id
    deadline_height: Id
    """By which it has ended."""
    slices: SmallId
    """A bid is for so many of them."""
    positions: tuple[SlicePosition, ...]
    """For sale: the whole portfolio, as far as its prices are open."""
    reveal_height: Id = 0
    """Bids are sealed: a `default_bid_commitment` is accepted before this height, and a `default_bid_reveal` from it
    on; 0: they are open, and a `default_bid` is accepted."""


class DefaultPage(Body, frozen=True):
    """Receipts of defaults in the order asked for, masked as those of liquidations; `next` as there."""

    receipts: tuple[ReceiptView, ...]
    next: str
    instruments: tuple[InstrumentTicks, ...]
    under_way: tuple[DefaultUnderWay, ...]


class FundPage(Body, frozen=True):
    """Receipts of the default fund in the order asked for, masked as those of liquidations; `next` as there."""

    receipts: tuple[ReceiptView, ...]
    next: str
    instruments: tuple[InstrumentTicks, ...]


@dataclass(frozen=True, slots=True)
class ReceiptAt:
    """One receipt and its place."""

    height: int
    index: int
    receipt: Receipt


class Series(IntEnum):
    """Receipts that all members may read, masked. The numbers stand beside account numbers in the store."""

    LIQUIDATIONS = -1
    DEFAULTS = -2
    FUND = -3


RECEIPTS_MAX = 500


class ReceiptPage(Body, frozen=True):
    """Receipts in the order asked for. `next` is the `after` of the next page; empty at the end."""

    receipts: tuple[ReceiptView, ...]
    next: str


RECEIPT_BYTES_MAX = 1 << 20
T = TypeVar("T", bound=msgspec.Struct)


def receipts_of(shown: tuple[ReceiptView, ...], kinds: Mapping[str, type[Any]]) -> list[ReceiptAt]:
    """Typed receipts of these kinds, by name; others are left out. Raises RemoteFault NODE_ANSWER."""
    return [
        ReceiptAt(view.height, view.index, unnamed(view.details, kinds[view.kind]))
        for view in shown
        if view.kind in kinds
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
    info = msgspec.inspect.type_info(known_type(kind))
    if not isinstance(info, msgspec.inspect.StructType) or set(value) != {field.name for field in fields}:
        raise ValueError(f"expected the fields of {kind.__name__}")
    return kind(**{field.name: _read(value[field.name], field.type) for field in info.fields})


def _read(value: Any, info: msgspec.inspect.Type) -> Any:
    if isinstance(info, msgspec.inspect.Metadata):
        return _read(value, info.type)
    if isinstance(info, msgspec.inspect.StructType):
        return _struct(_of(value, dict), info.cls)
    if isinstance(info, msgspec.inspect.VarTupleType):
        return tuple(_read(item, info.item_type) for item in _of(value, list))
    if isinstance(info, msgspec.inspect.TupleType):
        return tuple(_read(item, kind) for item, kind in zip(_of(value, list), info.item_types, strict=True))
    return _leaf(value, info)


def _leaf(value: Any, info: msgspec.inspect.Type) -> Any:
    if isinstance(info, msgspec.inspect.EnumType):
        return _member(info.cls, _of(value, str))
    if isinstance(info, msgspec.inspect.IntType):
        return int(value) if isinstance(value, str) else _of(value, int)
    if isinstance(info, msgspec.inspect.BytesType):
        return bytes.fromhex(_of(value, str).removeprefix("0x"))
    plain: dict[type, Callable[[Any], Any]] = {msgspec.inspect.BoolType: bool, msgspec.inspect.StrType: str}
    for type_info, wanted in plain.items():
        if isinstance(info, type_info):
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
    info = msgspec.inspect.type_info(known_type(kind))
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
            return [_json_value(item, kind) for item, kind in zip(value, info.item_types, strict=True)]
        kind = info.item_type if isinstance(info, msgspec.inspect.VarTupleType) else info
        return [_json_value(item, kind) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        narrow = isinstance(info, msgspec.inspect.IntType) and info.le is not None and info.le < _NUMBER_MAX
        return value if narrow else str(value)
    return value
