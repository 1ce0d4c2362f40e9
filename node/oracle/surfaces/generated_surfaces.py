"""`GeneratedSurfaces`: surfaces that nobody traded, the same at every node of one seed.

Rule: a surface is a function of seed, group and time alone. Skew and wing are the same for all expiries and the level
is flat in time, so it excludes static arbitrage by its form.
"""

import hashlib
from collections.abc import Sequence

from clearing.base.units import DAY_MS, PPM, YEAR_MS
from clearing.schema.blocks.block import ExpiryQuote, SurfaceReport
from node.config_oracle import SurfaceConfig
from node.oracle.option_quotes import EXPIRY_HOUR
from node.oracle.surfaces.chain_guard import TENOR_MS_MIN
from node.oracle.surfaces.surface_source import SurfaceStanding

WAVES = ((86_400_000, 150_000), (3_600_000, 40_000), (60_000, 5_000))
"""(period in ms, amplitude in millionths of the level)."""
DAYS = 2
FRIDAYS = (1, 2, 4, 8, 13, 26)
"""Expiries: so many next days, and the Fridays in so many weeks, at the venues' hour."""
_FIRST_FRIDAY = 1
"""1970-01-02, in days."""
_HOUR_MS = 3_600_000
PPB = 10**9


class GeneratedSurfaces:
    """Each level moves around its `generated_level_ppm` by at most the sum of the amplitudes."""

    def __init__(self, surfaces: Sequence[SurfaceConfig], seed: int) -> None:
        self._surfaces = tuple(sorted(surfaces, key=lambda each: each.group))
        self._seed = seed

    def read(self, now_ms: int) -> tuple[SurfaceStanding, ...]:
        """The surfaces as of the begin of the interval, so that a report is new once in it."""
        return tuple(
            SurfaceStanding(each, self._report(each, now_ms - now_ms % each.interval_ms)) for each in self._surfaces
        )

    def _report(self, config: SurfaceConfig, now_ms: int) -> SurfaceReport:
        moved = sum(self._wave(config.group, period, height, now_ms) for period, height in WAVES)
        level = max(10_000, config.generated_level_ppm * (PPM + moved) // PPM)
        carry = config.generated_carry_ppm
        quotes = [
            ExpiryQuote(
                expiry_ms=expiry_ms,
                forward_ppb=PPB + PPB * carry * (expiry_ms - now_ms) // (PPM * YEAR_MS),
                rate_ppm=carry,
                level_ppm=level,
                skew_ppm=config.generated_skew_ppm,
                wing_ppm=config.generated_wing_ppm,
            )
            for expiry_ms in expiries_after(now_ms)
        ]
        return SurfaceReport(config.group, now_ms, 1, tuple(quotes))

    def _wave(self, group: int, period_ms: int, amplitude: int, now_ms: int) -> int:
        """Between two random heights, in a straight line."""
        beat, within = divmod(now_ms, period_ms)
        begin, end = (self._height(group, period_ms, at, amplitude) for at in (beat, beat + 1))
        return begin + (end - begin) * within // period_ms

    def _height(self, group: int, period_ms: int, beat: int, amplitude: int) -> int:
        drawn = hashlib.sha256(f"{self._seed} surface {group} {period_ms} {beat}".encode()).digest()
        return int.from_bytes(drawn[:8], "big") % (2 * amplitude + 1) - amplitude


def expiries_after(now_ms: int) -> list[int]:
    """The next days' and Fridays' expiries, rising, none within the shortest time to expiry."""
    first = (now_ms + TENOR_MS_MIN - EXPIRY_HOUR * _HOUR_MS) // DAY_MS + 1
    friday = first + (_FIRST_FRIDAY - first) % 7
    days = {*range(first, first + DAYS), *(friday + 7 * (week - 1) for week in FRIDAYS)}
    return [day * DAY_MS + EXPIRY_HOUR * _HOUR_MS for day in sorted(days)]
