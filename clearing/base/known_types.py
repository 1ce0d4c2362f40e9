"""Types that msgspec decodes, made known to it by one thread at a time.

Rule: every type that is named to msgspec comes from here. With a struct, msgspec keeps how it is decoded, and writes
that at the struct's first use, a field at a time. Another thread that meets it half written reads memory that is not
there, and the process ends with a segmentation fault (msgspec 0.22). A lock changes no result, so replicated code may
hold this one.
"""

import threading
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_ONE_AT_A_TIME = threading.Lock()


def known_type(kind: T) -> T:
    """The same type, with all structs in it known to msgspec. Raises TypeError for what msgspec cannot decode."""
    untyped: Any = kind  # mypy does not see that a type is hashable
    _make_known(untyped)
    return kind


@lru_cache(maxsize=1024)
def _make_known(kind: Any) -> None:
    with _ONE_AT_A_TIME:
        msgspec.msgpack.Decoder(kind)
