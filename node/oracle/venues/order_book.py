"""`OrderBook`: the levels of one market, as snapshots and updates leave them.

Rule: a size of zero removes a level, and removing one that is not there is normal. It never guesses: what a gap makes
of it is the parser's to say.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

from clearing.base.errors import RemoteFault
from node.oracle.readings import Reading, exact_e18, of_book
from node.oracle.source import OracleCode

LEVELS_MAX = 100_000
"""Of one side, and of one side in one message. The fullest books of the venues have half of that."""
SORTED_ANEW = 256
"""So many levels of one message: moving each to its place would cost more than one sort."""
Level: TypeAlias = tuple[Decimal, Decimal]
"""Price and size, with the digits as sent."""


class _Side:
    """One side; `prices` ascending."""

    def __init__(self) -> None:
        self.prices: list[int] = []
        self.levels: dict[int, Level] = {}

    def set_all(self, levels: Sequence[Level], at: str) -> None:
        """Raises as `set`; a message that is longer than a side is refused whole."""
        if len(levels) < SORTED_ANEW:
            for level in levels:
                self.set(level, at)
            return
        if len(levels) > LEVELS_MAX:
            raise _too_many(at)
        for level in levels:
            price, size = _price_and_size(level, at)
            if size:
                self.levels[price] = level
            else:
                self.levels.pop(price, None)
        self.prices = sorted(self.levels)
        if len(self.prices) > LEVELS_MAX:
            raise _too_many(at)

    def set(self, level: Level, at: str) -> None:
        """Raises RemoteFault VENUE_MALFORMED for a price of zero or less, a negative size, too many levels."""
        price, size = _price_and_size(level, at)
        if size == 0:
            self.remove(price)
            return
        if price not in self.levels:
            if len(self.prices) >= LEVELS_MAX:
                raise _too_many(at)
            insort(self.prices, price)
        self.levels[price] = level

    def remove(self, price: int) -> None:
        if self.levels.pop(price, None) is not None:
            del self.prices[bisect_left(self.prices, price)]


def _price_and_size(level: Level, at: str) -> tuple[int, int]:
    price, size = exact_e18(level[0], at), exact_e18(level[1], at)
    if price <= 0 or size < 0:
        raise RemoteFault(OracleCode.VENUE_MALFORMED, at, why="a level without a positive price and size")
    return price, size


def _too_many(at: str) -> RemoteFault:
    return RemoteFault(OracleCode.VENUE_MALFORMED, at, why="too many levels", limit=LEVELS_MAX)


class OrderBook:
    """Bids and asks. Raises RemoteFault VENUE_MALFORMED for levels that cannot be."""

    def __init__(self, at: str) -> None:
        self._at = at
        self._bids, self._asks = _Side(), _Side()

    def reset(self) -> None:
        """Forget every level."""
        self._bids, self._asks = _Side(), _Side()

    def update(self, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Set levels, in their order. O(levels of the side) each, by memory move, or one sort for all."""
        self._bids.set_all(bids, self._at)
        self._asks.set_all(asks, self._at)

    def cut(self, depth: int) -> None:
        """Keep so many levels of each side, the best."""
        for price in self._bids.prices[:-depth]:
            self._bids.remove(price)
        for price in self._asks.prices[depth:]:
            self._asks.remove(price)

    def best(self, depth: int) -> tuple[list[Level], list[Level]]:
        """Bids from high to low and asks from low to high, so many of each at most."""
        bids = [self._bids.levels[price] for price in reversed(self._bids.prices[-depth:])]
        return bids, [self._asks.levels[price] for price in self._asks.prices[:depth]]

    def reading(self, time_ms: int | None) -> Reading:
        """Of the best prices; an empty side is 0."""
        bid = self._bids.prices[-1] if self._bids.prices else 0
        ask = self._asks.prices[0] if self._asks.prices else 0
        return of_book(bid, ask, time_ms)
