"""`check_nesting`: a limit on the nesting of JSON, checked before parsing, because parsers recurse.

Rule: bytes from outside never reach a parser deeper than `NESTING_MAX`. Parsers rely on the interpreter's recursion
limit, which py-ecc (also through eth-account) raises on import beyond what the C stack allows. Then ten kilobytes of
`[` would crash the process.
"""

import re
import sys

from clearing.base.errors import BaseCode, RemoteFault

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
