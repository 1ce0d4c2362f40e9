"""Holding a home while something is done to its files.

Rule: a home is held by the lock of its sign state, which every running node holds, so the two never meet. A sign state
that is missing is not made: that would look like a key that never signed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.consensus.sign_state import SignStateFile, has_sign_state

SIGN_STATE = "sign-state"


@contextmanager
def held(sign_state: Path) -> Iterator[SignStateFile | None]:
    """The locked sign state, or None where there is none. Raises LocalFault: DOUBLE_SIGN while a node runs."""
    if not has_sign_state(sign_state):
        yield None
        return
    guard = SignStateFile(sign_state)
    try:
        yield guard
    finally:
        guard.close()
