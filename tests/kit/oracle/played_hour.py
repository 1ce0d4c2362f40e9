"""An hour of recorded prices as three venues a feed show it, of which one lies, one is stale and one flaps.

Rule: a height is in order if its feed has no open price, or one between the lowest and the highest that an honest venue
showed in the time that reports and sources may be old. It must have a price if at most one source is faulty, and was
`SETTLE_MS` ago: a source that recovers counts from its next price on.
"""

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import trio

from clearing.schema.records.prices import FeedState, FeedStatus
from node.config_oracle import FeedConfig, SourceConfig
from node.oracle.source import HOUR_MS, load_hours
from tests.kit.clearing.genesis import BTC, ETH, POWERS
from tests.kit.oracle.venue_server import VenueServer

HOURS = Path(__file__).resolve().parents[3] / "configs/devnet/crash-2020-03.csv"
LIAR, STALE, FLAPPING = "binance", "coinbase", "kraken"
VENUES = (LIAR, STALE, FLAPPING)
NAMES = {BTC: "BTC", ETH: "ETH"}
OFFSETS_PPM = dict(zip(VENUES, (-100, 0, 100), strict=True))
"""Honest venues differ by a basis point or two."""
AGE_MS, REPORT_AGE_MS, READ_MS, BEAT_MS = 1_000, 1_000, 100, 50
TOLERANCE_PPM = 5_000
FLAP_SECONDS = 1.5
SETTLE_MS = 2 * (BEAT_MS + READ_MS)
"""From the next beat of a venue that recovers to a validator's report, twice: neither keeps the other's step."""

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
    owed: int = 0
    """Heights that must have a price."""
    missing: int = 0
    """Those of them without one."""
    priced: int = 0
    outside: int = 0
    farthest_ppm: int = 0
    """From the honest range's middle."""
    widest_ppm: int = 0
    """Half of the honest range."""
    reports_least: int = len(POWERS)
    usable: set[int] = field(default_factory=set)
    """Sources that each report counted; 0 for a validator without a report."""

    @property
    def faulty(self) -> int:
        """Sources that are faulty in this phase."""
        return len(dict(PHASES)[self.phase])


