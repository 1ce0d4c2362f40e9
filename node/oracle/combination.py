"""`FeedCombination`: one value of a feed out of its sources, and a verdict on each.

Rule: the value is the median of the usable sources, if these are at least `quorum`. A source is usable if nothing is
wrong with it alone (`guard.judge`) and it is near to more than half of those of which the same holds, itself included.
So while most sources are honest and near to each other, the value lies between two of them, whatever the others say.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from node.oracle.guard import Flaw, Limits, SourceState, age_ms, judge
from node.oracle.readings import PPM
from node.oracle.source import OracleCode


@dataclass(frozen=True, slots=True)
class FeedValue:
    """Median and half-width of the usable sources in units of 10^-18, and how many they are."""

    price_e18: int
    half_width_e18: int
    sources: int


@dataclass(frozen=True, slots=True)
class SourceVerdict:
    """One source: what it says, and why it does not count; `flaw` is None for one that does."""

    name: str
    price_e18: int | None
    half_width_e18: int
    age_ms: int
    flaw: Flaw | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """`value` is None while the usable sources are fewer than the quorum."""

    value: FeedValue | None
    verdicts: tuple[SourceVerdict, ...]

    @property
    def usable(self) -> int:
        """How many sources count."""
        return sum(verdict.flaw is None for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class _Anchor:
    price_e18: int
    time_ms: int


class FeedCombination:
    """Remembers the last usable price of each source, by which jumps are measured."""

    def __init__(self, limits: Limits, age_ms_max: Callable[[str], int | None] | None = None) -> None:
        """`age_ms_max`: of a source by its name, where it differs from the feed's."""
        self._limits = limits
        self._age_ms_max = age_ms_max
        self._anchors: dict[str, _Anchor] = {}

    def judge(self, states: Sequence[SourceState], now_ms: int) -> Judgement:
        """The value now. O(n²) in the sources of the feed, which are few."""
        flaws = {state.name: judge(state, self._limits_of(state.name), now_ms) for state in states}
        prices = {
            state.name: state.reading.price_e18
            for state in states
            if state.reading is not None and flaws[state.name] is None
        }
        flaws.update(self._jumps(prices, now_ms))
        compared = {name: price for name, price in prices.items() if flaws[name] is None}
        flaws.update(self._deviations(compared))
        usable = [state for state in states if flaws[state.name] is None]
        for state in usable:
            self._anchors[state.name] = _Anchor(prices[state.name], now_ms)
        verdicts = tuple(_verdict(state, flaws[state.name], now_ms) for state in states)
        return Judgement(_value(usable) if len(usable) >= self._limits.quorum else None, verdicts)

    def _limits_of(self, name: str) -> Limits:
        own = self._age_ms_max(name) if self._age_ms_max is not None else 0
        return replace(self._limits, age_ms_max=own) if own else self._limits

    def _jumps(self, prices: dict[str, int], now_ms: int) -> dict[str, Flaw]:
        """Who jumped while no other source is where it is."""
        found = {}
        for name, price in prices.items():
            anchor = self._anchors.get(name)
            # An anchor of a later time is from before the clock was set back.
            if anchor is None or not 0 <= now_ms - anchor.time_ms <= self._limits.jump_ms:
                continue
            if _is_near(price, anchor.price_e18, self._limits.jump_ppm_max):
                continue
            if self._near(price, prices) < 2:
                moved = (price - anchor.price_e18) * PPM // anchor.price_e18
                found[name] = Flaw(OracleCode.PRICE_JUMPED, f"by {moved} millionths")
        return found

    def _deviations(self, prices: dict[str, int]) -> Iterator[tuple[str, Flaw]]:
        for name, price in prices.items():
            near = self._near(price, prices)
            if 2 * near <= len(prices):
                yield name, Flaw(OracleCode.PRICE_DEVIATES, f"near to {near - 1} of {len(prices) - 1} others")

    def _near(self, price: int, prices: dict[str, int]) -> int:
        """How many are near to it, itself included."""
        return sum(_is_near(price, other, self._limits.deviation_ppm_max) for other in prices.values())


def _is_near(price: int, other: int, ppm: int) -> bool:
    """Symmetric: measured by the smaller of the two."""
    return abs(price - other) * PPM <= ppm * min(price, other)


def median(values: Sequence[int]) -> int:
    """Of an even number the mean of the middle two, rounded down. `values` is not empty."""
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) // 2


def _value(usable: Sequence[SourceState]) -> FeedValue:
    """The half-width is the greater of the median half-width of the sources and the farthest price from the median."""
    readings = [state.reading for state in usable if state.reading is not None]
    price = median([reading.price_e18 for reading in readings])
    farthest = max(abs(reading.price_e18 - price) for reading in readings)
    width = median([reading.half_width_e18 for reading in readings])
    return FeedValue(price, max(farthest, width), len(readings))


def _verdict(state: SourceState, flaw: Flaw | None, now_ms: int) -> SourceVerdict:
    reading = state.reading
    if reading is None:
        return SourceVerdict(state.name, None, 0, 0, flaw)
    return SourceVerdict(state.name, reading.price_e18, reading.half_width_e18, age_ms(state, now_ms), flaw)
