"""Filtered history: what past moves say about the next one, each seen in proportion to its own time's deviation.

Rule: a past return counts as return / deviation then x deviation now (filtered historical simulation, Barone-Adesi,
Giannopoulos and Vosper). Quantiles and shortfalls take only what was observed. Rounded away from zero, or up.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate

from clearing.base.units import PPM, mul_div_up
from clearing.ranges.records import Move
from clearing.ranges.variance import deviation_over

MULTIPLE_MAX_PPM = 100 * PPM
"""A move beyond a hundred deviations counts as a hundred."""


def rescale(returns: Sequence[int], deviations: Sequence[int], deviation: int) -> list[int]:
    """Each return times `deviation` over the deviation of its time, rounded away from zero.

    Raises ValueError when the lengths differ or a deviation is not positive.
    """
    return [rescaled(r, then, deviation) for r, then in zip(returns, deviations, strict=True)]


def rescaled(return_nano: int, then_nano: int, now_nano: int) -> int:
    """One return times the deviation now over that of its time, rounded away from zero."""
    size = mul_div_up(abs(return_nano), now_nano, then_nano)
    return size if return_nano >= 0 else -size


def spanned(run: Sequence[Move]) -> Move | None:
    """Consecutive moves as one: their sum, and the deviation before the first over all of them by the root of time.

    None when one of them was not observed.
    """
    if any(move.deviation_nano == 0 for move in run):
        return None
    return Move(sum(move.return_nano for move in run), deviation_over(run[0].deviation_nano ** 2, len(run), 1))


def spans(moves: Sequence[Move], steps: int) -> list[Move]:
    """Every run of `steps` consecutive moves as one. `moves` in order of time.

    Over many steps volatility returns to its mean, which the root of time knows nothing of: so the quantile is taken of
    what happened over the whole horizon.
    """
    if steps == 1:
        return [move for move in moves if move.deviation_nano]
    returns = [0, *accumulate(move.return_nano for move in moves)]
    missing = [0, *accumulate(move.deviation_nano == 0 for move in moves)]
    return [
        Move(returns[at + steps] - returns[at], deviation_over(moves[at].deviation_nano ** 2, steps, 1))
        for at in range(len(moves) - steps + 1)
        if missing[at + steps] == missing[at]
    ]


def standardised(move: Move) -> int:
    """The move's size in millionths of the deviation that was expected, rounded up, at most a hundred deviations."""
    return min(mul_div_up(abs(move.return_nano), PPM, move.deviation_nano), MULTIPLE_MAX_PPM)


def quantile_up(ordered: Sequence[int], confidence_ppm: int) -> int:
    """The value at rank ceil(confidence x (n + 1)) of n rising values, or the largest.

    The next of n + 1 exchangeable values lies at or below it with at least that confidence (if n is large enough):
    counting the value to come keeps a short window from being too bold. Raises ValueError when there are none.
    """
    if not ordered:
        raise ValueError("no values to take a quantile of")
    rank = mul_div_up(len(ordered) + 1, confidence_ppm, PPM)
    return ordered[min(max(rank, 1), len(ordered)) - 1]


def multiple_of(ordered: Sequence[int], confidence_ppm: int) -> int:
    """The quantile of rising standardised moves, but at least one deviation: prices that stood still prove nothing."""
    return max(quantile_up(ordered, confidence_ppm), PPM)


def expected_shortfall(losses: Iterable[int], tail: int) -> int:
    """The mean of the `tail` largest losses, rounded up; gains count as negative losses.

    Convention: a count, not a probability, so no loss counts in part; with fewer losses than `tail` all count. Raises
    ValueError without losses or with `tail` < 1.
    """
    worst = sorted(losses, reverse=True)[:tail]
    if tail < 1 or not worst:
        raise ValueError("expected shortfall needs losses and a tail of at least one")
    return -(-sum(worst) // len(worst))
