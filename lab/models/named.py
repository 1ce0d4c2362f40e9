"""`Wire` structs as JSON objects with named fields, read from anywhere.

Rule: a file may be hostile: size, depth, counts and every leaf are checked, and a refusal names the path of what is
wrong. Decimal literals are taken by their digits, so that no float ever exists. It must not know what the types mean.
"""

import json
import re
from collections import Counter
from functools import cache
from typing import Any, TypeVar

import msgspec

from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.known_types import known_type
from clearing.base.plain_json import check_nesting
from lab.models.numbers import plain_decimal

FILE_BYTES_MAX = 4 << 20
ITEMS_MAX = 4096
"""In one list."""
TEXT_MAX = 128

T = TypeVar("T", bound=msgspec.Struct)


class _Literal(str):
    """A decimal literal of the file."""

    __slots__ = ()


def from_json(data: bytes, kind: type[T], limit: int = FILE_BYTES_MAX) -> T:
    """Read one `kind` from JSON. Raises RemoteFault OVERSIZE, MALFORMED at the path of what is wrong."""
    if len(data) > limit:
        raise RemoteFault(BaseCode.OVERSIZE, "file", bytes=len(data), limit=limit)
    check_nesting(data, "file")
    try:
        value = json.loads(data, parse_float=_literal, parse_constant=_refuse, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise RemoteFault(BaseCode.MALFORMED, "file", why=str(error)) from None
    return from_named(value, kind, "")


def from_named(value: object, kind: type[T], at: str) -> T:
    """Named JSON values as a `kind`. Raises RemoteFault MALFORMED with the path, which starts with `at`."""
    built: T = _read(_info(kind), value, at)
    return built


def to_named(value: object) -> Any:
    """What `from_named` reads: objects with the fields' names; a member of a union states its `kind`."""
    if isinstance(value, msgspec.Struct):
        kind = {} if value.__struct_config__.tag is None else {"kind": value.__struct_config__.tag}
        return kind | {name: to_named(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return [to_named(item) for item in value]
    return value


@cache
def _info(kind: type[msgspec.Struct]) -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(known_type(kind))


def _read(info: msgspec.inspect.Type, value: Any, at: str) -> Any:
    if isinstance(info, msgspec.inspect.Metadata):
        return _read(info.type, value, at)
    if isinstance(info, msgspec.inspect.StructType):
        return _struct(info, value, at)
    if isinstance(info, msgspec.inspect.VarTupleType):
        if not isinstance(value, list):
            raise _malformed(at, "expected a list")
        if len(value) > ITEMS_MAX:
            raise RemoteFault(BaseCode.OVERSIZE, at, items=len(value), limit=ITEMS_MAX)
        return tuple(_read(info.item_type, item, f"{at}[{index}]") for index, item in enumerate(value))
    if isinstance(info, msgspec.inspect.UnionType):
        return _union(info, value, at)
    return _leaf(info, value, at)


def _struct(info: msgspec.inspect.StructType, value: Any, at: str) -> Any:
    names = [field.name for field in info.fields]
    if not isinstance(value, dict):
        raise _malformed(at, f"expected an object with {', '.join(names)}")
    for name in value:
        if name not in names and not (name == "kind" and info.tag is not None):
            raise _malformed(_below(at, name), f"no such field; there are {', '.join(names)}")
    fields: dict[str, Any] = {}
    for field in info.fields:
        if field.name in value:
            fields[field.name] = _read(field.type, value[field.name], _below(at, field.name))
        elif field.required:
            raise _malformed(_below(at, field.name), "missing")
    return info.cls(**fields)


def _union(info: msgspec.inspect.UnionType, value: Any, at: str) -> Any:
    structs = {kind.tag: kind for kind in info.types if isinstance(kind, msgspec.inspect.StructType)}
    nothing = any(isinstance(kind, msgspec.inspect.NoneType) for kind in info.types)
    if value is None and nothing:
        return None
    if len(structs) == 1 and None in structs:
        return _struct(structs[None], value, at)
    if structs:
        kind = value.get("kind") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in structs:
            raise _malformed(_below(at, "kind"), f"expected one of {', '.join(sorted(map(str, structs)))}")
        return _struct(structs[kind], value, at)
    for part in info.types:
        if isinstance(part, msgspec.inspect.IntType) and isinstance(value, int) and not isinstance(value, bool):
            fits = (part.ge is None or value >= part.ge) and (part.le is None or value <= part.le)
            value = value if fits else str(value) if -(10**40) < value < 10**40 else "too large"
        if isinstance(part, msgspec.inspect.StrType) and isinstance(value, str):
            return _leaf(part, str(value), at)
        if isinstance(part, msgspec.inspect.IntType) and isinstance(value, int) and not isinstance(value, bool):
            return value
    raise _malformed(at, "expected an integer or a decimal in a string")


def _leaf(info: msgspec.inspect.Type, value: Any, at: str) -> Any:
    if isinstance(info, msgspec.inspect.LiteralType):
        if not isinstance(value, str) or value not in info.values:
            raise _malformed(at, f"expected one of {', '.join(map(str, info.values))}")
        return value
    if isinstance(info, msgspec.inspect.BoolType) and isinstance(value, bool):
        return value
    if isinstance(info, msgspec.inspect.IntType) and isinstance(value, int) and not isinstance(value, bool):
        if (info.ge is not None and value < info.ge) or (info.le is not None and value > info.le):
            raise _malformed(at, f"expected an integer from {info.ge} to {info.le}")
        return value
    if isinstance(info, msgspec.inspect.StrType) and isinstance(value, str) and not isinstance(value, _Literal):
        if info.pattern is not None and not re.search(info.pattern, value):
            raise _malformed(at, "not of the expected form", value=ascii(value[:TEXT_MAX])[1:-1])
        if not value.isprintable() or len(value) > (info.max_length or TEXT_MAX):
            raise _malformed(at, f"longer than {info.max_length or TEXT_MAX} characters or not printable")
        if info.min_length is not None and len(value) < info.min_length:
            raise _malformed(at, "empty")
        return value
    raise _malformed(at, f"expected {type(info).__name__.removesuffix('Type').lower()}")


def _literal(text: str) -> _Literal:
    return _Literal(plain_decimal(text))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the field {twice[:TEXT_MAX]!r} appears twice in one object")
    return found


def _refuse(literal: str) -> Any:
    raise ValueError(f"{literal} is no number")


def _below(at: str, name: str) -> str:
    printed = name if len(name) <= TEXT_MAX and name.isprintable() else "?"
    return f"{at}.{printed}" if at else printed


def _malformed(at: str, why: str, **values: str) -> RemoteFault:
    return RemoteFault(BaseCode.MALFORMED, at or "file", why=why, **values)
