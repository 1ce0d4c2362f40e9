"""The part of an option's settlement average that is known, and the forward of the whole average.

Rule: integers. The part that agreed prices cover stays as it is, the rest is at the forward. It must not know options'
values.
"""

from typing import NamedTuple


class KnownAverage(NamedTuple):
    """What an instrument's averaging window of `window_ms` covers so far."""

    window_ms: int
    weighted_ticks: int = 0
    """Sum of ticks x milliseconds."""
    covered_ms: int = 0


def blended_ticks(known: KnownAverage | None, forward_ticks: int) -> int:
    """The forward of the average at a forward of the index, rounded down, at least one tick; that of the index itself
    where no average is known."""
    if known is None:
        return forward_ticks
    whole = max(known.window_ms, known.covered_ms)
    left = whole - known.covered_ms
    return max((known.weighted_ticks + left * forward_ticks) // whole, 1)
