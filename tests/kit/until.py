"""Waiting in tests: for what must happen, never for a time in which it should have."""

import time
from collections.abc import Callable, Iterator

import trio

PATIENCE_SECONDS = 600.0
"""After so long what waits says what for, instead of stopping the run without a word. No rule depends on it."""
LATER_PATIENCE_SECONDS = 60.0
"""The same after a first wait in vain: the run has failed already, and the next tests may fail of the same."""
_in_vain: list[str] = []
"""What this process has waited for in vain."""


class _Wait:
    """Until when to wait for one thing."""

    def __init__(self, what: object) -> None:
        # The real clock, because that of a test may jump.
        self.what = what
        self.deadline = time.monotonic() + (LATER_PATIENCE_SECONDS if _in_vain else PATIENCE_SECONDS)

    def go_on(self) -> None:
        """Raises AssertionError out of patience."""
        if time.monotonic() >= self.deadline:
            _in_vain.append(str(self.what))
            raise AssertionError(self.what)


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Until it holds. Other tasks run meanwhile. Raises AssertionError out of patience."""
    wait = _Wait(what or condition)
    while not condition():
        wait.go_on()
        await trio.sleep(0.01)


def until_now(condition: Callable[[], object], what: str = "", poll_seconds: float = 0.05) -> None:
    """The same of other processes, where nothing else has to run in this one."""
    wait = _Wait(what or condition)
    while not condition():
        wait.go_on()
        time.sleep(poll_seconds)


def patiently(what: str) -> Iterator[None]:
    """For the loops of a test that acts until something comes of it: ends by AssertionError out of patience."""
    wait = _Wait(what)
    while True:
        wait.go_on()
        yield
