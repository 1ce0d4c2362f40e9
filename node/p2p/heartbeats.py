"""`Heartbeats`: when to send a heartbeat to a peer that anything else may have reached meanwhile.

Rule: a peer hears something at least every one and a half periods, which is half of its patience. Whatever was written
is as good a sign of life as a heartbeat, so one is sent only after half a period of silence, and every
`BEATS_MEASURED` for the round trip's sake. Of n peers each heartbeat with its answer costs four messages a period.
"""

BEATS_MEASURED = 8


class Heartbeats:
    """To one peer. Times are seconds on one steady clock, given by the caller."""

    def __init__(self, period: float) -> None:
        self._period = period
        self._sent = float("-inf")
        self._beats = 0

    def note_sent(self, now: float) -> None:
        """Something was written to the peer."""
        self._sent = now

    def is_due(self, now: float) -> bool:
        """Whether to send a heartbeat now; ask once a period."""
        self._beats += 1
        return self._beats % BEATS_MEASURED == 1 or now - self._sent > self._period / 2
