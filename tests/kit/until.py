"""Waiting in tests: for what must happen, never for a time in which it should have."""

import time
from collections.abc import Callable, Iterator

import trio

PATIENCE_SECONDS = 600.0
"""After so long what waits says what for, instead of stopping the run without a word. No rule depends on it."""


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Until it holds. Other tasks run meanwhile. Raises AssertionError out of patience."""
    # The real clock, because that of a test may jump.
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what or condition
        await trio.sleep(0.01)


def until_now(condition: Callable[[], object], what: str = "", poll_seconds: float = 0.05) -> None:
    """The same of other processes, where nothing else has to run in this one."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what or condition
        time.sleep(poll_seconds)


def patiently(what: str) -> Iterator[None]:
    """For the loops of a test that acts until something comes of it: ends by AssertionError out of patience."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert time.monotonic() < deadline, what
        yield
