"""`OracleService`: keeps the own prices fresh, tells peers, and hears theirs.

Rule: `reports` never blocks and never holds a price older than the source gave. What peers gossip is kept apart, for
display and for the spread metric.
"""

from collections.abc import Callable

import structlog
import trio

from clearing.base.codec import U63, Wire, decode, encode
from clearing.base.errors import CrossclearError, RemoteFault
from clearing.extension import PriceReport
from node.oracle.source import PriceSource, Quote
from node.p2p.network import Incoming, Network, Topic

GOSSIP_BYTES_MAX = 2048

log = structlog.get_logger(__name__)


class PriceGossip(Wire, frozen=True):
    """One validator's prices, for display at others. The sender is authenticated by the network."""

    sent_ms: U63
    reports: tuple[PriceReport, ...]


class OracleService:
    """Owns a source; gives the newest reports to whoever builds a vote extension."""

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
                quotes = await trio.to_thread.run_sync(self._source.read, now)
            except CrossclearError as error:
                # Stale prices are the state machine's to judge: without new reports the feed goes stale there.
                self.failures += 1
                log.warning("price source failed", error=str(error))
                await trio.sleep(1)
                continue
            moved = {quote.feed: quote.ticks for quote in quotes} != {r.feed: r.ticks for r in self._reports}
            self._reports = tuple(_report(quote, now) for quote in quotes)
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


def valid_gossip(message: Incoming) -> bool:
    """Gossip validator: whether the bytes are a `PriceGossip`."""
    try:
        decode(message.data, PriceGossip, GOSSIP_BYTES_MAX)
    except RemoteFault:
        return False
    return True


def _report(quote: Quote, now_ms: int) -> PriceReport:
    return PriceReport(
        feed=quote.feed,
        ticks=quote.ticks,
        confidence_ticks=quote.confidence_ticks,
        sources=quote.sources,
        time_ms=now_ms,
    )
