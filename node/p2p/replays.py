"""`ReplayWindows`: which sequence numbers of each origin were seen, so that nobody tells old news again.

Rule: an origin's numbers are its clock in nanoseconds, rising by one at least with each message, so that a restarted
process needs no memory of its own. Of each origin the `WINDOW` newest are kept; what is older than all of these, or
than `TOLERANCE_NS` before our own start, is stale. A new process of the origin, told by its own hello, starts afresh:
its clock may have been set back.
"""

import heapq

WINDOW = 4096
TOLERANCE_NS = 600 * 1_000_000_000


class _Window:
    def __init__(self) -> None:
        self.boot = b""
        self.seen: set[int] = set()
        self.oldest_first: list[int] = []


class ReplayWindows:
    """One node's windows; origins must be bounded by the caller (the allow-list)."""

    def __init__(self, start_ns: int) -> None:
        self._floor = start_ns - TOLERANCE_NS
        self._windows: dict[bytes, _Window] = {}

    def is_stale(self, origin: bytes, number: int) -> bool:
        """Whether a number is too old to tell whether it was seen."""
        window = self._windows.get(origin)
        full = window is not None and len(window.seen) >= WINDOW
        return number < self._floor or (full and window is not None and number < window.oldest_first[0])

    def is_seen(self, origin: bytes, number: int) -> bool:
        """Whether a number was taken before."""
        window = self._windows.get(origin)
        return window is not None and number in window.seen

    def take(self, origin: bytes, number: int) -> None:
        """Note a number that is neither stale nor seen, of a message whose signature is good."""
        window = self._windows.setdefault(origin, _Window())
        window.seen.add(number)
        heapq.heappush(window.oldest_first, number)
        if len(window.seen) > WINDOW:
            window.seen.discard(heapq.heappop(window.oldest_first))

    def booted(self, origin: bytes, boot: bytes) -> None:
        """The origin itself said hello: with another boot than last time it is another process."""
        window = self._windows.setdefault(origin, _Window())
        if window.boot not in (b"", boot):
            self._windows[origin] = window = _Window()
        window.boot = boot

    def keep(self, origins: frozenset[bytes]) -> None:
        """Forget everybody else."""
        self._windows = {origin: window for origin, window in self._windows.items() if origin in origins}
