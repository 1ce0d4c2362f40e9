"""Market impact: what closing a position costs because of its size, as straight lines over a convex curve.

Rule: between the sizes that the parameters name, the lines lie on or above the curve; beyond the last size they go on
straight and therefore lie below it, so the last size should be more than anybody may hold. Integers only, every
rounding up. Curve, for q lots in a market of depth D and notional P a lot, with linear and root concessions l and r:
P * q * (l * q / D + r * sqrt(q / D)); the square root is the empirical law of metaorders (Almgren et al. 2005).
It must not know accounts.
"""

from math import isqrt

from clearing.base.units import PPM, mul_div_up
from clearing.margin.charges import NO_LINES, Lines, LotCharge, chained


def impact_micros(charge: LotCharge, notional_micros: int, lots: int) -> int:
    """The curve at `lots` >= 0, in micros rounded up; `notional_micros` is one lot's."""
    if not charge.depth_lots or not lots:
        return 0
    depth = charge.depth_lots
    linear = mul_div_up(charge.linear_impact_ppm * PPM, lots, depth)
    root = isqrt(mul_div_up((charge.root_impact_ppm * PPM) ** 2, lots, depth) - 1) + 1 if charge.root_impact_ppm else 0
    return mul_div_up(notional_micros * lots, linear + root, PPM * PPM)


def impact_lines(charge: LotCharge, notional_micros: int) -> Lines:
    """Lines through the curve's points at the sizes named, each slope rounded up: convex and never below the curve."""
    if not charge.depth_lots or not (charge.linear_impact_ppm or charge.root_impact_ppm):
        return NO_LINES
    points: list[tuple[int, int]] = []
    start = reached = slope = 0
    for size in charge.sizes_ppm:
        end = mul_div_up(charge.depth_lots, size, PPM)
        if end <= start:
            continue
        rise = impact_micros(charge, notional_micros, end) - reached
        slope = max(slope, -(-rise // (end - start)))
        points.append((start, slope))
        reached += slope * (end - start)
        start = end
    return chained(points)
