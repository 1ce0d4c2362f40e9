"""How likely a breach is: the probability that equity falls by its headroom within a horizon, in integers.

Rule: equity moves like a Brownian motion without drift, so by the reflection principle it touches a barrier within the
horizon with probability 2 (1 - Phi(headroom / deviation)). All roundings are towards more likely: the function is
convex, so the chord between two entries of the table lies above it. It must not know accounts or prices.
"""

from clearing.base.units import PPM

STEPS_PER_DEVIATION = 10
# fmt: off
TOUCH_PPM = (
    1_000_000, 920_345, 841_481, 764_178, 689_157, 617_076, 548_507, 483_928, 423_711, 368_121,
    317_311, 271_333, 230_140, 193_601, 161_514, 133_615, 109_599, 89_131, 71_861, 57_434,
    45_501, 35_729, 27_807, 21_449, 16_396, 12_420, 9_323, 6_934, 5_111, 3_732,
    2_700, 1_936, 1_375, 967, 674, 466, 319, 216, 145, 97,
    64, 42, 27, 18, 11, 7, 5, 3, 2, 1,
    1,
)
# fmt: on
"""2 (1 - Phi(z)) in millionths, rounded up, at z = 0, 0.1, ... 5."""


def touch_ppm(headroom: int, deviation: int) -> int:
    """Probability that a loss reaches `headroom` within the horizon, in millionths, rounded up.

    Both in micros. 1 without headroom, 0 without any deviation; beyond five deviations the last entry.
    """
    if headroom <= 0:
        return PPM
    if deviation <= 0:
        return 0
    at, rest = divmod(headroom * STEPS_PER_DEVIATION, deviation)
    if at >= len(TOUCH_PPM) - 1:
        return TOUCH_PPM[-1]
    high, low = TOUCH_PPM[at], TOUCH_PPM[at + 1]
    return high - (high - low) * rest // deviation


def steps_within(threshold_ppm: int) -> int:
    """Tenths of a deviation beyond which the probability is below the threshold for certain. Threshold > 0."""
    return next((at for at, ppm in enumerate(TOUCH_PPM) if ppm < threshold_ppm), len(TOUCH_PPM))


def loss_deviation(loss: int, deviation_nano: int, range_ppm: int) -> int:
    """What a deviation of the price costs where a move by the whole range costs `loss`: in proportion, rounded up."""
    return -(-loss * deviation_nano // (range_ppm * 1000))
