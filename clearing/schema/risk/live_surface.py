"""Live surfaces as data: the quotes of each expiry, and the forwards and rates that a risk group has in force.

Rule: exact integers. A quote is absolute, so it does not change with time; smiles are written as pillars, whose times
to expiry do, at the time as of which options are valued. This module must not know who agreed on them.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from clearing.base.codec import I64, U32, U63, Wire
from clearing.base.units import PPM, YEAR_MS
from clearing.schema.risk.volatility_surface import PILLARS_MAX, TENOR_MIN_MS, Check, VolPillar

PPB = 10**9
FORWARD_MAX_PPB = 1_000 * PPB
"""A forward is at most this many times the index."""
LEVEL_MAX_PPM = 100 * PPM
RATE_MAX_PPM = PPM
"""Largest absolute rate a year."""
TENOR_MAX_MS = 10 * YEAR_MS
WHOLE_VOLATILITY_PPM = PPM
"""The volatility of a group with a live surface: the levels of its pillars are then volatilities themselves."""


class ExpiryQuote(Wire, frozen=True):
    """One expiry of one risk group's options: its forward, rate and smile."""

    expiry_ms: U63
    forward_ppb: U63
    """Forward over index, in 10^-9, so that it stays right while the index moves between two reports."""
    rate_ppm: I64
    """Annual simple rate of the discount to expiry."""
    level_ppm: U32
    """Annualised volatility at the money: 1_000_000 is 100 %."""
    skew_ppm: I64
    """As `VolPillar.skew_ppm`."""
    wing_ppm: U32
    """As `VolPillar.wing_ppm`."""


class ExpiryCarry(Wire, frozen=True):
    """Forward and rate of one expiry."""

    expiry_ms: U63
    forward_ppb: U63
    """Forward over index, in 10^-9."""
    rate_ppm: I64
    """Annual simple rate of the discount to expiry."""


def carry_checks(curve: Sequence[ExpiryCarry]) -> Iterator[Check]:
    """Order and ranges of every expiry."""
    yield "curve", len(curve), len(curve) <= PILLARS_MAX
    yield "curve.expiry_ms", len(curve), all(a.expiry_ms < b.expiry_ms for a, b in pairwise(curve))
    for at, carry in enumerate(curve):
        yield f"curve.{at}.expiry_ms", carry.expiry_ms, 1 <= carry.expiry_ms < 2**62
        yield f"curve.{at}.forward_ppb", carry.forward_ppb, 1 <= carry.forward_ppb <= FORWARD_MAX_PPB
        yield f"curve.{at}.rate_ppm", carry.rate_ppm, abs(carry.rate_ppm) <= RATE_MAX_PPM


def living_quotes(quotes: Sequence[ExpiryQuote], time_ms: int) -> tuple[ExpiryQuote, ...]:
    """The quotes whose expiry is still ahead, at most ten years."""
    return tuple(quote for quote in quotes if time_ms < quote.expiry_ms <= time_ms + TENOR_MAX_MS)


def carries_of(quotes: Sequence[ExpiryQuote]) -> tuple[ExpiryCarry, ...]:
    """Forwards and rates of these quotes."""
    return tuple(ExpiryCarry(quote.expiry_ms, quote.forward_ppb, quote.rate_ppm) for quote in quotes)


def tenor_of(expiry_ms: int, time_ms: int) -> int:
    """The time to expiry of a quote's pillar: at least an hour."""
    return max(expiry_ms - time_ms, TENOR_MIN_MS)


def pillars_of(quotes: Sequence[ExpiryQuote], time_ms: int) -> tuple[VolPillar, ...]:
    """The smiles of living quotes as pillars of a group with `WHOLE_VOLATILITY_PPM`, at a time.

    An expiry within its last hour keeps its smile at an hour's distance; of several the last one counts.
    """
    by_tenor = {tenor_of(quote.expiry_ms, time_ms): quote for quote in quotes}
    return tuple(
        VolPillar(tenor_ms, quote.level_ppm, quote.skew_ppm, quote.wing_ppm) for tenor_ms, quote in by_tenor.items()
    )
