"""Values of the terms as people write and read them: JSON with the names of fields, as in genesis.json."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import msgspec

from clearing.base.codec import decode
from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from clearing.base.plain_json import DuplicateNameError, read_json
from clearing.genesis.json import genesis_part_from_json, genesis_part_to_json
from clearing.genesis.paths import UnknownPathError, type_at, value_at
from clearing.schema.requests.amendments import VALUE_BYTES_MAX, Amendment, TermsChange
from clearing.schema.terms.genesis import Genesis

_KINDS = {
    "TermsAmendment": "terms",
    "ValidatorsAmendment": "validators",
    "VaultDetachment": "detachment",
    "InstrumentHalt": "halt",
    "InstrumentResumption": "resumption",
    "SuspenseAssignment": "suspense",
}


def kind_of(amendment: Amendment) -> str:
    """The kind of an amendment as a noun."""
    return _KINDS[type(amendment).__name__]


def present_json(genesis: Genesis, path: str) -> str:
    """The value at a path; empty where there is none."""
    try:
        value = value_at(genesis, path)
    except UnknownPathError:
        return ""
    return "" if value is None else as_json(value)


def after_json(change: TermsChange) -> str:
    """The value after the change; empty where it is removed."""
    if not change.after:
        return ""
    try:
        kind: Any = type_at(change.path)
        return as_json(decode(change.after, kind, VALUE_BYTES_MAX))
    except (UnknownPathError, RemoteFault):
        return "0x" + change.after.hex()


def as_json(value: Any) -> str:
    """A value of the terms."""
    return msgspec.json.encode(genesis_part_to_json(value)).decode()


def differences(now: str, then: str) -> Iterator[tuple[str, str, str]]:
    """(place inside, value now, value then), in JSON, wherever two values of the same place differ; empty: nothing."""
    yield from _differing("", msgspec.json.decode(now), msgspec.json.decode(then))


def _differing(at: str, now: Any, then: Any) -> Iterator[tuple[str, str, str]]:
    if now == then and type(now) is type(then):
        return
    if isinstance(now, dict) and isinstance(then, dict):
        pairs: list[tuple[str, Any, Any]] = [(f".{name}", now.get(name), then.get(name)) for name in {**now, **then}]
    elif isinstance(now, list) and isinstance(then, list):
        pairs = [(f"[{index}]", *both) for index, both in enumerate(zip_longest(now, then))]
    else:
        yield at, _json_text(now), _json_text(then)
        return
    for step, was, will in pairs:
        yield from _differing(at + step, was, will)


def _json_text(value: Any) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()


def read_value(path: str, text: str) -> Any:
    """JSON, or bare text for a string, as the type of the value at `path`. Raises LocalFault MALFORMED."""
    try:
        kind: Any = type_at(path)
        try:
            found = read_json(text)
        except DuplicateNameError:
            raise
        except msgspec.DecodeError:
            found = text
        return genesis_part_from_json(kind, found, path)
    except (UnknownPathError, msgspec.DecodeError, ValueError, RecursionError) as error:
        raise LocalFault(BaseCode.MALFORMED, path, why=str(error)[:200]) from None
