"""Tells which test seems to hang, again and again, so that the end of a log that was cut off names it."""

import os
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from sys import _current_frames

INTERVAL_SECONDS = 600.0
STDERR = 2
TESTS = os.sep + "tests" + os.sep
_outputs: list[int] = []
"""Where the notices of the running test go."""


@contextmanager
def still_running(name: str, output: int, interval_seconds: float = INTERVAL_SECONDS) -> Iterator[None]:
    """While the body runs, write its name and where it is to the file descriptor `output`, once an interval.

    It ends nothing: how fast a machine is decides about no test.
    """
    ended, thread = threading.Event(), threading.get_ident()

    def tell() -> None:
        minutes = 0.0
        while not ended.wait(interval_seconds):
            minutes += interval_seconds / 60
            os.write(output, f"\nstill running after {minutes:.0f} minutes: {name}, at {_place(thread)}\n".encode())

    teller = threading.Thread(target=tell, name="still running", daemon=True)
    teller.start()
    _outputs.append(output)
    try:
        yield
    finally:
        _outputs.pop()
        ended.set()
        teller.join()


def say(text: str) -> None:
    """Write to where the notices of the running test go, which nothing captures; outside of one, to standard error."""
    os.write(_outputs[-1] if _outputs else STDERR, text.encode(errors="replace"))


def _place(thread: int) -> str:
    """The innermost lines of a test's own and of all code."""
    stack = traceback.extract_stack(_current_frames()[thread])
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in stack]
    own = [place for place, frame in zip(places, stack, strict=True) if TESTS in frame.filename]
    return " in ".join([*own[-1:], *places[-3:]])
