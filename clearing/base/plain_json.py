"""`read_json`: JSON from outside, read by `msgspec`, with each name at most once in an object.

Rule: parsers disagree on the value of a duplicated name, so a person, a proxy and this program could read three
different things. Duplicates are refused with the name. It must not know what the objects mean.
"""

import json
from collections import Counter
from typing import Any, TypeVar, overload

import msgspec

NAME_PRINTED_MAX = 64

T = TypeVar("T")


class DuplicateNameError(msgspec.DecodeError):
    """A duplicate name in one object. For a caller this is invalid JSON."""


@overload
def read_json(data: bytes | str) -> Any: ...
@overload
def read_json(data: bytes | str, kind: type[T]) -> T: ...
def read_json(data: bytes | str, kind: Any = Any) -> Any:
    """Decode as `kind`. Raises `msgspec.DecodeError`, UnicodeDecodeError and RecursionError, as msgspec does."""
    # The typed parser runs first: its refusals need no second pass.
    read = msgspec.json.decode(data, type=kind)
    try:
        json.loads(
            data, strict=False, parse_int=_ignore_number, parse_float=_ignore_number, object_pairs_hook=_unique_names
        )
    except DuplicateNameError:
        raise
    except ValueError as error:
        # No input is known that only one of the two parsers accepts. If there is one, it is not reliable.
        raise DuplicateNameError(str(error)) from None
    return read


def _unique_names(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise DuplicateNameError(f"the name {twice[:NAME_PRINTED_MAX]!a} occurs twice in one object")


def _ignore_number(_: str) -> None:
    return None
