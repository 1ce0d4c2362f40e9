"""`Window`: the newest moves of one risk group, kept sorted, so that their quantiles cost little at every step.

Rule: at any time what `clearing.ranges.update.filtered_of` says of the same moves; a property test holds both equal.
"""

from bisect import bisect_left, insort
from collections import deque
from itertools import islice

from clearing.ranges.history import multiple_of, quantile_up, spanned, standardised
from clearing.ranges.parameters import RangeParameters
from clearing.ranges.records import Move, Variance
from clearing.ranges.rule import Filtered
from clearing.ranges.variance import sqrt_up


class Window:
    """At most `parameters.window` moves."""

    def __init__(self, parameters: RangeParameters) -> None:
        self._parameters = parameters
        self._moves: deque[Move] = deque()
        self._spans: deque[int | None] = deque()
        """Standardised, one for each run of moves, None where one was not observed; the oldest begins at the oldest
        move."""
        self._multiples: list[int] = []
        self._deviations: list[int] = []

    def add(self, move: Move) -> None:
        """Take in the newest move; the oldest goes when there are too many."""
        if len(self._moves) == self._parameters.window:
            self._forget()
        self._moves.append(move)
        if move.deviation_nano:
            insort(self._deviations, move.deviation_nano)
        steps, count = self._parameters.steps, len(self._moves)
        if count < steps:
            return
        run = [move] if steps == 1 else list(islice(self._moves, count - steps, count))
        whole = spanned(run)
        size = None if whole is None else standardised(whole)
        self._spans.append(size)
        if size is not None:
            insort(self._multiples, size)

    def filtered(self, held: Variance) -> Filtered:
        """Multiple and stressed deviation now."""
        rules = self._parameters
        if len(self._multiples) < rules.window_min:
            return Filtered(rules.multiple_ppm, sqrt_up(held.variance))
        multiple = multiple_of(self._multiples, rules.confidence_ppm)
        return Filtered(multiple, quantile_up(self._deviations, rules.stress_quantile_ppm))

    def _forget(self) -> None:
        """Drop the oldest move and the run that began with it."""
        oldest, size = self._moves.popleft(), self._spans.popleft()
        if oldest.deviation_nano:
            del self._deviations[bisect_left(self._deviations, oldest.deviation_nano)]
        if size is not None:
            del self._multiples[bisect_left(self._multiples, size)]
