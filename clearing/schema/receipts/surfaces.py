"""Receipts about live surfaces: what was agreed, and the status of options without a fresh surface.

Rule: a receipt reports; it never decides.
"""

from enum import IntEnum

from clearing.base.codec import U32, U63, Wire
from clearing.schema.records.prices import PriceStatus
from clearing.schema.risk.live_surface import ExpiryQuote


class SurfaceCause(IntEnum):
    """Why a surface's status changed."""

    AGREED = 0
    NO_QUORUM = 1
    """Too few validators report fresh quotes of the same expiries."""
    OUT_OF_BOUNDS = 2
    """What they agree on is beyond the terms' bounds."""


class SurfaceApplied(Wire, frozen=True, tag=199):
    """A risk group's agreed surface changed."""

    group: U32
    expiries: tuple[ExpiryQuote, ...]
    reports: U32
    power: U63
    corrected: bool
    """Whether medians within the limits allowed arbitrage, so that levels, skews or wings were corrected."""


class SurfaceStatusChanged(Wire, frozen=True, tag=200):
    """What a risk group's options may be used for changed, or which surface they are valued on."""

    group: U32
    status: PriceStatus
    in_force: bool
    """False: the group's voted volatility and surface apply."""
    cause: SurfaceCause
    agreed_ms: U63
    """Block time of the last agreement."""
    since_height: U63
    """The first block without a fresh surface; 0 with one."""
