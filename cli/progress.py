"""What a command says of its progress on standard error, now and then: how far it is, and how long it still takes."""

from collections.abc import Callable

from cli.output import say
from member.printing.pace import Pace


def progress(done: str, of: str = "height") -> Callable[[int, int], None]:
    """Tell it where the work is and where it ends; `done` is what was done to what `of` counts."""
    pace = Pace()

    def report(at: int, last: int) -> None:
        left = pace.seconds_left(at, last)
        if pace.is_due() and left is not None:
            say(f"{done} {of} {at} of {last}, about {left} s left")

    return report
