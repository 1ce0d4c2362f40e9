"""`RecordedSurfaces`: the replay of recorded surfaces, on the schedule of the recorded prices.

Rule: a surface counts from its hour of recorded time on, until the next one of its group. Expiries are on the wall
clock, so many milliseconds after a stated time, or after the start of the replay: instruments expire there, too. Before
the replay starts the first surfaces are reported where the time is stated, and nothing is where it is not.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clearing.base.errors import LocalFault, RemoteFault
from clearing.schema.blocks.block import ExpiryQuote, SurfaceReport, VoteExtension, check_extension
from clearing.schema.risk.volatility_surface import TENOR_MIN_MS
from node.config_oracle import SurfaceConfig
from node.oracle.source import HOUR_MS, OracleCode, Schedule
from node.oracle.surfaces.quantised import is_free_of_arbitrage
from node.oracle.surfaces.surface_source import SurfaceStanding

COLUMNS = ("hour", "group", "expires_after_ms", "forward_ppb", "rate_ppm", "level_ppm", "skew_ppm", "wing_ppm")


@dataclass(frozen=True, slots=True)
class RecordedSurface:
    """From `elapsed_ms` of recorded time on. Expiries of the quotes count from the start of the replay."""

    elapsed_ms: int
    quotes: tuple[ExpiryQuote, ...]


def load_surfaces(path: Path) -> Mapping[int, tuple[RecordedSurface, ...]]:
    """By group, rising in time. Lines opened by # are comments.

    Raises LocalFault PRICE_SOURCE_UNUSABLE, also for a surface that allows arbitrage.
    """
    found: dict[int, dict[int, list[ExpiryQuote]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(line for line in file if not line.startswith("#")):
                _, *numbers = (int(row[name]) if name != "hour" else 0 for name in COLUMNS)
                group, *quoted = numbers
                elapsed_ms = round(float(row["hour"]) * HOUR_MS)
                found.setdefault(group, {}).setdefault(elapsed_ms, []).append(ExpiryQuote(*quoted))
        surfaces = {
            group: tuple(_surface(group, elapsed_ms, quotes) for elapsed_ms, quotes in sorted(hours.items()))
            for group, hours in sorted(found.items())
        }
        if not surfaces:
            raise ValueError("no surfaces in it")
    except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise LocalFault(OracleCode.PRICE_SOURCE_UNUSABLE, str(path), why=str(error)) from None
    return surfaces


def _surface(group: int, elapsed_ms: int, quotes: Sequence[ExpiryQuote]) -> RecordedSurface:
    found = tuple(sorted(quotes, key=lambda quote: quote.expiry_ms))
    at = f"group {group} at hour {elapsed_ms / HOUR_MS:g}"
    try:
        check_extension(VoteExtension(surfaces=(SurfaceReport(group, 0, 1, found),)))
    except RemoteFault as fault:
        raise ValueError(f"{at}: {fault}") from None
    # At the start, or an hour before the nearest expiry; what passes there passes later.
    if not is_free_of_arbitrage(found, min(0, found[0].expiry_ms - TENOR_MIN_MS)):
        raise ValueError(f"{at} allows arbitrage")
    return RecordedSurface(elapsed_ms, found)


class RecordedSurfaces:
    """A `SurfaceSource`. `schedule`: of the replay, None before it begins.

    Expiries count from `origin_ms`; 0: from the start of the replay.
    """

    def __init__(
        self,
        surfaces: Sequence[SurfaceConfig],
        recorded: Mapping[int, tuple[RecordedSurface, ...]],
        schedule: Callable[[], Schedule | None],
        origin_ms: int = 0,
    ) -> None:
        self._surfaces = tuple(sorted(surfaces, key=lambda each: each.group))
        self._recorded = recorded
        self._schedule = schedule
        self._origin_ms = origin_ms

    def read(self, now_ms: int) -> tuple[SurfaceStanding, ...]:
        """The surfaces at the recorded time of the begin of the interval; after the end the last.

        So a report is new once in each interval.
        """
        schedule = self._schedule()
        return tuple(
            SurfaceStanding(each, self._report(each, schedule, now_ms - now_ms % each.interval_ms))
            for each in self._surfaces
        )

    def _report(self, config: SurfaceConfig, schedule: Schedule | None, now_ms: int) -> SurfaceReport | None:
        origin_ms = self._origin_ms or (schedule.start_ms if schedule else 0)
        if not origin_ms:
            return None
        elapsed_ms = max(0, int((now_ms - schedule.start_ms) * schedule.speed)) if schedule else 0
        begun = [each for each in self._recorded.get(config.group, ()) if each.elapsed_ms <= elapsed_ms]
        if not begun:
            return None
        quotes = tuple(
            ExpiryQuote(
                origin_ms + each.expiry_ms,
                each.forward_ppb,
                each.rate_ppm,
                each.level_ppm,
                each.skew_ppm,
                each.wing_ppm,
            )
            for each in begun[-1].quotes
            if origin_ms + each.expiry_ms > now_ms
        )
        return SurfaceReport(config.group, now_ms, 1, quotes) if quotes else None
