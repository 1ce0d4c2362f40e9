"""The nearest smiles without arbitrage: what a live surface is corrected to where medians or time broke a condition.

Rule: exact integers, and the conditions are those of `surface_checks` themselves. Smiles that meet them stay as they
are. From the nearest expiry to the furthest, a level rises until the variance at the money does not fall, and skew and
wing move towards those of the expiry before, in 64 steps, until no calendar spread costs less than nothing. The skew
and wing of the expiry before always do: forwards of variance then only widen. Wings beyond the limit of butterflies are
cut, which meets it for every smile between cut ones. So there always is a result; levels only rise, wings end at or
below the largest wing given, and a skew or wing lies between its own and those of nearer expiries. It must not know who
quoted.
"""

from collections.abc import Callable, Sequence
from math import isqrt

import msgspec

from clearing.base.errors import Bug
from clearing.base.units import PPM, YEAR_MS
from clearing.schema.risk.volatility_surface import HORIZON_MS, WING_MAX_PPM, VolPillar, calendar_checks, surface_checks

STEPS = 64


def is_free_of_arbitrage(pillars: Sequence[VolPillar], volatility_ppm: int) -> bool:
    """Whether these smiles are a surface that genesis would accept."""
    return all(good for _, _, good in surface_checks(pillars, volatility_ppm))


def without_arbitrage(pillars: Sequence[VolPillar], volatility_ppm: int) -> tuple[VolPillar, ...]:
    """The corrected smiles; ranges and order of the fields must be valid. Raises Bug where they are not."""
    given = tuple(pillars)
    if is_free_of_arbitrage(given, volatility_ppm):
        return given
    risen = _with_rising_variance(given)
    for limit in (lambda: WING_MAX_PPM, lambda: _safe_wing(risen, volatility_ppm)):
        corrected = _calendars_corrected(_cut(risen, limit))
        if is_free_of_arbitrage(corrected, volatility_ppm):
            return corrected
    raise Bug("a surface has no correction: a field is out of its range")


def _cut(pillars: Sequence[VolPillar], limit: Callable[[], int]) -> list[VolPillar]:
    largest = limit()
    return [msgspec.structs.replace(pillar, wing_ppm=min(pillar.wing_ppm, largest)) for pillar in pillars]


def _with_rising_variance(pillars: Sequence[VolPillar]) -> tuple[VolPillar, ...]:
    """Each level at least so high that level^2 x time to expiry does not fall; rounded up."""
    risen = list(pillars[:1])
    for pillar in pillars[1:]:
        variance = risen[-1].level_ppm ** 2 * risen[-1].tenor_ms
        lowest = isqrt(-(-variance // pillar.tenor_ms) - 1) + 1
        risen.append(msgspec.structs.replace(pillar, level_ppm=max(pillar.level_ppm, lowest)))
    return tuple(risen)


def _calendars_corrected(pillars: Sequence[VolPillar]) -> tuple[VolPillar, ...]:
    corrected = list(pillars[:1])
    for pillar in pillars[1:]:
        corrected.append(_after(corrected[-1], pillar))
    return tuple(corrected)


def _after(near: VolPillar, far: VolPillar) -> VolPillar:
    """`far` with skew and wing as near to its own as the calendar conditions allow."""
    for share in range(STEPS, -1, -1):
        tried = msgspec.structs.replace(
            far,
            skew_ppm=near.skew_ppm + (far.skew_ppm - near.skew_ppm) * share // STEPS,
            wing_ppm=near.wing_ppm + (far.wing_ppm - near.wing_ppm) * share // STEPS,
        )
        if all(good for _, _, good in calendar_checks("", near, tried)):
            return tried
    raise Bug("the skew and wing of the expiry before break a calendar condition")


def _safe_wing(pillars: Sequence[VolPillar], volatility_ppm: int) -> int:
    """The largest wing for which no smile of at most the largest skew allows a butterfly below nothing."""
    lean = PPM + max(abs(pillar.skew_ppm) for pillar in pillars)
    last = len(pillars) - 1
    widest = max(
        pillar.level_ppm**2 * (max(pillar.tenor_ms, HORIZON_MS) if at == last else pillar.tenor_ms)
        for at, pillar in enumerate(pillars)
    )
    of_slope = isqrt((16 * PPM**8 * YEAR_MS - 1) // (widest * (volatility_ppm * lean) ** 2))
    return min(isqrt(4 * PPM**3 // lean), of_slope)
