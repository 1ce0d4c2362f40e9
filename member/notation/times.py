"""Times as a member reads them: in UTC, to the second.

Rule: a time outside of the years 1970 to 6325 is written as its number with its unit, so that no number that a node or
a vault answers stops the printing.
"""

from datetime import UTC, datetime

SECONDS_MAX = 2**37
"""The first second, in the year 6325, that is written as its number."""


def time_text(time_ms: int) -> str:
    """A time in milliseconds, as headers and orders have it; what is below a second is left out."""
    return _utc_text(time_ms // 1000) or f"{time_ms} ms"


def time_text_of_seconds(time_s: int) -> str:
    """A time in seconds, as vaults and withdrawals have it."""
    return _utc_text(time_s) or f"{time_s} s"


def _utc_text(time_s: int) -> str:
    """Empty where it cannot be written as a date."""
    if not 0 <= time_s < SECONDS_MAX:
        return ""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
