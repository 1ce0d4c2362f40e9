"""JSON from outside: `read_json` decodes it and refuses duplicate names in an object, `read_part` reads on in what it
accepted; `check_nesting` limits its depth.

Rule: parsers disagree on the value of a duplicated name, so a person, a proxy and this program could read different
values. Duplicates are refused with the name. Bytes from outside never reach a parser if they are nested deeper than
`NESTING_MAX`. Parsers rely on the interpreter's recursion limit, which py-ecc (also through eth-account) raises on
import beyond what the C stack allows; ten kilobytes of `[` would then crash the process. This module must not know what
the objects mean.
"""

import json
import re
import sys
from collections import Counter
from typing import Any, TypeVar, overload

import msgspec

from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.known_types import known_type

NESTING_MAX = 200
RECURSION_MAX = 1000
"""The interpreter's own default."""

# An unterminated string extends to the end of the bytes; otherwise each quote in it would be tried as a start.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z|\\\Z)|[\[{]|[\]}]', re.DOTALL)


def check_nesting(data: bytes, at: str) -> None:
    """Linear in the size. Raises RemoteFault MALFORMED when objects and lists nest deeper than `NESTING_MAX`."""
    if data.count(b"[") + data.count(b"{") <= NESTING_MAX:
        return
    depth = 0
    for token in _TOKEN.finditer(data):
        mark = token[0][:1]
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
        if depth > NESTING_MAX:
            raise RemoteFault(BaseCode.MALFORMED, at, why=f"nests deeper than {NESTING_MAX}")


def bound_recursion() -> None:
    """Reset the recursion limit to `RECURSION_MAX`. Call it after importing a library that raises the limit."""
    if sys.getrecursionlimit() > RECURSION_MAX:
        sys.setrecursionlimit(RECURSION_MAX)


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
    read = msgspec.json.decode(data, type=known_type(kind))
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


def read_part(data: msgspec.Raw | bytes, kind: type[T]) -> T:
    """Decode as `kind` what `read_json` has accepted before, whole or as a part: no second search for duplicates.

    Raises as `msgspec.json.decode`.
    """
    return msgspec.json.decode(data, type=known_type(kind))


def _unique_names(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise DuplicateNameError(f"the name {twice[:NAME_PRINTED_MAX]!a} occurs twice in one object")


def _ignore_number(_: str) -> None:
    return None
