"""Times as a member reads them."""

from datetime import UTC, datetime

SECONDS_MAX = 2**37
"""Beyond it, after the year 6000, a time is written as its number."""


def time_text(time_ms: int) -> str:
    """A time in UTC, to the second."""
    if not 0 <= time_ms < SECONDS_MAX * 1000:
        return f"{time_ms} ms"
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
