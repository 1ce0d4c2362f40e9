"""`Pauses`: how long to wait before a venue is dialled or asked again.

Rule: the wait doubles with each failure in a row, up to a cap, and half of it is random, so that nodes that lost a
venue together do not return together. A wait that the venue demands is never shortened.
"""

import random
from collections.abc import Callable

from clearing.base.errors import RemoteFault

FIRST_MS, LONGEST_MS = 500, 60_000


class Pauses:
    """Of one connection. `draw` gives a number from 0 to 1."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw
        self.failures = 0

    def worked(self) -> None:
        """The next failure is the first."""
        self.failures = 0

    def after(self, fault: RemoteFault) -> int:
        """Milliseconds to wait after one more failure."""
        self.failures += 1
        whole = min(LONGEST_MS, FIRST_MS << min(self.failures - 1, 16))
        demanded = fault.values.get("retry_after_ms", 0)
        drawn = whole // 2 + int(self._draw() * (whole - whole // 2))
        return demanded + drawn if isinstance(demanded, int) else drawn
