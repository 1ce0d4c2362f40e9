"""`GeneratedSource`: prices that nobody traded, the same at every node of one seed; for trials and for feeds to come.

Rule: a price is a function of seed, feed and time alone. Nodes agree without talking, and a restart changes nothing.
"""

import hashlib
from collections.abc import Sequence

from node.config_oracle import FeedConfig
from node.oracle.readings import PPM
from node.oracle.source import Quote

WAVES = ((86_400_000, 60_000), (3_600_000, 15_000), (300_000, 4_000), (10_000, 500))
"""(period in ms, amplitude in millionths): days move more than hours, hours more than seconds."""
CONFIDENCE_PPM = 500


class GeneratedSource:
    """Each feed moves around its `generated_price` by at most the sum of the amplitudes."""

    def __init__(self, feeds: Sequence[FeedConfig], seed: int) -> None:
        self._feeds = tuple(sorted((feed for feed in feeds if feed.feed), key=lambda feed: feed.feed))
        self._seed = seed

    def read(self, now_ms: int) -> tuple[Quote, ...]:
        """The quotes now."""
        quotes = []
        for feed in self._feeds:
            moved = sum(self._wave(feed.feed, *wave, now_ms) for wave in WAVES)
            ticks = max(1, feed.generated_price * feed.ticks_per_unit * (PPM + moved) // PPM)
            quotes.append(Quote(feed.feed, ticks, max(1, ticks * CONFIDENCE_PPM // PPM), 1))
        return tuple(quotes)

    def _wave(self, feed: int, period_ms: int, amplitude: int, now_ms: int) -> int:
        """Between two random heights, in a straight line."""
        beat, within = divmod(now_ms, period_ms)
        begin, end = (self._height(feed, period_ms, at, amplitude) for at in (beat, beat + 1))
        return begin + (end - begin) * within // period_ms

    def _height(self, feed: int, period_ms: int, beat: int, amplitude: int) -> int:
        drawn = hashlib.sha256(f"{self._seed} {feed} {period_ms} {beat}".encode()).digest()
        return int.from_bytes(drawn[:8], "big") % (2 * amplitude + 1) - amplitude
