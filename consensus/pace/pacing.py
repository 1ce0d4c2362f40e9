"""How soon the next height may start: not before the least interval, nor so soon that heights leave no time between.

Rule: pure, fed with how long heights took. Agreeing takes at most half of the time, since the machine also has to check
what the next block will carry: where heights follow each other without a pause, each waits behind that work and all of
them get slower. The pause is bounded, and heights that needed a second round don't count.
"""

SHARE = 2
"""A height starts no sooner after the one before it than this many times what heights take."""
STRETCH = 4
"""How many least intervals the pause may grow to at most."""
SMOOTHING = 4
"""A height moves the average by one part of so many."""


class Pacing:
    """From the start of one height to the start of the next, in ms."""

    def __init__(self, interval_ms_min: int) -> None:
        self._least = interval_ms_min
        self._average = 0
        """Of decided heights, in ms times `SMOOTHING`."""

    def decided(self, duration_ms: int, rounds: int) -> None:
        """A height took so long, from its start to its decision."""
        if rounds == 1:
            self._average += duration_ms - self._average // SMOOTHING

    @property
    def interval_ms(self) -> int:
        """What to keep between two starts now, when there is work."""
        wanted = SHARE * self._average // SMOOTHING
        return max(self._least, min(wanted, STRETCH * self._least))
