"""The devnet's market file: the figures of `configs/devnet/market.toml`, typed.

Rule: it only reads; what genesis makes of the figures is `devnet.genesis`. A table of `TermsTable` takes every other
field of its part of genesis, too (`devnet.stated_terms`).
"""

import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from clearing.base.errors import LocalFault
from clearing.schema.risk.charges import CHARGE_SIZES_PPM, ConcentrationTier, LotCharge
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters, StressScenario
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.risk.volatility_surface import VolPillar, VolShock
from clearing.schema.terms.assets import Asset, CashGroup, Feed
from clearing.schema.terms.chains import ChainTerms
from clearing.schema.terms.collateral import CashCallTerms, HaircutTerms, InterestTerms, ScenarioTerms, SkewTerms
from clearing.schema.terms.genesis import Genesis, MarketParameters
from clearing.schema.terms.instruments import Instrument
from clearing.schema.terms.prices import FundingTerms, PriceTerms
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from devnet.codes import DevnetCode
from devnet.stated_terms import MarketTable, TermsTable, read_tables

CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "devnet"


class FeedFigures(TermsTable, frozen=True):
    """A feed."""

    part = Feed
    name: str


class SmileFigures(TermsTable, frozen=True):
    """A volatility smile."""

    part = VolPillar
    days: int
    level_ppm: int
    skew_ppm: int = 0
    wing_ppm: int = 0


class ShockFigures(TermsTable, frozen=True):
    """How scenarios shift volatility."""

    part = VolShock
    short_power_ppm: int = 0
    long_power_ppm: int = 0


class GroupFigures(TermsTable, frozen=True):
    """A risk group."""

    part = RiskGroup
    name: str
    feed: str
    range_ppm: int
    volatility_ppm: int
    volatility_range_ppm: int
    short_option_ppm: int = 0
    smiles: tuple[SmileFigures, ...] = ()
    """By rising days to expiry."""
    shock: ShockFigures | None = None


class TierFigures(TermsTable, frozen=True):
    """A further haircut on an account's holding of a token, on each chain, above a threshold."""

    part = ConcentrationTier
    above_units: int
    haircut_ppm: int


class HaircutFigures(TermsTable, frozen=True):
    """What moves a haircut."""

    part = HaircutTerms
    range_share_ppm: int = 0
    liquidity_ppm: int = 0
    finality_ppm: int = 0
    confidence_share_ppm: int = 0
    outage_ms: int = 0
    outage_step_ms: int = 60_000
    outage_step_ppm: int = 100_000
    step_ppm: int = 1


class ScenarioFigures(TermsTable, frozen=True):
    """How a token moves in a risk group's scenarios."""

    part = ScenarioTerms
    group: str
    haircut_ppm: int
    fall_share_ppm: int = 0


class SkewFigures(TermsTable, frozen=True):
    """The price of imbalance between chains."""

    part = SkewTerms
    rate_ppm: int
    depth_micros: int
    band_micros: int


class InterestFigures(TermsTable, frozen=True):
    """Interest on settlement cash."""

    part = InterestTerms
    interval_ms: int
    debit_ppm: int
    credit_ppm: int


class CashCallFigures(TermsTable, frozen=True):
    """Time for who owes too much cash."""

    part = CashCallTerms
    deadline_blocks: int
    auction_blocks: int
    slice_ppm: int


class CashFigures(TermsTable, frozen=True):
    """The settlement cash group."""

    part = CashGroup
    skew: SkewFigures | None = None
    interest: InterestFigures | None = None
    call: CashCallFigures | None = None


class GateFigures(TermsTable, frozen=True):
    """Withdrawal limits of a token on each chain: see `clearing.schema.terms.withdrawals.AssetWithdrawalLimits`."""

    part = AssetWithdrawalLimits
    owner_units_max: int = 0
    window_units_max: int = 0
    delay_above_units: int = 0
    delay_blocks: int = 0
    refund_units_min: int = 0


class TokenFigures(TermsTable, frozen=True):
    """A token that every chain has."""

    part = Asset
    symbol: str
    decimals: int
    unit_decimals: int
    minimum_units: int = 1
    """The least deposit that a vault takes, in clearing units."""
    native: bool = False
    """Whether it stands for the chain's own coin, which the vault then takes, too. One token at most."""
    cash: bool = False
    feed: str = ""
    haircut_ppm: int = 0
    cap_units: int = 2**62
    concentration: tuple[TierFigures, ...] = ()
    haircut: HaircutFigures | None = None
    gate: GateFigures | None = None
    scenarios: ScenarioFigures | None = None


