"""Places of genesis by path: reading, and writing into a copy.

Rule: a path is field names and, where a list is ordered by id, ids, with points between; a list without ids is one
place. What is written is decoded as the type that stands there, canonical and bounded, so no path can put anything
where it does not belong. Pure; it must not know what may be changed.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from clearing.base.codec import decode, encode
from clearing.base.errors import Rejected, RemoteFault
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.requests.amendments import NO_VALUE, VALUE_BYTES_MAX, TermsChange, value_hash
from clearing.schema.risk.charges import LotCharge
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.terms.assets import Asset, CashGroup, Feed
from clearing.schema.terms.genesis import AccountTerms, ChainTerms, Genesis, MemberTerms, VenueTerms
from clearing.schema.terms.instruments import Instrument

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
}
"""Lists of these are ordered by that field, and an element is named by it."""


class UnknownPathError(Exception):
    """A path that leads nowhere; the message says where it ends."""


def change_genesis(genesis: Genesis, changes: tuple[TermsChange, ...]) -> Genesis | Rejected:
    """`genesis` with all changes, in order, or why not: nothing else is checked."""
    for change in changes:
        steps = tuple(change.path.split("."))
        try:
            present = _read(Genesis, genesis, steps)
            if (value_hash(encode(present)) if present is not None else NO_VALUE) != change.before:
                return reject(ClearingCode.AMENDMENT_STALE, AT, path=change.path, before=change.before)
            genesis = _write(Genesis, genesis, steps, change.after)
        except UnknownPathError as fault:
            return reject(ClearingCode.BAD_AMENDMENT, AT, path=change.path, why=str(fault))
        except RemoteFault as fault:
            return reject(ClearingCode.BAD_AMENDMENT, AT, path=change.path, why=fault.code.name)
    return genesis


def value_at(genesis: Genesis, path: str) -> Any:
    """What stands at a path; None: an element that is not listed. Raises UnknownPathError."""
    return _read(Genesis, genesis, tuple(path.split(".")))


def type_at(path: str) -> Any:
    """The type of what stands at a path. Raises UnknownPathError."""
    kind: Any = Genesis
    for step in path.split("."):
        element = _element_type(kind)
        kind = element[0] if element else _field_type(kind, step)
    return kind


def change_at(genesis: Genesis, path: str, after: Any) -> TermsChange:
    """The change that puts `after` at a path, None: that takes it off. Raises UnknownPathError."""
    present = value_at(genesis, path)
    before = NO_VALUE if present is None else value_hash(encode(present))
    return TermsChange(path, before, b"" if after is None else encode(after))


def _read(kind: Any, value: Any, steps: tuple[str, ...]) -> Any:
    if not steps:
        return value
    element = _element_type(kind)
    if element is None:
        field = _field_type(kind, steps[0])
        return _read(field, getattr(value, steps[0]), steps[1:])
    each, name = element
    found = next((one for one in value if getattr(one, name) == _number(steps[0])), None)
    if found is None and steps[1:]:
        raise UnknownPathError(f"{steps[0]} is not listed")
    return _read(each, found, steps[1:]) if found is not None else None


def _write(kind: Any, value: Any, steps: tuple[str, ...], after: bytes) -> Any:
    if not steps:
        return decode(after, kind, VALUE_BYTES_MAX)
    element = _element_type(kind)
    if element is None:
        field = _field_type(kind, steps[0])
        if len(steps) == 1 and not after:
            raise UnknownPathError(f"{steps[0]} is a field: it cannot be taken off")
        return msgspec.structs.replace(value, **{steps[0]: _write(field, getattr(value, steps[0]), steps[1:], after)})
    each, name = element
    number = _number(steps[0])
    kept = [one for one in value if getattr(one, name) != number]
    if len(steps) == 1 and not after:
        return tuple(kept)
    present = next((one for one in value if getattr(one, name) == number), None)
    written = _write(each, present, steps[1:], after)
    if getattr(written, name) != number:
        raise UnknownPathError(f"{steps[0]} is not the {name} of what is to stand there")
    ordering: Callable[[Any], int] = lambda one: getattr(one, name)  # noqa: E731
    return tuple(sorted((*kept, written), key=ordering))


def _element_type(kind: Any) -> tuple[Any, str] | None:
    """Of a list that is ordered by id: the type of its elements and the field that is the id."""
    if get_origin(kind) is tuple and len(get_args(kind)) == 2 and get_args(kind)[1] is ...:
        each = get_args(kind)[0]
        if isinstance(each, type) and each in ID_FIELDS:
            return each, ID_FIELDS[each]
    return None


def _field_type(kind: Any, step: str) -> Any:
    fields = _fields(kind)
    if step not in fields:
        raise UnknownPathError(f"nothing is called {step[:32]} there")
    return fields[step]


@cache
def _fields(kind: Any) -> dict[str, Any]:
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return {}
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind.__struct_fields__}


def _number(step: str) -> int:
    if not step.isascii() or not step.isdigit() or len(step) > 19 or str(int(step)) != step:
        raise UnknownPathError(f"{step[:32]} is no id")
    return int(step)
