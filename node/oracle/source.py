"""Price sources: what each gives, and the replay of recorded hourly prices at a chosen speed.

Rule: every validator reads the same figures and the same schedule file, and interpolates between the hour's open and
close at its own clock; so reports differ a little, as real ones do. Without a schedule the first price is used.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from clearing.base.errors import CodeBook, LocalFault
from clearing.base.plain_json import read_json


class OracleCode(CodeBook):
    """Refusals of the oracle."""

    PRICE_SOURCE_UNUSABLE = 870, "The price file or its schedule cannot be read. Check [oracle] in node.toml."
    SOURCE_SILENT = 980, "The source has given no price yet. Check its address, its market's name and the route to it."
    SOURCE_STALE = 981, "The source's newest price is older than `age_ms_max`. The feed uses the others."
    CLOCK_SKEWED = 982, "The source states a time ahead of this node's clock. Check that this machine's clock is right."
    PRICE_NOT_POSITIVE = 983, "The source states a price of zero or less. It counts again when the price is positive."
    BOOK_UNUSABLE = 984, "The source's order book is crossed, locked or lacks a side. It counts again when it is whole."
    SPREAD_TOO_WIDE = 985, "The source's spread or confidence interval is wider than `spread_ppm_max`: a thin market."
    PRICE_JUMPED = (
        986,
        "The source's price moved by more than `jump_ppm_max` and no other source confirms it. It counts again when "
        "another confirms it, or after `jump_ms`.",
    )
    PRICE_DEVIATES = 987, "The price is too far from those of most sources. Compare the source with the venue's page."
    MARKET_HALTED = 988, "The venue states that the market is halted, locked or in maintenance. It resumes by itself."
    SOURCES_TOO_FEW = 989, "Fewer sources are usable than the feed's `quorum`: this node reports no price of the feed."
    VENUE_UNREACHABLE = 990, "The connection to the venue failed or is silent. Check the network; it is dialled again."
    VENUE_MALFORMED = 991, "The venue's message is not of its documented form. Check the address and its version."
    VENUE_REFUSED = 992, "The venue answers with an error. The values have its code; check the market's name."
    VENUE_RATE_LIMITED = 993, "The venue limits this machine's requests. The node waits; poll less often."
    BOOK_BROKEN = 994, "Updates of the order book were lost: a gap or a wrong checksum. It is read anew."
    CONTRACT_PRICE_UNUSABLE = 995, "The contract's answer is no usable price. The values say what is wrong with it."
    QUOTES_TOO_FEW = (
        909,
        "The source has fewer usable option quotes than `quotes_min`. Compare it with the venue.",
    )
    QUOTES_BROKEN = (
        910,
        "Most of the source's option quotes are crossed, negative or absurd. It counts when few are.",
    )
    INDEX_MISSING = 911, "Neither the source nor the surface's feed has an index, from which forwards are measured."
    FORWARD_FAR = 912, "Every forward of the source is farther from the index than `basis_ppm_max` allows."
    VOLATILITY_JUMPED = (
        913,
        "The source's volatility moved by more than `jump_ppm_max` and no other source confirms it. It counts again "
        "when another confirms it, or after `jump_ms`.",
    )
    VOLATILITY_DEVIATES = 914, "Volatility or forwards are far from those of most sources. Compare with the venue."
    SURFACE_UNFITTED = (
        915,
        "No surface could be fitted to the quotes. The last one is reported until it is old.",
    )


@dataclass(frozen=True, slots=True)
class Quote:
    """One feed now: ticks, half-width of the confidence interval in ticks, number of independent sources behind it."""

    feed: int
    ticks: int
    confidence_ticks: int
    sources: int


class PriceSource(Protocol):
    """A source of prices. `read` may block for a short file or socket read; it is called from a worker thread."""

    def read(self, now_ms: int) -> tuple[Quote, ...]:
        """Quotes ordered by feed; a feed without a price is left out. Raises LocalFault when the source is unusable."""
        ...


HOUR_MS = 3_600_000
TICKS_PER_UNIT = 100
CONFIDENCE_PPM = 500
"""Recorded hours carry no spread; five basis points is what liquid exchanges showed in calm hours."""


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the first recorded hour happens, on the wall clock, and how fast recorded time runs."""

    start_ms: int
    speed: float
    """Recorded milliseconds per millisecond of the wall clock."""


@dataclass(frozen=True, slots=True)
class Hour:
    """Open and close of every feed, in ticks, in the order of the columns."""

    opens: tuple[int, ...]
    closes: tuple[int, ...]


def load_hours(path: Path) -> tuple[Hour, ...]:
    """Read `unix,<feed>_open,<feed>_close,…` rows; lines opened by # are comments. Raises LocalFault."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
        hours = tuple(_hour(row) for row in rows)
        if not hours:
            raise ValueError("no hours in it")
    except (OSError, ValueError, TypeError) as error:
        raise LocalFault(OracleCode.PRICE_SOURCE_UNUSABLE, str(path), why=str(error)) from None
    return hours


def _hour(row: dict[str, str]) -> Hour:
    ticks = {name: round(float(text) * TICKS_PER_UNIT) for name, text in row.items() if name != "unix"}
    opens = tuple(value for name, value in ticks.items() if name.endswith("_open"))
    closes = tuple(value for name, value in ticks.items() if name.endswith("_close"))
    if not opens or len(opens) != len(closes) or min(opens + closes) <= 0:
        raise ValueError(f"row {row['unix']} lacks a positive open and close for each feed")
    return Hour(opens, closes)


class ReplaySource:
    """A `PriceSource` over recorded hours; feed i + 1 is column pair i."""

    def __init__(self, hours_file: Path, schedule_file: Path) -> None:
        self._hours = load_hours(hours_file)
        self._schedule_file = schedule_file
        self._schedule: Schedule | None = None

    def read(self, now_ms: int) -> tuple[Quote, ...]:
        """Quotes at the recorded time that the schedule maps `now_ms` to; after the end the last price."""
        elapsed = self._elapsed_ms(now_ms)
        index, within = divmod(elapsed, HOUR_MS)
        if index >= len(self._hours):
            index, within = len(self._hours) - 1, HOUR_MS
        hour = self._hours[index]
        quotes = []
        for feed, (opened, closed) in enumerate(zip(hour.opens, hour.closes, strict=True), start=1):
            ticks = opened + (closed - opened) * within // HOUR_MS
            quotes.append(Quote(feed, ticks, max(1, ticks * CONFIDENCE_PPM // 1_000_000), 1))
        return tuple(quotes)

    def schedule(self) -> Schedule | None:
        """Read once it exists; None before. Raises LocalFault."""
        if self._schedule is None:
            try:
                self._schedule = read_json(self._schedule_file.read_bytes(), Schedule)
            except FileNotFoundError:
                return None
            except msgspec.DecodeError as error:
                raise LocalFault(OracleCode.PRICE_SOURCE_UNUSABLE, str(self._schedule_file), why=str(error)) from None
        return self._schedule

    def _elapsed_ms(self, now_ms: int) -> int:
        schedule = self.schedule()
        return 0 if schedule is None else max(0, int((now_ms - schedule.start_ms) * schedule.speed))


def write_schedule(path: Path, schedule: Schedule) -> None:
    """Start the replay: put the schedule in place in one step, so that no reader sees half of it."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(msgspec.json.encode(schedule))
    partial.replace(path)
