"""`Window`: the newest moves of one risk group, kept sorted, so that their quantiles cost little at every step.

Rule: at any time what `clearing.ranges.update.filtered_of` says of the same moves; a property test holds both equal.
"""

from bisect import bisect_left, insort
from collections import deque

from clearing.ranges.history import multiple_of, quantile_up, standardised
from clearing.ranges.parameters import RangeParameters
from clearing.ranges.records import Move, Variance
from clearing.ranges.rule import Filtered
from clearing.ranges.variance import sqrt_up


class Window:
    """At most `parameters.window` moves."""

    def __init__(self, parameters: RangeParameters) -> None:
        self._parameters = parameters
        self._kept: deque[tuple[int, int]] = deque()
        self._multiples: list[int] = []
        self._deviations: list[int] = []

    def add(self, move: Move) -> None:
        """Take in the newest move; the oldest goes when there are too many."""
        if move.deviation_nano == 0:
            return
        pair = standardised(move), move.deviation_nano
        if len(self._kept) == self._parameters.window:
            multiple, deviation = self._kept.popleft()
            del self._multiples[bisect_left(self._multiples, multiple)]
            del self._deviations[bisect_left(self._deviations, deviation)]
        self._kept.append(pair)
        insort(self._multiples, pair[0])
        insort(self._deviations, pair[1])

    def filtered(self, held: Variance) -> Filtered:
        """Multiple and stressed deviation now."""
        rules = self._parameters
        if len(self._kept) < rules.window_min:
            return Filtered(rules.multiple_ppm, sqrt_up(held.variance))
        multiple = multiple_of(self._multiples, rules.confidence_ppm)
        return Filtered(multiple, quantile_up(self._deviations, rules.stress_quantile_ppm))
