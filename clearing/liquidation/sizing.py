"""How much of a portfolio brings an account back to initial margin, and in which steps that much is taken.

Rule: plain integers in, plain integers out; shares are of `DENOMINATOR` and round up, so that what is taken suffices.
It must not know accounts, prices or the state.
"""

from collections.abc import Iterator

from clearing.base.units import MONEY_MAX, PPM, mul_div_up
from clearing.context.liquidation_progress import DENOMINATOR


def restoring_share(
    equity: int, initial: int, notional: int, *, cost_ppm: int, fixed: int = 0, rounding: int = 0
) -> int:
    """A share f (rounded up) with equity - cost(f) >= (1 - f) x (initial - fixed) + fixed.

    When every position is reduced alike, what positions require falls at least in proportion, being convex; `fixed`,
    the charge on collateral, stays. So f = (I - E) / (I - C - p N) for initial I, equity E, fixed charge C, cost rate p
    and notional N; the smallest such share where nothing is convex. Everything when equity is gone or costs eat what
    is freed. `rounding`: micros that a requirement after credit may be rounded up by.
    """
    missing = (initial + rounding - equity) * PPM
    freed = (initial - fixed) * PPM - cost_ppm * notional
    if equity <= 0:
        return DENOMINATOR
    if missing <= 0:
        return 0
    return mul_div_up(missing, DENOMINATOR, freed) if freed > missing else DENOMINATOR


def step_size(left: int, step_ppm: int, whole: int, most: int) -> int:
    """How much of `left` one step takes: a share of it, all of it once it is small, never more than `most` (0: any)."""
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
    """What a receipt can hold of an amount that nothing bounds, such as the notional of a whole portfolio."""
    return min(micros, MONEY_MAX)


def share_rounded_up(part: int, whole: int) -> int:
    """`part` of `whole` as a share, rounded up; everything where there is no whole."""
    return min(mul_div_up(part, DENOMINATOR, whole), DENOMINATOR) if whole > 0 else DENOMINATOR
