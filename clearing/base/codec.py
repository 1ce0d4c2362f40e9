"""The canonical codec: one value has exactly one encoding, and every decode is bounded.

Rule: MessagePack arrays in field order, typed by `Wire` structs. Decoding checks the size, then the type, then that
encoding the result again gives the same bytes (MessagePack has five encodings of the integer 1; this leaves one).
Floats, untyped values and recursive types are refused when a type is first used, so the type bounds the depth. Integers
beyond 64 bits are encoded as fixed big-endian bytes (`u256`, `U256Bytes`).
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import msgspec

from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from clearing.base.known_types import known_type

Bytes20 = Annotated[bytes, msgspec.Meta(min_length=20, max_length=20)]
Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Bytes48 = Annotated[bytes, msgspec.Meta(min_length=48, max_length=48)]
Bytes64 = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
Bytes65 = Annotated[bytes, msgspec.Meta(min_length=65, max_length=65)]
Bytes96 = Annotated[bytes, msgspec.Meta(min_length=96, max_length=96)]
U8 = Annotated[int, msgspec.Meta(ge=0, le=2**8 - 1)]
U32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
U63 = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
I64 = Annotated[int, msgspec.Meta(ge=-(2**63) + 1, le=2**63 - 1)]
U256Bytes = Bytes32

DEFAULT_LIMIT = 1 << 20

T = TypeVar("T")


class Wire(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of everything that is hashed, signed, stored or sent. Fields are an array in the order of declaration."""


def u256(value: int) -> bytes:
    """`value` as 32 big-endian bytes. Raises OverflowError outside [0, 2^256)."""
    return value.to_bytes(32, "big")


def encode(value: Any) -> bytes:
    """The canonical bytes of a `Wire` struct or of a tuple of them."""
    return msgspec.msgpack.encode(value)


def encode_trimmed(value: Any, kept: Mapping[type, int]) -> bytes:
    """`encode`, without the trailing fields that have their default, at every level: of each struct that `kept` names,
    beyond so many first fields. What a later release adds, off by default, then leaves bytes as they were."""
    return encode(_trimmed(value, kept))


def _trimmed(value: Any, kept: Mapping[type, int]) -> Any:
    if isinstance(value, tuple):
        return tuple(_trimmed(element, kept) for element in value)
    if not isinstance(value, Wire):
        return value
    tag = type(value).__struct_config__.tag
    fields = [_trimmed(getattr(value, name), kept) for name in stated_fields(value, kept)]
    return fields if tag is None else [tag, *fields]


def stated_fields(value: Wire, kept: Mapping[type, int]) -> tuple[str, ...]:
    """Names of the fields that `encode_trimmed` writes of a struct."""
    names, defaults = value.__struct_fields__, type(value).__struct_defaults__
    count, required = len(names), len(names) - len(defaults)
    least = max(kept.get(type(value), count), required)
    while count > least and getattr(value, names[count - 1]) == defaults[count - 1 - required]:
        count -= 1
    return names[:count]


def decode(data: bytes, kind: type[T], limit: int = DEFAULT_LIMIT) -> T:
    """Decode the canonical encoding of a `kind`.

    Raises RemoteFault: OVERSIZE above `limit` bytes, MALFORMED when the bytes are not a `kind`, NON_CANONICAL when they
    differ from the output of `encode`.
    """
    if len(data) > limit:
        raise RemoteFault(BaseCode.OVERSIZE, type_name(kind), bytes=len(data), limit=limit)
    try:
        untyped: Any = kind  # mypy does not see that a type is hashable
        value: T = _decoder(untyped).decode(data)
        same = msgspec.msgpack.encode(value) == data
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, OverflowError) as error:
        raise RemoteFault(BaseCode.MALFORMED, type_name(kind), why=str(error)) from None
    if not same:
        raise RemoteFault(BaseCode.NON_CANONICAL, type_name(kind), bytes=len(data))
    return value


def type_name(kind: object) -> str:
    """The name of a type in refusals."""
    return getattr(kind, "__name__", str(kind))


@lru_cache(maxsize=512)
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    known = known_type(kind)
    _check(msgspec.inspect.type_info(known), type_name(kind), ())
    return msgspec.msgpack.Decoder(known)


_LEAVES = (
    msgspec.inspect.IntType,
    msgspec.inspect.BytesType,
    msgspec.inspect.StrType,
    msgspec.inspect.BoolType,
    msgspec.inspect.NoneType,
    msgspec.inspect.EnumType,
    msgspec.inspect.LiteralType,
)


def _check(info: msgspec.inspect.Type, at: str, above: tuple[type, ...]) -> None:
    """Refuse types with more than one encoding or with unbounded depth. Raises LocalFault."""
    if isinstance(info, _LEAVES):
        return None
    if isinstance(info, msgspec.inspect.Metadata):
        return _check(info.type, at, above)
    if isinstance(info, msgspec.inspect.StructType):
        if info.cls in above or not info.array_like or not info.forbid_unknown_fields:
            raise LocalFault(BaseCode.MALFORMED, at, why=f"{info.cls.__name__} is recursive or not a Wire struct")
        for field in info.fields:
            _check(field.type, f"{at}.{field.name}", (*above, info.cls))
        return None
    if isinstance(info, msgspec.inspect.VarTupleType):
        return _check(info.item_type, at, above)
    if isinstance(info, msgspec.inspect.TupleType):
        for kind in info.item_types:
            _check(kind, at, above)
        return None
    if isinstance(info, msgspec.inspect.UnionType):
        for kind in info.types:
            _check(kind, at, above)
        return None
    raise LocalFault(BaseCode.MALFORMED, at, why=f"{type(info).__name__} has no canonical encoding")
