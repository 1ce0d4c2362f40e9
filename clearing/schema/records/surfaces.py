"""Records of live surfaces: validators' reports, and what was last agreed for a risk group.

Rule: data only.
"""

from clearing.base.codec import U63, Wire
from clearing.schema.records.prices import PriceStatus
from clearing.schema.risk.live_surface import ExpiryQuote


class SurfaceReportRecord(Wire, frozen=True):
    """A validator's last report on one risk group, until it is too old."""

    power: U63
    expiries: tuple[ExpiryQuote, ...]
    time_ms: U63


class SurfaceState(Wire, frozen=True):
    """A risk group's last agreed surface."""

    expiries: tuple[ExpiryQuote, ...]
    """Rising by expiry, free of arbitrage when it was agreed."""
    time_ms: U63
    """Block time at which a quorum last agreed."""
    status: PriceStatus = PriceStatus.USABLE
    """What the group's options may be used for."""
    since_height: U63 = 0
    """The first block without a fresh surface; 0 while there is one."""
    in_force: bool = True
    """False: the group's voted volatility and surface apply."""
