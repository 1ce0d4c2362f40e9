"""Carry: what a dated instrument's price is at its expiry, as far as genesis and marks need it.

Rule: integers only and no numerical library, so that whoever only reads genesis (the verifier) starts at once.
"""

from clearing.base.units import PPM, YEAR_MS


def forward_ticks(index_ticks: int, expiry_ms: int, rate_ppm: int, time_ms: int) -> int:
    """Index plus linear carry to expiry, rounded down; the index itself at or after expiry."""
    left_ms = max(expiry_ms - time_ms, 0)
    return index_ticks + index_ticks * rate_ppm * left_ms // (PPM * YEAR_MS)
