"""Historical scenarios: past simultaneous moves of price and volatility, which the requirement covers on average.

Rule: data only. A historical scenario is a column of its own in every group's array, with its exact moves: it is not
rounded to a grid. The columns have no part in a group's worst loss. What enters the requirement is the expected
shortfall over all of them, which is convex in the holdings, so it can be stated as linear rows; a quantile of the
losses is not convex and never enters. This module must not know where the moves come from.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import gcd

from clearing.base.codec import I64, U32, Wire
from clearing.base.units import PPM
from clearing.schema.risk.charges import Check
from clearing.schema.risk.scenarios import MOVE_TIMES_MAX, VOLATILITY_MOVE_MAX_PPM, Scenario

HISTORY_MAX = 256
"""Most historical scenarios: each is a slot and a row of the statement, and a column of every array."""
HISTORY_COUNT_MAX = 2**20
"""Limit of the sum of their counts."""


class HistoricalMove(Wire, frozen=True):
    """What one risk group did in a historical scenario."""

    price_ppm: I64
    """Fraction of the index, and of every mark."""
    volatility_ppm: I64 = 0
    """Relative change of volatility at 30 days to expiry, scaled to other times by the group's `shock`."""

    @property
    def column(self) -> Scenario:
        """The move as a column of the array: of full weight, without the shock's floor and its part for falls."""
        return Scenario(self.price_ppm, PPM, 0, of_index=True, volatility_ppm=self.volatility_ppm)


class HistoricalScenario(Wire, frozen=True):
    """One past move of all risk groups, counted `count` times."""

    moves: tuple[HistoricalMove, ...]
    """One for each risk group, in the groups' order."""
    count: U32 = 1


class HistoricalRequirement(Wire, frozen=True):
    """The requirement from history; off without scenarios."""

    scenarios: tuple[HistoricalScenario, ...] = ()
    """Ordered by moves, each set of moves once."""
    tail: U32 = 1
    """k: how many of the worst losses, counting repetitions, are averaged."""
    tail_part_ppm: U32 = 0
    """The part of one more of the worst losses that counts."""
    weight_ppm: U32 = 800_000
    """The requirement for groups is this fraction of the expected shortfall plus the rest of the plain sum, and at
    least the expected shortfall."""
    keep_largest: bool = True
    """Whether the expected shortfall counts as at least the largest group's requirement."""


def history_checks(history: HistoricalRequirement, groups: int) -> Iterator[Check]:
    """Checks of historical scenarios over this number of risk groups."""
    listed = history.scenarios
    total = sum(scenario.count for scenario in listed)
    ordered = all(_sizes(a) < _sizes(b) for a, b in pairwise(listed))
    yield "history.scenarios", len(listed), len(listed) <= HISTORY_MAX and ordered
    yield "history.count", total, all(scenario.count for scenario in listed) and total <= HISTORY_COUNT_MAX
    part = history.tail_part_ppm
    yield "history.tail_part_ppm", part, part < PPM
    common = gcd(part, PPM)
    averaged, every = history.tail * (PPM // common) + part // common, total * (PPM // common)
    yield "history.tail", history.tail, history.tail >= 1 and (not listed or averaged <= every)
    yield "history.weight_ppm", history.weight_ppm, 1 <= history.weight_ppm < PPM
    for number, scenario in enumerate(listed, start=1):
        at = f"history.scenarios.{number}"
        yield f"{at}.moves", len(scenario.moves), len(scenario.moves) == groups
        for move in scenario.moves:
            yield f"{at}.price_ppm", move.price_ppm, abs(move.price_ppm) <= MOVE_TIMES_MAX * PPM
            bounded = -PPM <= move.volatility_ppm <= VOLATILITY_MOVE_MAX_PPM
            yield f"{at}.volatility_ppm", move.volatility_ppm, bounded


def _sizes(scenario: HistoricalScenario) -> tuple[tuple[int, int], ...]:
    """The moves as numbers, for their order."""
    return tuple((move.price_ppm, move.volatility_ppm) for move in scenario.moves)
