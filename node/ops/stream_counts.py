"""What the streams of a node did, counted: open ones, frames, ends, refusals, and how late readers got a block.

Rule: labels come from bounded sets: two kinds of connection, and codes. Counting is some additions a piece; what has
to be searched for is searched when it is asked for.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from member.api.streams import Cursor

EVENTS, SOCKET = "events", "socket"
"""Server-sent events, and WebSockets."""
LEFT = "left"
"""The reader went, or took nothing until the kernel ended its connection. Other reasons are codes."""
FAILED = "failed"
DELAY_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the classes of delays."""


class StreamCounts:
    """Of one node's API since its start."""

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()
        self.frames: Counter[str] = Counter()
        self.skipped = 0
        """Values that were left out for readers who were late."""
        self.ended: Counter[str] = Counter()
        """By reason."""
        self.refused: Counter[str] = Counter()
        """By code: requests for a stream that none was opened for."""
        self.delays = [0] * (len(DELAY_SECONDS) + 1)
        """Pieces of blocks by the class of their delay; the last class has no upper bound."""
        self.delay_seconds = 0.0
        """Of all pieces together."""
        self.newest: Callable[[], Cursor] = lambda: Cursor(0, 0)
        self._places: dict[object, Callable[[], Cursor]] = {}

    @contextmanager
    def stream(self, kind: str, place: Callable[[], Cursor]) -> Iterator[None]:
        """Count a stream while it is open. `place`: up to where its events were sent."""
        key = object()
        self.open[kind] += 1
        self._places[key] = place
        try:
            yield
        finally:
            self.open[kind] -= 1
            del self._places[key]

    def sent(self, kind: str, frames: int, delay: float | None = None) -> None:
        """Count frames that were handed to a connection. `delay`: since the decision of their block, in seconds."""
        self.frames[kind] += frames
        if delay is not None:
            self.delays[bisect_left(DELAY_SECONDS, delay)] += 1
            self.delay_seconds += delay

    def lag(self) -> int:
        """How many blocks the slowest reader is behind the newest."""
        newest = self.newest().height
        return max((newest - place().height for place in self._places.values()), default=0)
