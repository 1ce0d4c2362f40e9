"""Volatility surfaces as data, how scenarios shift them, and the checks that exclude arbitrage.

Rule: exact integers, and sufficient conditions instead of samples. A butterfly with a negative price would be a
negative probability; a calendar spread with a negative price would make a later option cheaper than an earlier one.
This module must not know risk groups or prices.

With level l, skew s, wing e and time to expiry T of each pillar:

- butterflies, from Gatheral and Jacquier (2014), theorem 4.2: e^2 (1 + |s|) <= 4 with the largest wing and skew of all
  pillars, which also bounds what is between them, and e l v sqrt(T) (1 + |s|) < 4 at volatility v;
- calendars, from Corbetta et al. (2019), between neighbours: l^2 T does not fall, (1 + s) e l sqrt(T) and (1 - s) e l
  sqrt(T) do not fall, e / (l sqrt(T)) does not rise. Each is monotone between two pillars when it holds at both.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from clearing.base.codec import I64, U32, U63, Wire
from clearing.base.units import DAY_MS, PPM, YEAR_MS

PILLARS_MAX = 64
LEVEL_MAX_PPM = 10 * PPM
SKEW_MAX_PPM = 990_000
WING_MAX_PPM = 2 * PPM
TENOR_MIN_MS = 3_600_000
HORIZON_MS = YEAR_MS
"""Butterflies are excluded up to the longest pillar, and at least up to this time to expiry."""

Check = tuple[str, int, bool]
"""(field, value, whether it is valid)."""


class VolPillar(Wire, frozen=True):
    """The smile of options with one time to expiry."""

    tenor_ms: U63
    """Time to expiry of this smile. Between pillars smiles are interpolated, beyond them constant."""
    level_ppm: U32
    """At-the-money volatility as a fraction of the risk group's volatility: 1_000_000 is all of it."""
    skew_ppm: I64 = 0
    """Correlation-like tilt between -1 and 1: below zero low strikes have more volatility."""
    wing_ppm: U32 = 0
    """How fast volatility rises away from the money, per standard deviation; 0 is a flat smile."""


def surface_checks(pillars: Sequence[VolPillar], volatility_ppm: int) -> Iterator[Check]:
    """Ranges and order of every pillar, then freedom from arbitrage at the group's volatility."""
    yield "surface", len(pillars), len(pillars) <= PILLARS_MAX
    yield "surface.tenor_ms", len(pillars), all(a.tenor_ms < b.tenor_ms for a, b in pairwise(pillars))
    for at, pillar in enumerate(pillars):
        yield f"surface.{at}.tenor_ms", pillar.tenor_ms, TENOR_MIN_MS <= pillar.tenor_ms <= 10 * YEAR_MS
        yield f"surface.{at}.level_ppm", pillar.level_ppm, 1 <= pillar.level_ppm <= LEVEL_MAX_PPM
        yield f"surface.{at}.skew_ppm", pillar.skew_ppm, abs(pillar.skew_ppm) <= SKEW_MAX_PPM
        yield f"surface.{at}.wing_ppm", pillar.wing_ppm, pillar.wing_ppm <= WING_MAX_PPM
    if pillars:
        yield from _butterflies(pillars, volatility_ppm)
    for at, (near, far) in enumerate(pairwise(pillars), start=1):
        yield from calendar_checks(f"surface.{at}", near, far)


def _butterflies(pillars: Sequence[VolPillar], volatility_ppm: int) -> Iterator[Check]:
    wing = max(pillar.wing_ppm for pillar in pillars)
    skew = max(abs(pillar.skew_ppm) for pillar in pillars)
    yield "surface.wing_ppm", wing, wing * wing * (PPM + skew) <= 4 * PPM**3
    for at, pillar in enumerate(pillars):
        tenor = max(pillar.tenor_ms, HORIZON_MS) if at == len(pillars) - 1 else pillar.tenor_ms
        wing_slope = pillar.wing_ppm * pillar.level_ppm * volatility_ppm * (PPM + abs(pillar.skew_ppm))
        yield f"surface.{at}.wing_ppm", pillar.wing_ppm, wing_slope * wing_slope * tenor < 16 * PPM**8 * YEAR_MS


def calendar_checks(field: str, near: VolPillar, far: VolPillar) -> Iterator[Check]:
    """The conditions between two neighbours. Compares squares, so that no root is needed."""
    variance = [pillar.level_ppm**2 * pillar.tenor_ms for pillar in (near, far)]
    yield f"{field}.level_ppm", far.level_ppm, variance[0] <= variance[1]
    for sign in (1, -1):
        reach = [
            (pillar.wing_ppm * (PPM + sign * pillar.skew_ppm)) ** 2 * level_variance
            for pillar, level_variance in zip((near, far), variance, strict=True)
        ]
        yield f"{field}.skew_ppm", far.skew_ppm, reach[0] <= reach[1]
    flatter = far.wing_ppm**2 * variance[0] <= near.wing_ppm**2 * variance[1]
    yield f"{field}.wing_ppm", far.wing_ppm, flatter


class VolShock(Wire, frozen=True):
    """How a scenario shifts volatility. The defaults add or subtract the group's range, the same for all expiries."""

    short_power_ppm: U32 = 0
    """p of the factor (30 days / time to expiry)^p on shocks, up to 30 days."""
    long_power_ppm: U32 = 0
    """The same beyond 30 days."""
    tenor_min_ms: U63 = DAY_MS
    """A shorter time to expiry is shocked like this one."""
    relative: bool = False
    """Whether the group's volatility range is a fraction of the option's volatility, not points added to it."""
    down_ppm: U32 = PPM
    """The fraction of the range that a move down subtracts."""
    up_floor_ppm: U32 = 0
    """Lowest volatility in a scenario with volatility up."""
    skew_linear_ppm: U32 = 0
    """Largest relative change of volatility by a tilt of the smile."""
    skew_absolute_ppm: U32 = 0
    """Largest relative change of volatility by raising or lowering both wings."""
    skew_width_ppm: U32 = 4 * PPM
    """Distance from the money, in standard deviations, at which a skew shock is at its largest."""


def shock_checks(shock: VolShock) -> Iterator[Check]:
    """Ranges of every field."""
    yield "shock.short_power_ppm", shock.short_power_ppm, shock.short_power_ppm <= PPM
    yield "shock.long_power_ppm", shock.long_power_ppm, shock.long_power_ppm <= PPM
    yield "shock.tenor_min_ms", shock.tenor_min_ms, TENOR_MIN_MS <= shock.tenor_min_ms <= 365 * DAY_MS
    yield "shock.down_ppm", shock.down_ppm, shock.down_ppm <= PPM
    yield "shock.up_floor_ppm", shock.up_floor_ppm, shock.up_floor_ppm <= VOLATILITY_MAX_PPM // 10
    yield "shock.skew_linear_ppm", shock.skew_linear_ppm, shock.skew_linear_ppm <= PPM // 2
    yield "shock.skew_absolute_ppm", shock.skew_absolute_ppm, shock.skew_absolute_ppm <= PPM // 2
    yield "shock.skew_width_ppm", shock.skew_width_ppm, PPM // 10 <= shock.skew_width_ppm <= 100 * PPM


REFERENCE_MS = 30 * DAY_MS
"""The time to expiry at which a shock is unscaled."""
VOLATILITY_MIN_PPM = 10_000
"""Volatility never falls below 1 %, so a scenario cannot bring it to zero or below."""
VOLATILITY_MAX_PPM = 1_000 * PPM
FLAT = (VolPillar(REFERENCE_MS, PPM),)
"""The surface of a group that has none."""
