"""What a command says of its progress on standard error: how far it is, and how long it still takes.

Rule: in a terminal, one line that is written anew in place, some times a second, and ended once it is full; elsewhere
a line now and then, so that a log stays readable.
"""

import shutil
import sys
import time
from collections.abc import Callable

from cli.output import say
from member.printing.pace import Pace, bar

DRAWN_EVERY_SECONDS = 0.1


def progress(done: str, of: str = "height") -> Callable[[int, int], None]:
    """Tell it where the work is and where it ends; `done` is what was done to what `of` counts."""
    pace, width, drawn_at = Pace(), 0, 0.0

    def report(at: int, last: int) -> None:
        nonlocal width, drawn_at
        left = pace.seconds_left(at, last)
        if not sys.stderr.isatty():
            if pace.is_due() and left is not None:
                say(f"{done} {of} {at} of {last}, about {left} s left")
            return
        ended, now = at >= last, time.monotonic()
        if ended or now - drawn_at >= DRAWN_EVERY_SECONDS:
            # One column less than there are, or the terminal goes on in the next line.
            line = f"{done} {of} {at} of {last} {bar(at, last, left)}"[: shutil.get_terminal_size().columns - 1]
            sys.stderr.write(f"\r{line:<{width}}" + ("\n" if ended else ""))
            sys.stderr.flush()
            width, drawn_at = 0 if ended else len(line), now

    return report
