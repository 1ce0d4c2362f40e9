"""Worlds whose state is never hashed: for replays that read balances and receipts, and no root.

Rule: rules read no root, so everything but the roots and what commits to them is the same. A test that replays with and
without them compares both.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from clearing.base.ids import Hash32
from clearing.state.modules import Module
from clearing.state.state import State

_ROOTS = tuple(Hash32(bytes(32)) for _ in Module)


@contextmanager
def without_roots() -> Iterator[None]:
    """Meanwhile the roots of every state are zero."""
    with patch.object(State, "module_roots", lambda _: _ROOTS):
        yield
