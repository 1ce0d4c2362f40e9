"""How deep JSON may nest. Asked before parsing, because parsers recurse.

Rule: bytes from outside never reach a parser deeper than `NESTING_MAX`. Parsers trust the recursion limit of the
interpreter, which py-ecc raises past what the C stack holds when it is imported (by eth-account, too): there, ten
kilobytes of `[` would end the process.
"""

import re
import sys

from clearing.base.errors import BaseCode, RemoteFault

NESTING_MAX = 200
RECURSION_MAX = 1000
"""The interpreter's own default."""

# A text without an end runs to the end of the bytes, or each quote in it would be tried as a beginning.
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
    """Take the recursion limit back to `RECURSION_MAX`. Whoever imports a library that raises it calls this after."""
    if sys.getrecursionlimit() > RECURSION_MAX:
        sys.setrecursionlimit(RECURSION_MAX)
