"""The bands of prices at which an account is short of margin, between prices that were evaluated.

Rule: a band's ends are whole units of the asked decimals, found by bisection with the margin itself between a price
that is covered and one that is not. It must not know models or portfolios, only the excess at a price.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise

REFINED_EACH = 12
"""Evaluations for the neighbourhood of one extreme."""
REFINED_ALWAYS = 2
"""Ends that are refined however many evaluations that takes: those of the bands next to today's price."""


@dataclass(frozen=True, slots=True)
class PriceBand:
    """Prices at which the account is short of margin, both ends included."""

    lowest: Fraction
    highest: Fraction
    refined: bool
    """Whether the ends are exact to the asked decimals; else they are evaluated prices, and the band may be longer."""


class Excesses:
    """The excess by price; every price is evaluated once, and evaluations are counted."""

    def __init__(self, excess: Callable[[Fraction], Fraction], evaluations: int) -> None:
        self._excess = excess
        self._found: dict[Fraction, Fraction] = {}
        self._most = evaluations

    @property
    def left(self) -> int:
        """How many more evaluations there may be."""
        return self._most - len(self._found)

    def at(self, price: Fraction) -> Fraction:
        """The excess at a price."""
        if price not in self._found:
            self._found[price] = self._excess(price)
        return self._found[price]

    def covered(self, price: Fraction) -> bool:
        """Whether the account is not short of margin."""
        return self.at(price) >= 0


def with_extremes(excesses: Excesses, prices: Sequence[Fraction], reserve: int) -> list[Fraction]:
    """`prices` and those found by following each local minimum of a surplus or of a shortage, the smallest first.

    A dip below zero between two prices, or a rise above it, is found when the excess has one extreme between them.
    Evaluations stop when `reserve` are left.
    """
    ordered = sorted(set(prices))
    values = [excesses.at(price) for price in ordered]
    places = [
        at
        for at in range(1, len(ordered) - 1)
        if abs(values[at]) <= min(abs(values[at - 1]), abs(values[at + 1]))
        and (values[at - 1] < 0) == (values[at] < 0) == (values[at + 1] < 0)
    ]
    found = list(ordered)
    for at in sorted(places, key=lambda place: abs(values[place])):
        if excesses.left <= reserve + REFINED_EACH:
            break
        found.extend(_towards_zero(excesses, ordered[at - 1], ordered[at], ordered[at + 1]))
    return sorted(set(found))


def _towards_zero(excesses: Excesses, low: Fraction, middle: Fraction, high: Fraction) -> list[Fraction]:
    """Prices towards the smallest unsigned excess; the last one has the other sign, if one is found."""
    sign = 1 if excesses.at(middle) >= 0 else -1
    tried: list[Fraction] = []
    for _ in range(REFINED_EACH):
        wider = (low + middle) / 2 if middle - low >= high - middle else (middle + high) / 2
        tried.append(wider)
        value = excesses.at(wider)
        if (value >= 0) != (sign > 0):
            return tried
        if sign * value < sign * excesses.at(middle):
            low, middle, high = (low, wider, middle) if wider < middle else (middle, wider, high)
        else:
            low, high = (wider, high) if wider < middle else (low, wider)
    return tried


def price_bands(excesses: Excesses, prices: Sequence[Fraction], today: Fraction, scale: int) -> tuple[PriceBand, ...]:
    """The bands among evaluated `prices`, ordered; ends are refined to whole 1/scale, those nearest `today` first."""
    ordered = sorted(set(prices))
    covered = [excesses.covered(price) for price in ordered]
    edges = [at for at, (one, other) in enumerate(pairwise(covered)) if one is not other]
    ends: dict[int, Fraction] = {}
    for at in sorted(edges, key=lambda place: min(abs(ordered[place] - today), abs(ordered[place + 1] - today))):
        good, short = (ordered[at], ordered[at + 1]) if covered[at] else (ordered[at + 1], ordered[at])
        if len(ends) < REFINED_ALWAYS or excesses.left >= _steps(good, short, scale):
            ends[at] = short_end(excesses.covered, good, short, scale)
    bands, first = [], 0
    for is_covered, run in groupby(covered):
        last = first + len(list(run)) - 1
        if not is_covered:
            low, high = ends.get(first - 1), ends.get(last)
            refined = (low is not None or first == 0) and (high is not None or last == len(ordered) - 1)
            ends_at = ordered[first] if low is None else low, ordered[last] if high is None else high
            bands.append(PriceBand(*ends_at, refined))
        first = last + 1
    return tuple(bands)


def _steps(one: Fraction, other: Fraction, scale: int) -> int:
    return int(abs(one - other) * scale).bit_length() + 2


def short_end(covered: Callable[[Fraction], bool], good: Fraction, short: Fraction, scale: int) -> Fraction:
    """The whole unit next to a covered one that is short of margin; `short` itself where no unit between them is."""
    sign = 1 if short > good else -1
    inside, outside = _unit(short, scale, -sign), _unit(good, scale, -sign)
    if (inside - outside) * sign <= 0 or covered(Fraction(inside, scale)):
        return short
    while abs(inside - outside) > 1:
        middle = (inside + outside) // 2
        inside, outside = (inside, middle) if covered(Fraction(middle, scale)) else (middle, outside)
    return Fraction(inside, scale)


def _unit(price: Fraction, scale: int, sign: int) -> int:
    """The whole unit at or beside a price, below it for -1, above it for 1."""
    scaled = price * scale
    return scaled.numerator // scaled.denominator if sign < 0 else -(-scaled.numerator // scaled.denominator)
