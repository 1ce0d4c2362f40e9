"""An hour of recorded prices through local venue servers to the oracles of several validators, with faulty sources.

Rule: everything is the program's own but the venues and the making of blocks: streams, parsers, guards, the oracle
service of each validator, and clearing's rule for the agreed price. A height is in order if its feed has no open price,
or one between the lowest and the highest that an honest venue showed in the time that reports and sources may be old.
"""

import math
import random
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import trio

from clearing.schema.blocks.block import VoteExtension
from clearing.schema.blocks.deposit_batch import write_facts
from clearing.schema.records.prices import FeedStatus
from node.config_oracle import FeedConfig, SourceConfig
from node.oracle.connections.live import LiveConnections
from node.oracle.service import OracleService
from node.oracle.several_sources import SeveralSources
from node.oracle.source import HOUR_MS, load_hours
from node.oracle.source_cell import SourceCell
from tests.kit.clearing.genesis import BTC, ETH, POWERS, START_MS, make_genesis
from tests.kit.clearing.world import World
from tests.kit.oracle.venue_server import VenueServer
from tests.kit.until import until

HOURS = Path(__file__).resolve().parents[3] / "configs/devnet/crash-2020-03.csv"
LIAR, STALE, FLAPPING = "binance", "coinbase", "kraken"
VENUES = (LIAR, STALE, FLAPPING)
OFFSETS_PPM = dict(zip(VENUES, (-100, 0, 100), strict=True))
"""Honest venues differ by a basis point or two."""
AGE_MS, REPORT_AGE_MS, READ_MS, HEIGHT_MS, BEAT_MS = 1_000, 1_000, 100, 250, 50
WINDOW_MS = AGE_MS + REPORT_AGE_MS + READ_MS + HEIGHT_MS + 2 * BEAT_MS
TOLERANCE_PPM = 5_000
FLAP_SECONDS = 1.5

PHASES: tuple[tuple[str, dict[str, str]], ...] = (
    ("all honest", {}),
    ("one lies: 8 % too high", {LIAR: "high"}),
    ("one lies within the tolerance: 0.4 % too low", {LIAR: "near"}),
    ("one shows random jumps of up to 30 %", {LIAR: "jumps"}),
    ("one is stale: heartbeats, no prices", {STALE: "silent"}),
    ("one is frozen: the old price with new times", {STALE: "frozen"}),
    ("one flaps: up and down", {FLAPPING: "flaps"}),
    ("one is stale, one flaps", {STALE: "silent", FLAPPING: "flaps"}),
    ("one lies, one flaps", {LIAR: "high", FLAPPING: "flaps"}),
    ("one lies, one is stale, one flaps", {LIAR: "high", STALE: "silent", FLAPPING: "flaps"}),
    ("all honest again", {}),
)


@dataclass
class Row:
    """What became of the heights of one phase and one feed."""

    phase: str
    feed: int
    minutes: tuple[int, int]
    heights: int = 0
    priced: int = 0
    outside: int = 0
    farthest_ppm: int = 0
    """From the honest range's middle."""
    widest_ppm: int = 0
    """Half of the honest range."""
    reports_least: int = len(POWERS)
    usable: set[int] = field(default_factory=set)


