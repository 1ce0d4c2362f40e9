"""Integers with a unit, and the only ways to divide them.

Rule: what a member owes rounds up, what a member is given rounds down, and the function's name states the direction.
Ratios are compared by cross-multiplication. A remainder always has an owner.
"""

from collections.abc import Sequence

PPM = 1_000_000
"""Parts per million: the denominator of integer ratios."""
DAY_MS = 86_400_000
"""Days are counted from 1970, UTC, in block time."""
YEAR_MS = 365 * DAY_MS
"""A year of 365 days, as crypto options count."""
MICROS_PER_TICK = 10_000
POSITION_MAX = 2**39 - 1
MONEY_MAX = 2**63 - 1


def mul_div_down(value: int, numerator: int, denominator: int) -> int:
    """`value * numerator / denominator` towards minus infinity. `denominator` must be positive."""
    if denominator <= 0:
        raise ValueError(f"denominator must be positive, got {denominator}")
    return value * numerator // denominator


def mul_div_up(value: int, numerator: int, denominator: int) -> int:
    """`value * numerator / denominator` towards plus infinity. `denominator` must be positive."""
    if denominator <= 0:
        raise ValueError(f"denominator must be positive, got {denominator}")
    return -(-value * numerator // denominator)


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` >= 0 over non-negative `weights`; the shares sum to `total` exactly.

    Each share is first rounded down. The rest goes, one unit each, to the largest fractions, lowest index first among
    equals (callers order the weights by id). 100 over three equal weights gives 34, 33, 33. Raises ValueError when
    `total` or a weight is negative, or every weight is zero while `total` is not.
    """
    if total < 0 or any(weight < 0 for weight in weights):
        raise ValueError("total and weights must not be negative")
    whole = sum(weights)
    if whole == 0:
        if total:
            raise ValueError("nobody to allocate to: every weight is zero")
        return [0] * len(weights)
    shares = [total * weight // whole for weight in weights]
    fractions = [total * weight % whole for weight in weights]
    by_fraction = sorted(range(len(weights)), key=lambda index: (-fractions[index], index))
    for index in by_fraction[: total - sum(shares)]:
        shares[index] += 1
    return shares
