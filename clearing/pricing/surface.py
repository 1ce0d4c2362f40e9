"""Volatility surfaces as data: how volatility varies with strike and expiry, and how far scenarios shift it.

Rule: parameters are integers and so is a volatility taken off the surface; between them only correctly rounded
operations. It must not know instruments, scenarios or accounts.
"""

from clearing.base.codec import I64, U32, U63, Wire

PPM = 1_000_000
DAY_MS = 86_400_000
PILLARS_MAX = 64


class VolPillar(Wire, frozen=True):
    """The smile of options with one time to expiry."""

    tenor_ms: U63
    """Time to expiry that this smile is for; between pillars it is interpolated, beyond them kept."""
    level_ppm: U32
    """At-the-money volatility as a fraction of the risk group's volatility: 1_000_000 is all of it."""
    skew_ppm: I64 = 0
    """Correlation-like tilt, between -1 and 1: below zero low strikes have more volatility."""
    wing_ppm: U32 = 0
    """How fast volatility rises away from the money, per standard deviation; 0 is a flat smile."""


class VolShock(Wire, frozen=True):
    """How a scenario shifts volatility. The defaults add or take the group's range, the same for all expiries."""

    short_power_ppm: U32 = 0
    """p of the factor (30 days / time to expiry)^p on shocks, up to 30 days."""
    long_power_ppm: U32 = 0
    """The same beyond 30 days."""
    tenor_min_ms: U63 = DAY_MS
    """A shorter time to expiry is shocked as this one."""
    relative: bool = False
    """Whether the group's volatility range is a fraction of the option's volatility, not points added to it."""
    down_ppm: U32 = PPM
    """The part of the range that a move down takes."""
    up_floor_ppm: U32 = 0
    """Least volatility in a scenario with volatility up."""
    skew_linear_ppm: U32 = 0
    """Largest relative change of volatility by a tilt of the smile."""
    skew_absolute_ppm: U32 = 0
    """Largest relative change of volatility by raising or lowering both wings."""
    skew_width_ppm: U32 = 4 * PPM
    """At how many standard deviations from the money a skew shock is at its largest."""