class ChargeFigures(TermsTable, frozen=True):
    """What size costs."""

    part = LotCharge
    contingency_ppm: int = 0
    slippage_ppm: int = 0
    depth_lots: int = 0
    linear_impact_ppm: int = 0
    root_impact_ppm: int = 0
    sizes_ppm: tuple[int, ...] = CHARGE_SIZES_PPM


class FundingFigures(TermsTable, frozen=True):
    """Premium and funding of a perpetual."""

    part = FundingTerms
    premium_cap_ppm: int
    window_ms: int
    depth_lots: int
    interval_ms: int
    period_ms: int
    rate_cap_ppm: int
    interest_ppm: int
    dampener_ppm: int
    wash_cover_ppm: int = 0


class InstrumentFigures(TermsTable, frozen=True):
    """An instrument; its expiry counts from genesis."""

    part = Instrument
    name: str
    kind: Literal["perpetual", "future", "call", "put", "forward"]
    group: str
    micros_per_tick: int
    expiry_days: int = 0
    strike_ticks: int = 0
    charge: ChargeFigures | None = None
    averaging_minutes: int = 0
    """How long before expiry the index is averaged for settlement."""
    funding: FundingFigures | None = None


class JointFigures(TermsTable, frozen=True):
    """Credit between groups."""

    part = JointCredit
    tail: int
    weight_ppm: int
    keep_largest: bool
    scenarios: tuple[tuple[int, ...], ...]
    """Each a column of the grid for every group, then how often."""


class MarketStress(TermsTable, frozen=True):
    """A scenario that the default fund is tested by."""

    part = StressScenario
    name: str
    moves_percent: tuple[int, ...] = ()
    """Of each group's index, in their order; empty: the table has `moves` as in genesis."""
    volatility_direction: int = 0


class RiskFigures(TermsTable, frozen=True):
    """Levels."""

    part = RiskParameters
    rate_ppm: int
    cash_limit_micros: int
    joint: JointFigures | None = None
    default_fund_micros: int = 0
    stress: tuple[MarketStress, ...] = ()


class PriceFigures(TermsTable, frozen=True):
    """Outliers and the ladder of a feed without a price."""

    part = PriceTerms
    outlier_deviations: int
    outlier_floor_ppm: int
    grace_blocks: int
    settle_blocks: int
    coverage_ppm: int
    auction_blocks: int = 0
    auction_band_ppm: int = 50_000
    auction_lots_min: int = 1


class RangeFigures(TermsTable, frozen=True):
    """How ranges follow the market."""

    part = RangeParameters
    interval_ms: int
    window: int
    window_min: int
    horizon_ms: int
    lateness_ms_max: int
    floor_samples: int
    rise_ppm: int
    fall_ppm: int
    range_min_ppm: int
    range_max_ppm: int


class MarketFigures(TermsTable, frozen=True):
    """Limits and fees."""

    part = MarketParameters
    move_cap_ppm: int
    epoch_blocks: int
    snapshot_delay_blocks: int
    trade_fee_ppm: int
    liquidation_penalty_ppm: int
    prices: PriceFigures | None = None


class ChainFigures(TermsTable, frozen=True):
    """Pace of the chains."""

    part = ChainTerms
    custody_stride: int
    block_seconds: int


class HouseFigures(MarketTable, frozen=True):
    """The clearing house's own money."""

    capital_micros: int


class Market(TermsTable, frozen=True):
    """The whole file."""

    part = Genesis
    hours: str
    feeds: tuple[FeedFigures, ...]
    groups: tuple[GroupFigures, ...]
    tokens: tuple[TokenFigures, ...]
    instruments: tuple[InstrumentFigures, ...]
    risk: RiskFigures
    market: MarketFigures
    chains: ChainFigures
    house: HouseFigures
    ranges: RangeFigures | None = None
    cash: CashFigures = CashFigures()
    crisis: dict[str, Any] = msgspec.field(default_factory=dict)
    """Fields of `clearing.schema.terms.genesis.CrisisParameters`, by their names."""
    inflow: dict[str, Any] = msgspec.field(default_factory=dict)
    """Fields of `clearing.schema.terms.withdrawals.InflowDelayTerms`, by their names."""


def load_market(path: Path = CONFIGS / "market.toml") -> Market:
    """Read the file. Raises LocalFault naming the key that is wrong."""
    try:
        return read_tables(Market, path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise LocalFault(DevnetCode.MARKET_FILE_INVALID, str(path), why=str(error)) from None


def hours_file(market: Market) -> Path:
    """Where the recorded prices lie."""
    return CONFIGS / market.hours
