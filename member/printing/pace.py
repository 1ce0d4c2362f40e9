"""`Pace`: how fast a piece of work goes, and how long the rest will take at that pace. For people only."""

import time
from collections.abc import Callable

TOLD_EVERY_SECONDS = 5.0
BAR_WIDTH = 24


def bar(done: int, total: int, seconds_left: int | None) -> str:
    """`[######------------------]  25 %, about 90 s left`: never full before the end, never beyond it."""
    done = max(0, min(done, total))
    full, percent = (BAR_WIDTH, 100) if done == total else (BAR_WIDTH * done // total, 100 * done // total)
    left = "" if seconds_left is None else f", about {seconds_left} s left"
    return f"[{'#' * full}{'-' * (BAR_WIDTH - full)}] {percent:>3} %{left}"


class Pace:
    """Of one piece of work, which may begin above nothing: what was there before does not count as fast."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._clock = clock
        self._begun: tuple[float, int] | None = None
        self._told_at = clock()

    def seconds_left(self, done: int, total: int) -> int | None:
        """Rounded up; None before there is a pace."""
        now = self._clock()
        if self._begun is None or done < self._begun[1]:
            self._begun = (now, done)
        began, first = self._begun
        if done == first:
            return None
        return max(0, -int(-(now - began) * (total - done) // (done - first)))

    def is_due(self) -> bool:
        """Whether it is time to tell again; begins with False."""
        now = self._clock()
        if now - self._told_at < TOLD_EVERY_SECONDS:
            return False
        self._told_at = now
        return True
