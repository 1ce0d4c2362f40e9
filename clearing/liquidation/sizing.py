"""Liquidation sizing: the share of a portfolio that restores initial margin, and the steps in which it is taken.

Rule: integers in, integers out. Shares are of `DENOMINATOR` and round up, so that what is taken suffices. It must not
know accounts, prices or the state.
"""

from collections.abc import Iterator

from clearing.base.units import MONEY_MAX, PPM, mul_div_up
from clearing.context.liquidation_progress import DENOMINATOR


def restoring_share(
    equity: int, initial: int, notional: int, *, cost_ppm: int, fixed: int = 0, rounding: int = 0
) -> int:
    """A share f (rounded up) with equity - cost(f) >= (1 - f) x (initial - fixed) + fixed.

    When every position is reduced alike, the requirement of positions falls at least in proportion, because it is
    convex; `fixed`, the charge on collateral, stays. So f = (I - E) / (I - C - p N) for initial I, equity E, fixed
    charge C, cost rate p and notional N; the smallest such share where the requirement is linear. Everything when
    equity is gone or costs consume what is freed. `rounding`: micros by which a requirement after credit may be rounded
    up.
    """
    missing = (initial + rounding - equity) * PPM
    freed = (initial - fixed) * PPM - cost_ppm * notional
    if equity <= 0:
        return DENOMINATOR
    if missing <= 0:
        return 0
    return mul_div_up(missing, DENOMINATOR, freed) if freed > missing else DENOMINATOR


def step_size(left: int, step_ppm: int, whole: int, most: int) -> int:
    """How much of `left` one step takes: a share of it, all of it up to `whole`, never more than `most`
    (0: no limit)."""
    size = left if left <= whole else min(mul_div_up(left, step_ppm, PPM), left)
    return min(size, most) if most else size


def disposal_steps(total: int, step_ppm: int, whole: int, most: int) -> Iterator[int]:
    """The steps in which `total` is taken when nothing else happens; they sum to it."""
    left = total
    while left > 0:
        size = step_size(left, step_ppm, whole, most)
        yield size
        left -= size


def receipt_micros(micros: int) -> int:
    """An unbounded amount, such as the notional of a whole portfolio, capped to the range of a receipt."""
    return min(micros, MONEY_MAX)


def share_rounded_up(part: int, whole: int) -> int:
    """`part` of `whole` as a share, rounded up; everything where `whole` is zero."""
    return min(mul_div_up(part, DENOMINATOR, whole), DENOMINATOR) if whole > 0 else DENOMINATOR
