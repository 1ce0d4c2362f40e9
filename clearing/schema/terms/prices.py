"""Terms of prices, funding and settlement.

Rule: data only, in integers. Every default means "off": a genesis that leaves these fields out gets indices, marks and
settlements from the agreed index alone. It must not know the state.
"""

from clearing.base.codec import U32, U63, Wire
from clearing.base.errors import BaseCode, LocalFault

PREMIUM_CAP_PPM_MAX = 500_000
"""A premium beyond half the index is not plausible. Also bounds sums in the state."""

WASH_COVER_PPM_MIN, WASH_COVER_PPM_MAX = 1_000_000, 1_000_000_000
"""Below the minimum the fees would not cover what a trade moves."""

FUNDING_PERIOD_MS_MAX = 7 * 86_400_000
AVERAGING_MS_MAX = 86_400_000


class PriceTerms(Wire, frozen=True):
    """How reports are filtered, and what happens to a feed without an agreed price."""

    outlier_deviations: U32 = 0
    """A report further from the median than this many median absolute deviations is dropped; 0: none is."""
    outlier_floor_ppm: U32 = 1_000
    """A report within this fraction of the median is never an outlier, however closely the others agree."""
    sources_min: U32 = 0
    """Reports based on fewer sources are dropped."""
    grace_blocks: U32 = 0
    """For how many blocks a stale feed's last good price may still reduce and liquidate positions (status
    NO_NEW_RISK)."""
    settle_blocks: U32 = 0
    """After this many blocks without an open price a feed's instruments settle at the last good price; 0: never."""
    coverage_ppm: U32 = 500_000
    """The fraction of an averaging window that agreed prices must cover before settlement."""
    delivery_fail_ppm: U32 = 10_000
    """Penalty of a side that cannot deliver or pay at the expiry of a forward, as a fraction of the missing value."""
    auction_blocks: U32 = 0
    """A halted feed collects orders for at least this many blocks before an auction may reopen it; 0: no auctions."""
    auction_band_ppm: U32 = 50_000
    """Largest distance of an auction's price, and of its orders, from the median that it confirms."""
    auction_lots_min: U63 = 1
    """An auction of fewer lots confirms nothing."""


class FundingTerms(Wire, frozen=True):
    """Premium and funding of a perpetual. All zero: marked at the index, and nothing is paid."""

    premium_cap_ppm: U32 = 0
    """Largest distance of the mark from the index; 0: the mark is the index."""
    window_ms: U63 = 0
    """Time constant of the moving average of the traded premium."""
    depth_lots: U63 = 0
    """Lots assumed to trade at the index beside the real ones, so that little volume moves the premium little."""
    interval_ms: U63 = 0
    """Funding is paid once in each interval of block time; 0: never."""
    period_ms: U63 = 28_800_000
    """Period of the rates: a rate of 1 % is paid once over this time."""
    rate_cap_ppm: U32 = 0
    """Rates are clamped to plus and minus this."""
    interest_ppm: U32 = 0
    """The rate when the premium is within the dampener of it."""
    dampener_ppm: U32 = 0
    premium_feed: U32 = 0
    """Feed of the price at which the perpetual trades elsewhere: the premium follows it, and no trade of this network.
    0: the premium follows trades."""
    wash_cover_ppm: U32 = 0
    """The fees of trades cover at least this multiple of what their premium can move in marks and funding on all open
    positions; 0: no such rule, and washed trades can pay. `clearing.settlement.premium_depth`."""


def check_price_terms(terms: PriceTerms) -> None:
    """Check ranges. Raises LocalFault OUT_OF_RANGE naming the field."""
    checks = (
        ("outlier_deviations", terms.outlier_deviations, terms.outlier_deviations <= 1_000),
        ("outlier_floor_ppm", terms.outlier_floor_ppm, terms.outlier_floor_ppm <= 1_000_000),
        ("coverage_ppm", terms.coverage_ppm, 1 <= terms.coverage_ppm <= 1_000_000),
        ("auction_band_ppm", terms.auction_band_ppm, 1 <= terms.auction_band_ppm <= 1_000_000),
        ("auction_lots_min", terms.auction_lots_min, terms.auction_lots_min >= 1),
        ("delivery_fail_ppm", terms.delivery_fail_ppm, terms.delivery_fail_ppm <= 1_000_000),
    )
    _check("prices", checks)


def check_funding_terms(name: str, terms: FundingTerms, *, perpetual: bool) -> None:
    """Check ranges, and that only a perpetual has any. Raises LocalFault OUT_OF_RANGE naming instrument and field."""
    if not perpetual:
        _check(f"instruments.{name}.funding", (("kind", 0, terms == FundingTerms()),))
        return
    premium, paid = terms.premium_cap_ppm > 0, terms.interval_ms > 0
    by_trades = premium and not terms.premium_feed
    cover = terms.wash_cover_ppm
    checks = (
        ("premium_cap_ppm", terms.premium_cap_ppm, terms.premium_cap_ppm <= PREMIUM_CAP_PPM_MAX),
        ("window_ms", terms.window_ms, terms.window_ms <= FUNDING_PERIOD_MS_MAX and (terms.window_ms > 0) is premium),
        ("depth_lots", terms.depth_lots, terms.depth_lots < 2**32 and (terms.depth_lots > 0) is by_trades),
        ("interval_ms", terms.interval_ms, terms.interval_ms <= FUNDING_PERIOD_MS_MAX),
        ("period_ms", terms.period_ms, 1 <= terms.period_ms <= FUNDING_PERIOD_MS_MAX),
        ("rate_cap_ppm", terms.rate_cap_ppm, terms.rate_cap_ppm <= PREMIUM_CAP_PPM_MAX),
        ("rate_cap_ppm", terms.rate_cap_ppm, (terms.rate_cap_ppm > 0) is paid),
        # One payment is never more than the notional itself.
        ("period_ms", terms.period_ms, terms.rate_cap_ppm * terms.interval_ms <= 1_000_000 * terms.period_ms),
        ("interest_ppm", terms.interest_ppm, terms.interest_ppm <= PREMIUM_CAP_PPM_MAX),
        ("dampener_ppm", terms.dampener_ppm, terms.dampener_ppm <= PREMIUM_CAP_PPM_MAX),
        ("premium_feed", terms.premium_feed, premium or not terms.premium_feed),
        ("wash_cover_ppm", cover, cover == 0 or (by_trades and WASH_COVER_PPM_MIN <= cover <= WASH_COVER_PPM_MAX)),
    )
    _check(f"instruments.{name}.funding", checks)


def _check(at: str, checks: tuple[tuple[str, int, bool], ...]) -> None:
    for field, value, ok in checks:
        if not ok:
            raise LocalFault(BaseCode.OUT_OF_RANGE, f"{at}.{field}", value=value)
