"""`AdmissionWindow`: how many transactions may wait, so that one that is accepted is decided soon.

Rule: as many may wait as recent blocks decided in the target time (Little's law: wait = waiting / rate). The rate is
measured only while something waits for longer than that, because otherwise it is what was offered and not what is
possible; meanwhile the window grows as long as it refuses. The target is never shorter than three heights: a
transaction has to reach the next proposer before it selects, and its block takes a height.

What exceeds the window is refused at once, with the time after which there is room. An account with less than its even
share of the window is admitted beside those that fill it.

All nodes together fill one window, though a node hears late of what others took in: each has an equal part of it. What
others don't use is its own, too: all but a little more than their part of what recent blocks decided. Nothing here is
agreed: it limits what this node takes in itself, and what other nodes took in counts as waiting. Time is given from
outside.
"""

from collections import deque

TARGET_MS = 400
"""From acceptance to the block. What a request waits before and after comes on top."""
HEIGHTS = 3
WINDOW_START = 512
"""Of all nodes together: in a network of four, each takes a POST of a hundred at once."""
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
        self._own: deque[int] = deque(maxlen=HEIGHTS)
        """How many of those this node had taken in."""
        self._left = 0.0
        """The part of the window that others leave."""
        self._refused = False
        self._growth = GROWTH_AT_FIRST

    @property
    def size(self) -> int:
        """Transactions that may wait now."""
        return int(self._window)

    def part(self, nodes: int) -> int:
        """How many of the window this node may take in itself, beside so many `nodes`, itself included."""
        return max(self.size // nodes, int(self._window * self._left))

    def wait_ms(self, waiting: int, own: int, accounts: int, gathered: int = 0, nodes: int = 1) -> int:
        """Milliseconds until there is room for one more, or 0: it is admitted.

        `waiting` in all, `own` of its busiest account, of so many `accounts` that wait; `gathered` by this node, one of
        so many `nodes`.
        """
        size, part = self.size, self.part(nodes)
        over = max(waiting - size, gathered - part)
        if over < 0:
            return 0
        within = waiting < OVERFLOW * size and gathered < OVERFLOW * part
        if within and own < size // (accounts + 1):
            return 0
        self._refused = True
        return max(1, int((over + 1) / self._per_ms))

    def decided(self, count: int, now_ms: int, oldest_ms: int | None, own: int = 0) -> None:
        """A block was decided with `count` transactions, `own` of them taken in here.

        `oldest_ms`: since when the oldest of the others waits.
        """
        self._own.append(own)
        refused, self._refused = self._refused, False
        self._decided.append((now_ms, count))
        newest = sum(each for _, each in list(self._decided)[-HEIGHTS:]) if len(self._own) == HEIGHTS else 0
        self._left = 1 - GROWTH * (newest - sum(self._own)) / newest if newest else 0.0
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
