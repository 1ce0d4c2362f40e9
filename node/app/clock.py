"""The wall clock of a node."""

import time


def clock_ms() -> int:
    """Milliseconds since 1970. It is reported to others; the state machine never uses it."""
    return time.time_ns() // 1_000_000
