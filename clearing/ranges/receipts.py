"""Receipts about price ranges and volatilities.

Rule: as in `clearing.receipts`, whose union they are part of: a receipt states, it never decides.
"""

from clearing.base.codec import U32, U63, Wire


class RangePublished(Wire, frozen=True, tag=80):
    """A risk group's price range or volatility changed. `ratio_ppm` is how much by: the range over the previous one.

    `raw_ppm` is what current deviations alone would ask for, `target_ppm` what it will come to within the speed limit,
    and `buffer_ppm` what the target holds beyond need, to be used up in stress.
    """

    group: U32
    range_ppm: U32
    previous_ppm: U32
    ratio_ppm: U63
    raw_ppm: U63
    target_ppm: U63
    buffer_ppm: U32
    volatility_ppm: U32
    volatility_range_ppm: U32
    horizon_ms: U63
    """Time to close out, with what late chains and old reports add."""
