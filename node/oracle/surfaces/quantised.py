"""`quantised`: fitted smiles as the integers of a `SurfaceReport`, and the proof that they exclude static arbitrage.

Rule: what is returned passes `surface_checks` exactly, at the report's time and at every later one: as time passes, the
nearer expiry's variance falls by the larger share. What does not pass is brought nearer to the expiry before it.
"""

from collections.abc import Sequence

from clearing.base.units import PPM, YEAR_MS
from clearing.schema.blocks.block import ExpiryQuote
from clearing.schema.risk.volatility_surface import SKEW_MAX_PPM, VolPillar, surface_checks
from node.oracle.surfaces.smiles import FittedSmile

EARLIER_MS = 60_000
"""A block's time may be so much before the report's."""
STEPS = 1_000
"""From the shape of the expiry before to the own one."""
MARGIN_PPM = 100
"""By which at-the-money variance rises at least from one expiry to the next, so that a rounded level passes, too."""


def years_until(expiry_ms: int, time_ms: int) -> float:
    """Of a smile that is to be quantised at this time: counted from `EARLIER_MS` before, where it is checked."""
    return (expiry_ms - time_ms + EARLIER_MS) / YEAR_MS


def pillars_of(expiries: Sequence[ExpiryQuote], time_ms: int) -> tuple[VolPillar, ...]:
    """As a surface of a group whose volatility is 100 %, at this time."""
    return tuple(VolPillar(each.expiry_ms - time_ms, each.level_ppm, each.skew_ppm, each.wing_ppm) for each in expiries)


def is_free_of_arbitrage(expiries: Sequence[ExpiryQuote], time_ms: int) -> bool:
    """By the conditions of the rulebook on the integers."""
    return all(good for _, _, good in surface_checks(pillars_of(expiries, time_ms), PPM))


def quantised(
    smiles: Sequence[FittedSmile], expiries: Sequence[tuple[int, int, int]], time_ms: int
) -> tuple[ExpiryQuote, ...]:
    """`expiries`: (expiry_ms, forward_ppb, rate_ppm) of each smile of `years_until`. Rounds half to even.

    Levels are raised where at-the-money variance would fall. Skew and wing move towards those of the expiry before
    where they would not pass; with its very own every condition on calendars holds. A surface that still fails is flat.
    """
    earlier = time_ms - EARLIER_MS
    quotes: list[ExpiryQuote] = []
    for smile, (expiry_ms, forward_ppb, rate_ppm) in zip(smiles, expiries, strict=True):
        level = round(smile.level * PPM)
        if quotes:
            level = max(level, _level_at_least(quotes[-1], expiry_ms, earlier))
        skew = min(max(round(smile.skew * PPM), -SKEW_MAX_PPM), SKEW_MAX_PPM)
        quotes.append(ExpiryQuote(expiry_ms, forward_ppb, rate_ppm, level, skew, round(smile.wing * PPM)))
    found = tuple(quotes)
    if not is_free_of_arbitrage(found, earlier):
        found = _repaired(found, earlier)
    return found if is_free_of_arbitrage(found, earlier) else tuple(_shaped(quote, 0, 0) for quote in found)


def _repaired(quotes: Sequence[ExpiryQuote], time_ms: int) -> tuple[ExpiryQuote, ...]:
    """From the nearest expiry on, the largest part of the way from the shape before to the own one that passes."""
    found = [quotes[0]]
    for own in quotes[1:]:
        before, low, high = found[-1], 0, STEPS
        while low < high:
            middle = (low + high + 1) // 2
            passes = is_free_of_arbitrage((before, _between(before, own, middle)), time_ms)
            low, high = (middle, high) if passes else (low, middle - 1)
        found.append(_between(before, own, low))
    return tuple(found)


def _between(before: ExpiryQuote, own: ExpiryQuote, steps: int) -> ExpiryQuote:
    skew, wing = (
        near + (far - near) * steps // STEPS
        for near, far in ((before.skew_ppm, own.skew_ppm), (before.wing_ppm, own.wing_ppm))
    )
    return _shaped(own, skew, wing)


def _level_at_least(before: ExpiryQuote, expiry_ms: int, time_ms: int) -> int:
    """The least level at which variance rises by `MARGIN_PPM`."""
    needed = before.level_ppm**2 * (before.expiry_ms - time_ms) * (PPM + MARGIN_PPM)
    given = (expiry_ms - time_ms) * PPM
    low, high = 1, before.level_ppm + before.level_ppm // 1_000 + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if middle**2 * given >= needed else (middle + 1, high)
    return low


def _shaped(quote: ExpiryQuote, skew: int, wing: int) -> ExpiryQuote:
    return ExpiryQuote(quote.expiry_ms, quote.forward_ppb, quote.rate_ppm, quote.level_ppm, skew, wing)
