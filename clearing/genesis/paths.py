"""Places of genesis by path: reading, and writing into a copy.

Rule: a path is field names joined by dots, with ids where a list is ordered by id; a list without ids is one place. A
new value is decoded as the type of its place, canonical and bounded, so no path can write a value of another type.
Pure; it must not know what may be changed.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from clearing.base.codec import encode_trimmed
from clearing.base.errors import BaseCode, Rejected, RemoteFault
from clearing.base.known_types import known_type
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.requests.governance import NO_VALUE, VALUE_BYTES_MAX, TermsChange, value_hash
from clearing.schema.risk.charges import LotCharge
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.terms.assets import Asset, CashGroup, Feed
from clearing.schema.terms.chains import ChainTerms
from clearing.schema.terms.genesis import FIRST_FIELDS, AccountTerms, Genesis, MemberTerms, VenueTerms
from clearing.schema.terms.instruments import Instrument
from clearing.schema.terms.surfaces import SurfaceTerms

AT = "amendment"
ID_FIELDS: dict[type, str] = {
    ChainTerms: "chain_id",
    Feed: "id",
    CashGroup: "id",
    Asset: "id",
    Instrument: "id",
    MemberTerms: "id",
    AccountTerms: "id",
    VenueTerms: "id",
    RiskGroup: "id",
    LotCharge: "instrument",
    SurfaceTerms: "group",
}
"""Elements of these lists are ordered and named by that field."""


class UnknownPathError(Exception):
    """A path that does not exist; the message says where it ends."""


def change_genesis(genesis: Genesis, changes: tuple[TermsChange, ...]) -> Genesis | Rejected:
    """`genesis` with all changes, in order, or the reason of the refusal. Nothing else is checked."""
    for change in changes:
        steps = tuple(change.path.split("."))
        try:
            present = _read(Genesis, genesis, steps)
            if (value_hash(value_bytes(present)) if present is not None else NO_VALUE) != change.before:
                return reject(ClearingCode.AMENDMENT_STALE, AT, path=change.path, before=change.before)
            genesis = _write(Genesis, genesis, steps, change.after)
        except UnknownPathError as fault:
            return reject(ClearingCode.BAD_AMENDMENT, AT, path=change.path, why=str(fault))
        except RemoteFault as fault:
            return reject(ClearingCode.BAD_AMENDMENT, AT, path=change.path, why=fault.code.name)
    return genesis


def value_at(genesis: Genesis, path: str) -> Any:
    """The value at a path; None: an element that is not listed. Raises UnknownPathError."""
    return _read(Genesis, genesis, tuple(path.split(".")))


def type_at(path: str) -> Any:
    """The type of the value at a path. Raises UnknownPathError."""
    kind: Any = Genesis
    for step in path.split("."):
        element = _element_type(kind)
        kind = element[0] if element else _field_type(kind, step)
    return kind


def change_at(genesis: Genesis, path: str, after: Any) -> TermsChange:
    """The change that writes `after` at a path; None removes the element. Raises UnknownPathError."""
    present = value_at(genesis, path)
    before = NO_VALUE if present is None else value_hash(value_bytes(present))
    return TermsChange(path, before, b"" if after is None else value_bytes(after))


def value_bytes(value: Any) -> bytes:
    """The canonical bytes of a place's value: without what later releases added and is off, so that an amendment that
    was enacted under an earlier release means the same."""
    return encode_trimmed(value, FIRST_FIELDS)


def _read(kind: Any, value: Any, steps: tuple[str, ...]) -> Any:
    if not steps:
        return value
    element = _element_type(kind)
    if element is None:
        field = _field_type(kind, steps[0])
        return _read(field, getattr(value, steps[0]), steps[1:])
    element_type, name = element
    found = next((item for item in value if getattr(item, name) == _number(steps[0])), None)
    if found is None and steps[1:]:
        raise UnknownPathError(f"{steps[0]} is not listed")
    return _read(element_type, found, steps[1:]) if found is not None else None


def _write(kind: Any, value: Any, steps: tuple[str, ...], after: bytes) -> Any:
    if not steps:
        return decode_value(after, kind)
    element = _element_type(kind)
    if element is None:
        field = _field_type(kind, steps[0])
        if len(steps) == 1 and not after:
            raise UnknownPathError(f"{steps[0]} is a field: it cannot be removed")
        return msgspec.structs.replace(value, **{steps[0]: _write(field, getattr(value, steps[0]), steps[1:], after)})
    element_type, name = element
    number = _number(steps[0])
    others = [item for item in value if getattr(item, name) != number]
    if len(steps) == 1 and not after:
        return tuple(others)
    present = next((item for item in value if getattr(item, name) == number), None)
    written = _write(element_type, present, steps[1:], after)
    if getattr(written, name) != number:
        raise UnknownPathError(f"{steps[0]} is not the {name} of the new element")
    ordering: Callable[[Any], int] = lambda item: getattr(item, name)  # noqa: E731
    return tuple(sorted((*others, written), key=ordering))


def decode_value(data: bytes, kind: Any) -> Any:
    """A place's value. Raises RemoteFault OVERSIZE, MALFORMED, NON_CANONICAL for bytes other than `value_bytes`."""
    if len(data) > VALUE_BYTES_MAX:
        raise RemoteFault(BaseCode.OVERSIZE, "value", bytes=len(data), limit=VALUE_BYTES_MAX)
    try:
        value = msgspec.msgpack.decode(data, type=known_type(kind))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, OverflowError) as error:
        raise RemoteFault(BaseCode.MALFORMED, "value", why=str(error)) from None
    if value_bytes(value) != data:
        raise RemoteFault(BaseCode.NON_CANONICAL, "value", bytes=len(data))
    return value


def _element_type(kind: Any) -> tuple[Any, str] | None:
    """For a list ordered by id: the type of its elements and the name of the id field."""
    if get_origin(kind) is tuple and len(get_args(kind)) == 2 and get_args(kind)[1] is ...:
        item_type = get_args(kind)[0]
        if isinstance(item_type, type) and item_type in ID_FIELDS:
            return item_type, ID_FIELDS[item_type]
    return None


def _field_type(kind: Any, step: str) -> Any:
    fields = _fields(kind)
    if step not in fields:
        raise UnknownPathError(f"there is no field {step[:32]}")
    return fields[step]


@cache
def _fields(kind: Any) -> dict[str, Any]:
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return {}
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind.__struct_fields__}


def _number(step: str) -> int:
    if not step.isascii() or not step.isdigit() or len(step) > 19 or str(int(step)) != step:
        raise UnknownPathError(f"{step[:32]} is not an id")
    return int(step)