class Hour:
    """One run. `hour`: of the recording; `speed`: recorded milliseconds per millisecond."""

    def __init__(self, hour: int, speed: int, seed: int = 1) -> None:
        self.speed, self.hour = speed, load_hours(HOURS)[hour]
        self.seconds = HOUR_MS / 1_000 / speed
        self.shown: dict[int, deque[tuple[int, int]]] = {BTC: deque(), ETH: deque()}
        """What honest venues showed: time and price in cents."""
        self.rows: list[Row] = []
        self._random = random.Random(seed)
        self._begun = 0.0
        self._frozen: dict[tuple[str, int], tuple[int, int]] = {}

    def clock_ms(self) -> int:
        return START_MS + int((time.monotonic() - self._begun) * 1_000)

    @property
    def phase(self) -> int:
        share = (self.clock_ms() - START_MS) / 1_000 / self.seconds
        return min(int(share * len(PHASES)), len(PHASES) - 1)

    async def run(self) -> list[Row]:
        self._begun = time.monotonic()
        for index, (name, _) in enumerate(PHASES):
            begin, end = (60 * each // len(PHASES) for each in (index, index + 1))
            self.rows += [Row(name, feed, (begin, end)) for feed in (BTC, ETH)]
        async with trio.open_nursery() as nursery:
            servers = {(venue, feed): self._server(venue, feed) for venue in VENUES for feed in (BTC, ETH)}
            for server in servers.values():
                await nursery.start(server.run)
            validators = [self._validator(servers, nursery) for _ in POWERS]
            nursery.start_soon(self._flap, [servers[FLAPPING, feed] for feed in (BTC, ETH)])
            # The recording begins when every source of every validator has a price.
            await until(lambda: all(_is_whole(several) for _, several in validators), "every source")
            offset = self.clock_ms() - START_MS
            self._begun += offset / 1_000
            self.shown = {BTC: deque(), ETH: deque()}
            world = World(make_genesis({"report_age_ms_max": REPORT_AGE_MS, "confidence_ppm_max": 20_000}), check=False)
            await self._heights(world, validators)
            nursery.cancel_scope.cancel()
        return self.rows

    def _server(self, venue: str, feed: int) -> VenueServer:
        return VenueServer(venue, self.clock_ms, lambda: self._price(venue, feed), BEAT_MS / 1_000, f"M{feed}")

    def _validator(
        self, servers: dict[tuple[str, int], VenueServer], nursery: trio.Nursery
    ) -> tuple[OracleService, SeveralSources]:
        feeds = [
            FeedConfig(name=name, feed=feed, age_ms_max=AGE_MS, deviation_ppm_max=TOLERANCE_PPM)
            for name, feed in (("BTC", BTC), ("ETH", ETH))
        ]
        sources = [
            SourceConfig(
                feed="BTC" if feed == BTC else "ETH",
                name=venue,
                venue=venue,  # type: ignore[arg-type]
                market=f"M{feed}",
                url=server.url,
                rest_url=server.rest_url,
                price="book",
            )
            for (venue, feed), server in servers.items()
        ]
        several = SeveralSources(feeds, [SourceCell(source) for source in sources])
        service = OracleService(several, self.clock_ms, READ_MS)
        nursery.start_soon(LiveConnections(several.all_cells, (), self.clock_ms).run)
        network: Any = SimpleNamespace(publish=lambda *_: None)
        nursery.start_soon(service.run, network, lambda: None)
        return service, several

    def _honest(self, feed: int, venue: str) -> int:
        """Cents at the recorded time that is now."""
        index = 0 if feed == BTC else 1
        opened, closed = self.hour.opens[index], self.hour.closes[index]
        elapsed = min((self.clock_ms() - START_MS) * self.speed, HOUR_MS)
        cents = opened + (closed - opened) * elapsed // HOUR_MS
        return cents + cents * OFFSETS_PPM[venue] // 1_000_000

    def _price(self, venue: str, feed: int) -> tuple[int, int] | None:
        honest = self._honest(feed, venue)
        mode = PHASES[self.phase][1].get(venue, "")
        if mode == "silent":
            return None
        if mode == "frozen":
            return self._frozen.setdefault((venue, feed), (honest, honest + 2))
        lie = {"high": 80_000, "near": -4_000, "jumps": self._random.randint(-300_000, 300_000)}.get(mode, 0)
        if mode in ("", "flaps"):
            self.shown[feed].append((self.clock_ms(), honest + 1))
        bid = honest + honest * lie // 1_000_000
        return bid, bid + 2

    async def _flap(self, servers: list[VenueServer]) -> None:
        """Down for a while, then up for as long, in the phases in which the source flaps."""
        while True:
            await trio.sleep(0.05)
            if PHASES[self.phase][1].get(FLAPPING) != "flaps":
                continue
            for server in servers:
                server.rejections.extend([(503, ())] * 1_000)
                await server.disconnect()
            await trio.sleep(FLAP_SECONDS)
            for server in servers:
                server.rejections.clear()
            await trio.sleep(FLAP_SECONDS)

    async def _heights(self, world: World, validators: list[tuple[OracleService, SeveralSources]]) -> None:
        while self.clock_ms() - START_MS < self.seconds * 1_000:
            await trio.sleep(HEIGHT_MS / 1_000)
            now = self.clock_ms()
            said = [VoteExtension(prices=service.reports, facts=write_facts(())) for service, _ in validators]
            world.apply(world.make_block(extensions=said, after_ms=now - world.state.now.time_ms))
            for feed in (BTC, ETH):
                self._note(world, feed, now, validators)

    def _note(self, world: World, feed: int, now: int, validators: list[tuple[OracleService, SeveralSources]]) -> None:
        row = self.rows[2 * self.phase + (feed == ETH)]
        row.heights += 1
        row.reports_least = min(
            row.reports_least, sum(any(r.feed == feed for r in service.reports) for service, _ in validators)
        )
        row.usable |= {s.judgement.usable for _, each in validators for s in each.standings if s.config.feed == feed}
        shown = self.shown[feed]
        while shown and shown[0][0] < now - WINDOW_MS:
            shown.popleft()
        state = world.state.feeds.get(feed)
        if state is None or state.status != FeedStatus.OPEN:
            return
        row.priced += 1
        prices = [cents for _, cents in shown]
        low, high = (min(prices), max(prices)) if prices else (0, -1)
        row.outside += not low <= state.ticks <= high
        middle = (low + high) // 2 or 1
        row.farthest_ppm = max(row.farthest_ppm, abs(state.ticks - middle) * 1_000_000 // middle)
        row.widest_ppm = max(row.widest_ppm, (high - low) * 500_000 // middle)


def _is_whole(several: SeveralSources) -> bool:
    return bool(several.standings) and all(each.judgement.usable == len(VENUES) for each in several.standings)


def table(rows: list[Row]) -> Iterator[str]:
    """A line a phase and feed."""
    widths = max(len(row.phase) for row in rows)
    head = f"{'minutes':>8} {'what the sources do':<{widths}} feed heights priced outside  off ±range  usable reports"
    yield head
    for row in rows:
        minutes, name = f"{row.minutes[0]}-{row.minutes[1]}", "BTC" if row.feed == BTC else "ETH"
        usable = f"{min(row.usable, default=0)}-{max(row.usable, default=0)}"
        figures = (
            f"{row.heights:>7} {row.priced:>6} {row.outside:>7} {_bp(row.farthest_ppm):>4} {_bp(row.widest_ppm):>6}"
        )
        yield f"{minutes:>8} {row.phase:<{widths}} {name:<4} {figures} {usable:>7} {row.reports_least:>7}"
    yield "off, ±range: basis points from the middle of the honest range, and half of that range; reports: the fewest"


def _bp(ppm: int) -> int:
    return math.ceil(ppm / 100)
