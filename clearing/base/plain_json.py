"""JSON of others: read by `msgspec`, with each name once in an object.

Rule: where a name stands twice, parsers disagree about which value counts, so that what a person, a proxy and this
program read could be three things: it is refused with the name. It must not know what the objects mean.
"""

import json
from collections import Counter
from typing import Any, TypeVar, overload

import msgspec

NAME_PRINTED_MAX = 64

T = TypeVar("T")


class DuplicateNameError(msgspec.DecodeError):
    """A name twice in one object: for a caller the same as bytes that are no JSON."""


@overload
def read_json(data: bytes | str) -> Any: ...
@overload
def read_json(data: bytes | str, kind: type[T]) -> T: ...
def read_json(data: bytes | str, kind: Any = Any) -> Any:
    """Decode as `kind`. Raises `msgspec.DecodeError`, UnicodeDecodeError and RecursionError, as msgspec does."""
    # First the parser with the types: what it refuses is not looked at twice.
    read = msgspec.json.decode(data, type=kind)
    try:
        json.loads(
            data, strict=False, parse_int=_ignore_number, parse_float=_ignore_number, object_pairs_hook=_unique_names
        )
    except DuplicateNameError:
        raise
    except ValueError as error:
        # Nothing is known that only one of the two parsers takes; if there is, it is nothing to rely on.
        raise DuplicateNameError(str(error)) from None
    return read


def _unique_names(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise DuplicateNameError(f"the name {twice[:NAME_PRINTED_MAX]!a} stands twice in one object")


def _ignore_number(_: str) -> None:
    return None
