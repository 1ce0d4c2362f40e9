"""Waiting in tests: for what must happen, never for a time in which it should have."""

import time
from collections.abc import Callable

import trio

PATIENCE_SECONDS = 600.0
"""After so long a thread that waits says what for; trio's tests are told by pytest where they hang."""


async def until(condition: Callable[[], object]) -> None:
    """Until it holds. Other tasks run meanwhile."""
    while not condition():  # noqa: ASYNC110 - nothing tells a test when a network gets there
        await trio.sleep(0.01)


def until_now(condition: Callable[[], object], what: str = "") -> None:
    """The same of other processes, where nothing else has to run in this one. Raises AssertionError out of patience."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what or condition
        time.sleep(0.05)
