"""How long a watcher waits before it asks again: a chain that has just moved does not move for a while.

Rule: only a habit may slow the polling, never one long gap. Between two new final blocks the watcher rests for most of
the shortest of the last gaps, and never for more than `REST_SECONDS_MAX`; then it asks at the configured interval. A
chain without a habit, or one that breaks it, is asked at that interval. It must not know what was asked.
"""

from collections import deque

GAPS_KEPT = 8
REST_SHARE = 0.75
"""Of the shortest gap: a block that comes somewhat early is seen in time."""
REST_SECONDS_MAX = 2.0
"""A chain that never moved so early before is seen this late at most, beside the configured interval."""


class PollPace:
    """Of one chain. Times are seconds on one steady clock, given by the caller."""

    def __init__(self) -> None:
        self._gaps = deque[float](maxlen=GAPS_KEPT)
        self._number: int | None = None
        self._moved = 0.0

    def note(self, final_number: int, now: float) -> None:
        """A poll found this final height."""
        if self._number is not None and final_number > self._number:
            self._gaps.append(now - self._moved)
        if self._number is None or final_number > self._number:
            self._number, self._moved = final_number, now

    def pause(self, interval: float, now: float) -> float:
        """Seconds until the next poll, `interval` or more."""
        if len(self._gaps) < GAPS_KEPT:
            return interval
        rest = self._moved + REST_SHARE * min(self._gaps) - now
        return max(interval, min(rest, REST_SECONDS_MAX))
