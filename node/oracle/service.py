"""`OracleService`: keeps the own prices fresh, gossips them, and keeps the newest of each peer.

Rule: `reports` never blocks and contains no price older than the source gave. Gossip of peers is kept apart, for
display and for the spread metric.
"""

from collections.abc import Callable, Iterator, Sequence

import structlog
import trio

from clearing.base.codec import U63, Wire, decode, encode
from clearing.base.errors import CrossclearError, RemoteFault
from clearing.schema.blocks.block import REPORTS_MAX, PriceReport
from node.oracle.source import PriceSource, Quote
from node.p2p.network import Incoming, Network, Topic, carries

GOSSIP_BYTES_MAX = 2048
U32_MAX, U63_MAX = 2**32 - 1, 2**63 - 1

log = structlog.get_logger(__name__)


class PriceGossip(Wire, frozen=True):
    """One validator's prices, for display at others. The sender is authenticated by the network."""

    sent_ms: U63
    reports: tuple[PriceReport, ...]


class OracleService:
    """Owns a source; gives the newest reports to vote extensions."""

    def __init__(
        self, source: PriceSource, clock_ms: Callable[[], int], interval_ms: int = 100, gossip_every: int = 5
    ) -> None:
        self._source = source
        self._clock_ms = clock_ms
        self._interval_ms = interval_ms
        self._gossip_every = gossip_every
        self._reports: tuple[PriceReport, ...] = ()
        self.heard: dict[bytes, PriceGossip] = {}
        """Newest gossip of each peer; peers are the validators."""
        self.failures = 0

    @property
    def reports(self) -> tuple[PriceReport, ...]:
        """The own prices, ordered by feed."""
        return self._reports

    async def run(self, network: Network, changed: Callable[[], None]) -> None:
        """Read the source for ever; `changed` is called when a price moved."""
        beat = 0
        while True:
            now = self._clock_ms()
            try:
                # A read that hangs is left behind when the node stops.
                quotes = await trio.to_thread.run_sync(
                    self._source.read,
                    now,
                    abandon_on_cancel=True,  # type: ignore[call-arg]  # the stubs know its old name
                )
            except (CrossclearError, OSError, ArithmeticError, LookupError, ValueError, TypeError) as error:
                # Stale prices are the state machine's to judge: without new reports the feed goes stale there.
                self.failures += 1
                log.warning("price source failed", error=str(error))
                await trio.sleep(1)
                continue
            reports = tuple(_reportable(quotes, now))
            moved = {r.feed: r.ticks for r in reports} != {r.feed: r.ticks for r in self._reports}
            self._reports = reports
            if moved:
                changed()
            if beat % self._gossip_every == 0 and self._reports:
                network.publish(Topic.PRICES, encode(PriceGossip(now, self._reports)))
            beat += 1
            await trio.sleep(self._interval_ms / 1000)

    async def listen(self, incoming: trio.MemoryReceiveChannel[Incoming]) -> None:
        """Keep the newest gossip of each peer."""
        async for message in incoming:
            try:
                self.heard[message.sender] = decode(message.data, PriceGossip, GOSSIP_BYTES_MAX)
            except RemoteFault as fault:
                log.warning("price gossip refused", peer=message.sender.hex(), fault=str(fault))


valid_gossip = carries(PriceGossip, GOSSIP_BYTES_MAX)
"""Gossip validator: whether the bytes are a `PriceGossip`."""


def _reportable(quotes: Sequence[Quote], now_ms: int) -> Iterator[PriceReport]:
    """What of a source's quotes fits a vote extension: each feed once, in order, every number in its range.

    A quote that does not is left out, for a single absurd one would make the whole extension invalid, facts included.
    """
    of_feed = {quote.feed: quote for quote in reversed(quotes)}
    for feed, quote in sorted(of_feed.items())[:REPORTS_MAX]:
        small = 0 <= feed <= U32_MAX and 0 <= quote.sources <= U32_MAX
        if small and 0 < quote.ticks <= U63_MAX and 0 <= quote.confidence_ticks <= U63_MAX:
            yield PriceReport(feed, quote.ticks, quote.confidence_ticks, quote.sources, now_ms)
        else:
            log.warning("quote out of range", feed=feed, ticks=quote.ticks, confidence=quote.confidence_ticks)