class PlayedHour:
    """The venues' servers, what honest ones showed, and a row a phase and feed.

    `hour`: of the recording; `speed`: recorded milliseconds per millisecond; `clock_ms`: the validators' clock.
    """

    def __init__(self, hour: int, speed: int, seed: int, clock_ms: Callable[[], int]) -> None:
        self.speed, self.hour, self.clock_ms = speed, load_hours(HOURS)[hour], clock_ms
        self.milliseconds = HOUR_MS // speed
        self.begun_ms: int | None = None
        """None: the recording stands at its first price."""
        self.rows = [
            Row(name, feed, (60 * index // len(PHASES), 60 * (index + 1) // len(PHASES)))
            for index, (name, _) in enumerate(PHASES)
            for feed in (BTC, ETH)
        ]
        self.servers = {(venue, feed): self._server(venue, feed) for venue in VENUES for feed in (BTC, ETH)}
        self._random = random.Random(seed)
        self._shown: dict[int, tuple[list[int], list[int]]] = {BTC: ([], []), ETH: ([], [])}
        """Times and prices in cents."""
        self._frozen: dict[tuple[str, int], tuple[int, int]] = {}

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve for ever; started once every server listens."""
        async with trio.open_nursery() as nursery:
            for server in self.servers.values():
                await nursery.start(server.run)
            nursery.start_soon(self._flap)
            task_status.started()

    def begin(self) -> None:
        """The recording runs from now on."""
        self.begun_ms = self.clock_ms()

    @property
    def is_over(self) -> bool:
        return self._elapsed(self.clock_ms()) >= self.milliseconds

    def feeds(self) -> tuple[FeedConfig, ...]:
        """As a node's settings list them."""
        return tuple(
            FeedConfig(name=name, feed=feed, age_ms_max=AGE_MS, deviation_ppm_max=TOLERANCE_PPM)
            for feed, name in NAMES.items()
        )

    def sources(self) -> tuple[SourceConfig, ...]:
        """As a node's settings list them, once the servers listen."""
        return tuple(
            SourceConfig(
                feed=NAMES[feed],
                name=venue,
                venue=venue,  # type: ignore[arg-type]
                market=f"M{feed}",
                url=server.url,
                rest_url=server.rest_url,
                price="book",
            )
            for (venue, feed), server in self.servers.items()
        )

    def note(self, feed: int, state: FeedState | None, usable: list[int], now_ms: int, window_ms: int) -> None:
        """A height at this time, whose price may be up to `window_ms` older."""
        row = self.rows[2 * self._phase(now_ms) + (feed == ETH)]
        row.heights += 1
        row.reports_least = min(row.reports_least, sum(map(bool, usable)))
        row.usable.update(usable)
        is_priced = state is not None and state.status == FeedStatus.OPEN
        is_owed = self._faulty(now_ms) <= 1 and self._faulty(now_ms - SETTLE_MS) <= 1
        row.owed += is_owed
        row.missing += is_owed and not is_priced
        if state is None or not is_priced:
            return
        row.priced += 1
        times, prices = self._shown[feed]
        shown = prices[bisect_left(times, now_ms - window_ms) : bisect_right(times, now_ms)]
        low, high = (min(shown), max(shown)) if shown else (0, -1)
        row.outside += not low <= state.ticks <= high
        middle = (low + high) // 2 or 1
        row.farthest_ppm = max(row.farthest_ppm, abs(state.ticks - middle) * 1_000_000 // middle)
        row.widest_ppm = max(row.widest_ppm, (high - low) * 500_000 // middle)

    def _server(self, venue: str, feed: int) -> VenueServer:
        return VenueServer(venue, self.clock_ms, lambda: self._price(venue, feed), BEAT_MS / 1_000, f"M{feed}")

    def _elapsed(self, now_ms: int) -> int:
        return 0 if self.begun_ms is None else max(now_ms - self.begun_ms, 0)

    def _phase(self, now_ms: int) -> int:
        return min(self._elapsed(now_ms) * len(PHASES) // self.milliseconds, len(PHASES) - 1)

    def _faulty(self, now_ms: int) -> int:
        return len(PHASES[self._phase(now_ms)][1])

    def _price(self, venue: str, feed: int) -> tuple[int, int] | None:
        now_ms = self.clock_ms()
        index = 0 if feed == BTC else 1
        opened, closed = self.hour.opens[index], self.hour.closes[index]
        cents = opened + (closed - opened) * min(self._elapsed(now_ms) * self.speed, HOUR_MS) // HOUR_MS
        honest = cents + cents * OFFSETS_PPM[venue] // 1_000_000
        mode = PHASES[self._phase(now_ms)][1].get(venue, "")
        if mode == "silent":
            return None
        if mode == "frozen":
            return self._frozen.setdefault((venue, feed), (honest, honest + 2))
        lie = {"high": 80_000, "near": -4_000, "jumps": self._random.randint(-300_000, 300_000)}.get(mode, 0)
        if mode in ("", "flaps"):
            times, prices = self._shown[feed]
            times.append(now_ms)
            prices.append(honest + 1)
        bid = honest + honest * lie // 1_000_000
        return bid, bid + 2

    async def _flap(self) -> None:
        """Up for a while, then down for as long, in the phases in which the source flaps.

        Up first: the source that was faulty before is not back before its next beat.
        """
        servers = [self.servers[FLAPPING, feed] for feed in (BTC, ETH)]
        while True:
            await trio.sleep(0.05)
            if PHASES[self._phase(self.clock_ms())][1].get(FLAPPING) != "flaps":
                continue
            await trio.sleep(FLAP_SECONDS)
            for server in servers:
                server.rejections.extend([(503, ())] * 1_000)
                await server.disconnect()
            await trio.sleep(FLAP_SECONDS)
            for server in servers:
                server.rejections.clear()


def table(rows: list[Row]) -> Iterator[str]:
    """A line a phase and feed."""
    widths = max(len(row.phase) for row in rows)
    figures = "heights missing priced outside  off ±range  usable reports"
    head = f"{'minutes':>8} {'what the sources do':<{widths}} feed {figures}"
    yield head
    for row in rows:
        minutes = f"{row.minutes[0]}-{row.minutes[1]}"
        usable = f"{min(row.usable, default=0)}-{max(row.usable, default=0)}"
        counts = f"{row.heights:>7} {row.missing:>7} {row.priced:>6} {row.outside:>7}"
        figures = f"{counts} {_bp(row.farthest_ppm):>4} {_bp(row.widest_ppm):>6}"
        yield f"{minutes:>8} {row.phase:<{widths}} {NAMES[row.feed]:<4} {figures} {usable:>7} {row.reports_least:>7}"
    yield "off, ±range: basis points from the middle of the honest range, and half of that range; reports: the fewest"


def _bp(ppm: int) -> int:
    return math.ceil(ppm / 100)
