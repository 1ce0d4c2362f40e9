"""JSON of a node as structures.

Rule: no object has a name twice. Parsers disagree on the value of such a name, so two clients, or a proxy and a client,
would read two answers.

Rule: one thread at a time makes a structure known to msgspec, which writes how it is decoded at its first use. A client
in another thread that met it half written would end the process with a segmentation fault (msgspec 0.22).
"""

import json
import threading
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from crossclear_client.errors import BadAnswer

T = TypeVar("T")
_NAME_CHARS_MAX = 64
_ONE_AT_A_TIME = threading.Lock()


def read_json(data: bytes | str, kind: type[T], at: str) -> T:
    """`data` as this structure; unknown fields are left out. `at`: what the error names. Raises BadAnswer."""
    untyped: Any = kind  # mypy does not see that a type is hashable
    _make_known(untyped)
    try:
        read = msgspec.json.decode(data, type=kind)
        # Numbers are of no interest here: of a million digits, making one would take long.
        json.loads(data, strict=False, parse_int=_nothing, parse_float=_nothing, object_pairs_hook=_unique_names)
    except (ValueError, RecursionError) as error:  # msgspec's errors and those of Unicode are ValueErrors
        raise BadAnswer(at, str(error)[:200]) from None
    return read


@lru_cache(maxsize=1024)
def _make_known(kind: Any) -> None:
    with _ONE_AT_A_TIME:
        msgspec.json.Decoder(kind)


def _unique_names(pairs: list[tuple[str, object]]) -> None:
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            raise ValueError(f"the name {name[:_NAME_CHARS_MAX]!a} occurs twice in one object")
        names.add(name)


def _nothing(_: str) -> None:
    return None
