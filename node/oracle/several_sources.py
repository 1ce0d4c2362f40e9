"""`SeveralSources`: the quotes of all feeds, each out of several sources.

Rule: a source that is priced in another feed is multiplied by that feed's value of the same moment. A feed with too
few usable sources has no quote: the network then judges it by the other validators' reports, or stops using it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from clearing.base.errors import LocalFault
from node.config_oracle import FeedConfig
from node.oracle.combination import FeedCombination, FeedValue, Judgement
from node.oracle.guard import Limits, SourceState
from node.oracle.readings import E18, Reading
from node.oracle.source import OracleCode, Quote
from node.oracle.source_cell import SourceCell


@dataclass(frozen=True, slots=True)
class FeedStanding:
    """A feed at the last reading. `quote` is None without a value, and for a feed that is not reported."""

    config: FeedConfig
    judgement: Judgement
    quote: Quote | None

    @property
    def ok(self) -> bool:
        """Whether it has a value."""
        return self.judgement.value is not None

    @property
    def detail(self) -> str:
        """In words: how many sources count, and why the others do not."""
        verdicts = self.judgement.verdicts
        head = f"{self.judgement.usable} of {len(verdicts)} sources usable, {self.config.quorum} needed"
        flaws = [
            f"{each.name} {each.flaw.code.label} {each.flaw.code.name.lower()}"
            + (f" ({each.flaw.why})" if each.flaw.why else "")
            for each in verdicts
            if each.flaw is not None
        ]
        first = [] if self.ok else [f"{OracleCode.SOURCES_TOO_FEW.label} no price is reported"]
        return "; ".join([head, *first, *flaws])


class SeveralSources:
    """A `PriceSource` over cells that connections fill."""

    def __init__(self, feeds: Sequence[FeedConfig], cells: Sequence[SourceCell]) -> None:
        """Raises LocalFault PRICE_SOURCE_UNUSABLE as `feeds_in_order`."""
        self.all_cells = tuple(cells)
        self.cells = {feed.name: [cell for cell in cells if cell.config.feed == feed.name] for feed in feeds}
        self._feeds = feeds_in_order(feeds, cells)
        self._combinations = {
            feed.name: FeedCombination(_limits(feed), self._ages(feed.name).get) for feed in self._feeds
        }
        self.standings: tuple[FeedStanding, ...] = ()
        """Of all feeds, as last read."""

    def _ages(self, feed: str) -> dict[str, int]:
        return {cell.config.name: cell.age_ms_max for cell in self.cells[feed]}

    def read(self, now_ms: int) -> tuple[Quote, ...]:
        """The quotes now, ordered by feed."""
        values: dict[str, FeedValue | None] = {}
        standings = []
        for feed in self._feeds:
            states = [_priced(cell, values) for cell in self.cells[feed.name]]
            judgement = self._combinations[feed.name].judge(states, now_ms)
            values[feed.name] = judgement.value
            standings.append(FeedStanding(feed, judgement, _quote(feed, judgement.value)))
        self.standings = tuple(sorted(standings, key=lambda standing: standing.config.name))
        return tuple(sorted((each.quote for each in standings if each.quote), key=lambda quote: quote.feed))

    def value_of(self, feed: str) -> float | None:
        """Of a feed by its name, as last read, in units of money; None without a value."""
        values = (each.judgement.value for each in self.standings if each.config.name == feed)
        return next((value.price_e18 / E18 for value in values if value is not None), None)


def feeds_in_order(feeds: Sequence[FeedConfig], cells: Sequence[SourceCell]) -> tuple[FeedConfig, ...]:
    """Each feed after those in which its sources are priced.

    Raises LocalFault PRICE_SOURCE_UNUSABLE: a feed or a source twice, a name that no feed has, a circle of feeds, a
    feed with fewer sources than its quorum.
    """
    named = {feed.name: feed for feed in feeds}
    numbers = [feed.feed for feed in feeds if feed.feed]
    if len(named) < len(feeds) or len(set(numbers)) < len(numbers):
        raise _unusable("oracle.feeds", "two feeds have one name or one number")
    keys = [(cell.config.feed, cell.config.name) for cell in cells]
    if len(set(keys)) < len(keys):
        raise _unusable("oracle.sources", "two sources of a feed have one name")
    below: dict[str, set[str]] = {feed.name: set() for feed in feeds}
    for cell in cells:
        for name in (cell.config.feed, cell.config.times):
            if name and name not in named:
                raise _unusable("oracle.sources", f"{cell.config.name}: no feed is named {name}")
        if cell.config.times:
            below[cell.config.feed].add(cell.config.times)
    for feed in feeds:
        count = sum(cell.config.feed == feed.name for cell in cells)
        if count < feed.quorum:
            raise _unusable("oracle.feeds", f"{feed.name} has {count} sources and needs {feed.quorum}")
    try:
        return tuple(named[name] for name in TopologicalSorter(below).static_order())
    except CycleError as error:
        raise _unusable("oracle.sources", f"feeds are priced in each other: {' '.join(error.args[1])}") from None


def _unusable(at: str, why: str) -> LocalFault:
    return LocalFault(OracleCode.PRICE_SOURCE_UNUSABLE, at, why=why)


def _limits(feed: FeedConfig) -> Limits:
    return Limits(
        quorum=feed.quorum,
        age_ms_max=feed.age_ms_max,
        skew_ms_max=feed.skew_ms_max,
        spread_ppm_max=feed.spread_ppm_max,
        deviation_ppm_max=feed.deviation_ppm_max,
        jump_ppm_max=feed.jump_ppm_max,
        jump_ms=feed.jump_ms,
    )


def _priced(cell: SourceCell, values: dict[str, FeedValue | None]) -> SourceState:
    """The source's state, in the unit of its feed."""
    state, times = cell.state, cell.config.times
    if not times or state.reading is None:
        return state
    value = values[times]
    if value is None:
        why = f"{times}, in which it is priced, has no value"
        return replace(state, reading=None, fault=OracleCode.SOURCES_TOO_FEW, why=why)
    return replace(state, reading=_product(state.reading, value))


def _product(reading: Reading, value: FeedValue) -> Reading:
    """Price times price; the half-widths add up as shares of their prices. Sides of a book that are empty stay so."""
    width = reading.half_width_e18 * value.price_e18 + abs(reading.price_e18) * value.half_width_e18
    bid, ask = (None if side is None else side * value.price_e18 // E18 for side in (reading.bid_e18, reading.ask_e18))
    return Reading(reading.price_e18 * value.price_e18 // E18, -(-width // E18), bid, ask, reading.time_ms)


def _quote(feed: FeedConfig, value: FeedValue | None) -> Quote | None:
    """In ticks: the price to the nearest, a half upwards; the confidence rounded up, at least one."""
    if value is None or not feed.feed:
        return None
    ticks = (2 * value.price_e18 * feed.ticks_per_unit + E18) // (2 * E18)
    confidence = max(1, -(-value.half_width_e18 * feed.ticks_per_unit // E18))
    return Quote(feed.feed, ticks, confidence, value.sources) if ticks else None
