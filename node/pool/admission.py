"""`AdmissionWindow`: how many transactions may wait, so that one that is accepted is decided soon.

Rule: as many may wait as recent blocks decided in the target time (Little's law: wait = waiting / rate). The rate is
measured only while something waits for longer than that, because otherwise it is what was offered and not what is
possible; meanwhile the window grows as long as it refuses. The target is never shorter than three heights: a
transaction has to reach the next proposer before it selects, and its block takes a height.

What exceeds the window is refused at once, with the time after which there is room. An account with less than its even
share of the window is admitted beside those that fill it. Nothing here is agreed: it limits what this node takes in
itself, and what other nodes took in counts as waiting. Time is given from outside.
"""

from collections import deque

TARGET_MS = 400
"""From acceptance to the block. What a request waits before and after comes on top."""
HEIGHTS = 3
WINDOW_START = 1024
WINDOW_MIN = 32
"""A slow machine still takes a few of each member."""
SMOOTHING = 0.3
GROWTH_AT_FIRST = 2.0
"""Until something waited for longer than the target: nothing is known of the rate before."""
GROWTH = 1.25
OVERFLOW = 2
"""With the even shares of accounts, at most so many windows wait."""


class AdmissionWindow:
    """Fed with each decided block."""

    def __init__(self, waiting_max: int) -> None:
        self._waiting_max = waiting_max
        self._window = float(min(WINDOW_START, waiting_max))
        self._per_ms = WINDOW_START / TARGET_MS
        self._decided: deque[tuple[int, int]] = deque(maxlen=HEIGHTS + 1)
        """When each of the last blocks was decided, and how many transactions it had."""
        self._refused = False
        self._growth = GROWTH_AT_FIRST

    @property
    def size(self) -> int:
        """Transactions that may wait now."""
        return int(self._window)

    def wait_ms(self, waiting: int, own: int, accounts: int) -> int:
        """Milliseconds until there is room for one more, or 0: it is admitted.

        `waiting` in all, `own` of its busiest account, of so many `accounts` that wait.
        """
        if waiting < self.size or (waiting < OVERFLOW * self.size and own < self.size // (accounts + 1)):
            return 0
        self._refused = True
        return max(1, int((waiting + 1 - self._window) / self._per_ms))

    def decided(self, count: int, now_ms: int, oldest_ms: int | None) -> None:
        """A block with `count` transactions was decided; `oldest_ms`: since when the oldest of the others waits."""
        refused, self._refused = self._refused, False
        self._decided.append((now_ms, count))
        heights_ms = now_ms - self._decided[0][0]
        if len(self._decided) <= HEIGHTS or heights_ms <= 0:
            return
        target_ms = max(TARGET_MS, heights_ms)
        decided = sum(each for _, each in self._decided) - self._decided[0][1]
        room = decided / heights_ms * target_ms
        if oldest_ms is not None and now_ms - oldest_ms > target_ms:
            self._growth = GROWTH
            wanted = self._window + SMOOTHING * (room - self._window)
        elif refused:
            wanted = min(self._window * self._growth, max(self._window, self._growth * room))
        else:
            return
        self._per_ms = wanted / target_ms
        self._window = min(float(self._waiting_max), max(float(WINDOW_MIN), wanted))
