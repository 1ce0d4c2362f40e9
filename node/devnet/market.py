"""The devnet's market: `configs/devnet/market.toml` and what genesis makes of it.

Rule: figures stand in the file; keys, addresses and times come in as arguments. It starts nothing.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from clearing.accounts.kinds import AccountKind
from clearing.assets import Asset, CashGroup, Feed
from clearing.base.errors import LocalFault
from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.base.units import DAY_MS
from clearing.base.validators import ValidatorSet
from clearing.collateral.terms import CashCallTerms, HaircutTerms, InterestTerms, SkewTerms
from clearing.genesis import (
    AccountTerms,
    ChainTerms,
    Genesis,
    MarketParameters,
    MemberTerms,
    check_genesis,
)
from clearing.instruments import Instrument, InstrumentKind
from clearing.margin.charges import CHARGE_SIZES_PPM, ConcentrationTier, LotCharge
from clearing.margin.joint import JointCredit, JointScenario
from clearing.margin.parameters import RiskGroup, RiskParameters
from clearing.prices.terms import FundingTerms, PriceTerms
from clearing.pricing.surface import VolPillar, VolShock
from clearing.ranges.parameters import RangeParameters
from node.devnet.codes import DevnetCode

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "devnet"
MINUTE_MS = 60_000
USD = 1
KINDS = {
    "perpetual": InstrumentKind.PERPETUAL,
    "future": InstrumentKind.FUTURE,
    "call": InstrumentKind.CALL,
    "put": InstrumentKind.PUT,
    "forward": InstrumentKind.FORWARD,
}


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""


class FeedFigures(_Table, frozen=True):
    """A feed."""

    name: str


class SmileFigures(_Table, frozen=True):
    """A volatility smile; see `clearing.pricing.surface.VolPillar`."""

    days: int
    level_ppm: int
    skew_ppm: int = 0
    wing_ppm: int = 0


class ShockFigures(_Table, frozen=True):
    """How scenarios shift volatility; see `clearing.pricing.surface.VolShock`."""

    short_power_ppm: int
    long_power_ppm: int


class GroupFigures(_Table, frozen=True):
    """A risk group."""

    name: str
    feed: str
    range_ppm: int
    volatility_ppm: int
    volatility_range_ppm: int
    short_option_ppm: int = 0
    smiles: tuple[SmileFigures, ...] = ()
    """By rising days to expiry."""
    shock: ShockFigures | None = None


class TierFigures(_Table, frozen=True):
    """A further haircut on what one account holds of a token, on each chain, above a threshold."""

    above_units: int
    haircut_ppm: int


class HaircutFigures(_Table, frozen=True):
    """What moves a haircut; see `clearing.collateral.terms.HaircutTerms`."""

    range_share_ppm: int = 0
    liquidity_ppm: int = 0
    finality_ppm: int = 0
    confidence_share_ppm: int = 0
    outage_ms: int = 0
    outage_step_ms: int = 60_000
    outage_step_ppm: int = 100_000
    step_ppm: int = 1


class SkewFigures(_Table, frozen=True):
    """The price of imbalance between chains; see `clearing.collateral.terms.SkewTerms`."""

    rate_ppm: int
    depth_micros: int
    band_micros: int


class InterestFigures(_Table, frozen=True):
    """Interest on settlement cash."""

    interval_ms: int
    debit_ppm: int
    credit_ppm: int


class CashCallFigures(_Table, frozen=True):
    """Time for who owes too much cash."""

    deadline_blocks: int
    auction_blocks: int
    slice_ppm: int


class CashFigures(_Table, frozen=True):
    """The settlement cash group."""

    skew: SkewFigures | None = None
    interest: InterestFigures | None = None
    call: CashCallFigures | None = None


class TokenFigures(_Table, frozen=True):
    """A token that every chain has."""

    symbol: str
    decimals: int
    unit_decimals: int
    cash: bool = False
    feed: str = ""
    haircut_ppm: int = 0
    cap_units: int = 2**62
    concentration: tuple[TierFigures, ...] = ()
    haircut: HaircutFigures | None = None


class ChargeFigures(_Table, frozen=True):
    """What size costs; see `clearing.margin.charges.LotCharge`."""

    contingency_ppm: int = 0
    slippage_ppm: int = 0
    depth_lots: int = 0
    linear_impact_ppm: int = 0
    root_impact_ppm: int = 0
    sizes_ppm: tuple[int, ...] = CHARGE_SIZES_PPM


class FundingFigures(_Table, frozen=True):
    """Premium and funding of a perpetual; see `clearing.prices.terms.FundingTerms`."""

    premium_cap_ppm: int
    window_ms: int
    depth_lots: int
    interval_ms: int
    period_ms: int
    rate_cap_ppm: int
    interest_ppm: int
    dampener_ppm: int


class InstrumentFigures(_Table, frozen=True):
    """An instrument; its expiry counts from genesis."""

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


class JointFigures(_Table, frozen=True):
    """Credit between groups."""

    tail: int
    weight_ppm: int
    keep_largest: bool
    scenarios: tuple[tuple[int, ...], ...]
    """Each a column of the grid for every group, then how often."""


class RiskFigures(_Table, frozen=True):
    """Levels."""

    rate_ppm: int
    cash_limit_micros: int
    joint: JointFigures | None = None


class PriceFigures(_Table, frozen=True):
    """Outliers and the ladder of a feed without a price; see `clearing.prices.terms.PriceTerms`."""

    outlier_deviations: int
    outlier_floor_ppm: int
    grace_blocks: int
    settle_blocks: int
    coverage_ppm: int
    auction_blocks: int = 0
    auction_band_ppm: int = 50_000
    auction_lots_min: int = 1


class RangeFigures(_Table, frozen=True):
    """How ranges follow the market; see `clearing.ranges.parameters.RangeParameters`."""

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


class MarketFigures(_Table, frozen=True):
    """Limits and fees."""

    move_cap_ppm: int
    epoch_blocks: int
    snapshot_delay_blocks: int
    trade_fee_ppm: int
    liquidation_penalty_ppm: int
    prices: PriceFigures | None = None


class ChainFigures(_Table, frozen=True):
    """Pace of the chains."""

    custody_stride: int
    block_seconds: int


class HouseFigures(_Table, frozen=True):
    """The clearing house's own money."""

    capital_micros: int


class Market(_Table, frozen=True):
    """The whole file."""

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


@dataclass(frozen=True, slots=True)
class DeployedChain:
    """Where things are on one chain."""

    chain_id: int
    name: str
    vault: bytes
    vault_block: int
    tokens: dict[str, bytes]
    """Symbol to address."""


@dataclass(frozen=True, slots=True)
class MemberIdentity:
    """What genesis needs of a member: one account with the member's own number."""

    id: int
    name: str
    trade_address: bytes


def load_market(path: Path = CONFIGS / "market.toml") -> Market:
    """Read the file. Raises LocalFault naming the key that is wrong."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Market)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise LocalFault(DevnetCode.MARKET_FILE_INVALID, str(path), why=str(error)) from None


def hours_file(market: Market) -> Path:
    """Where the recorded prices lie."""
    return CONFIGS / market.hours


def build_genesis(
    market: Market,
    *,
    name: str,
    time_ms: int,
    validators: ValidatorSet,
    chains: tuple[DeployedChain, ...],
    house: MemberIdentity,
    members: tuple[MemberIdentity, ...],
) -> Genesis:
    """Genesis of a devnet, checked. Raises LocalFault when the file's figures do not make one."""
    _check_options(market)
    feeds = {figures.name: number for number, figures in enumerate(market.feeds, start=1)}
    genesis = Genesis(
        name=name,
        time_ms=time_ms,
        validators=validators,
        chains=tuple(
            ChainTerms(chain.chain_id, chain.name, chain.vault, market.chains.custody_stride, chain.vault_block)
            for chain in chains
        ),
        feeds=tuple(Feed(number, each) for each, number in feeds.items()),
        cash_groups=(_cash_group(market.cash),),
        assets=_assets(market, chains, feeds),
        instruments=_instruments(market, feeds, time_ms),
        risk=RiskParameters(
            groups=_groups(market, feeds),
            cash_limit_micros=market.risk.cash_limit_micros,
            rate_ppm=market.risk.rate_ppm,
            joint=_joint(market.risk.joint),
            charges=_charges(market),
            concentration=_tiers(market, chains),
        ),
        market=MarketParameters(
            move_cap_ppm=market.market.move_cap_ppm,
            epoch_blocks=market.market.epoch_blocks,
            snapshot_delay_blocks=market.market.snapshot_delay_blocks,
            trade_fee_ppm=market.market.trade_fee_ppm,
            liquidation_penalty_ppm=market.market.liquidation_penalty_ppm,
            prices=PriceTerms(**msgspec.structs.asdict(market.market.prices)) if market.market.prices else PriceTerms(),
        ),
        members=(
            MemberTerms(
                HOUSE_MEMBER, house.name, house.trade_address, (AccountTerms(HOUSE_ACCOUNT, AccountKind.HOUSE),)
            ),
            *(
                MemberTerms(each.id, each.name, each.trade_address, (AccountTerms(each.id, AccountKind.HOUSE),))
                for each in members
            ),
        ),
        ranges=RangeParameters(**msgspec.structs.asdict(market.ranges)) if market.ranges else RangeParameters(),
    )
    check_genesis(genesis)
    return genesis


def _groups(market: Market, feeds: dict[str, int]) -> tuple[RiskGroup, ...]:
    return tuple(
        RiskGroup(
            number,
            each.name,
            feeds[each.feed],
            each.range_ppm,
            each.volatility_ppm,
            each.volatility_range_ppm,
            each.short_option_ppm,
            surface=tuple(
                VolPillar(smile.days * DAY_MS, smile.level_ppm, smile.skew_ppm, smile.wing_ppm) for smile in each.smiles
            ),
            shock=VolShock(**msgspec.structs.asdict(each.shock)) if each.shock else VolShock(),
        )
        for number, each in enumerate(market.groups, start=1)
    )


def _assets(market: Market, chains: tuple[DeployedChain, ...], feeds: dict[str, int]) -> tuple[Asset, ...]:
    pairs = [(chain, token) for chain in chains for token in market.tokens]
    return tuple(
        Asset(
            id=number,
            name=f"{token.symbol}@{chain.name}",
            chain_id=chain.chain_id,
            vault=chain.vault,
            token=chain.tokens[token.symbol],
            token_decimals=token.decimals,
            unit_decimals=token.unit_decimals,
            cash_group=USD if token.cash else 0,
            feed=0 if token.cash else feeds[token.feed],
            haircut_ppm=token.haircut_ppm,
            cap_units=token.cap_units,
            haircut=HaircutTerms(**_named(token.haircut)),
        )
        for number, (chain, token) in enumerate(pairs, start=1)
    )


def _cash_group(figures: CashFigures) -> CashGroup:
    return CashGroup(
        USD,
        "USD",
        SkewTerms(**_named(figures.skew)),
        InterestTerms(**_named(figures.interest)),
        CashCallTerms(**_named(figures.call)),
    )


def _named(figures: _Table | None) -> dict[str, Any]:
    return msgspec.structs.asdict(figures) if figures is not None else {}


def _joint(figures: JointFigures | None) -> JointCredit:
    if figures is None:
        return JointCredit()
    scenarios = tuple(JointScenario(tuple(columns), count) for *columns, count in sorted(figures.scenarios))
    return JointCredit(scenarios, figures.tail, figures.weight_ppm, figures.keep_largest)


def _charges(market: Market) -> tuple[LotCharge, ...]:
    return tuple(
        LotCharge(number, **msgspec.structs.asdict(each.charge))
        for number, each in enumerate(market.instruments, start=1)
        if each.charge is not None
    )


def _tiers(market: Market, chains: tuple[DeployedChain, ...]) -> tuple[ConcentrationTier, ...]:
    pairs = [token for _ in chains for token in market.tokens]
    return tuple(
        ConcentrationTier(number, tier.above_units, tier.haircut_ppm)
        for number, token in enumerate(pairs, start=1)
        for tier in token.concentration
    )


def _check_options(market: Market) -> None:
    """An option without a minimum is free to write once no scenario reaches its strike."""
    free = {group.name for group in market.groups if not group.short_option_ppm}
    for each in market.instruments:
        if each.strike_ticks and each.group in free:
            raise LocalFault(DevnetCode.MARKET_FILE_INVALID, f"groups.{each.group}.short_option_ppm", option=each.name)


def _instruments(market: Market, feeds: dict[str, int], time_ms: int) -> tuple[Instrument, ...]:
    groups = {each.name: (number, feeds[each.feed]) for number, each in enumerate(market.groups, start=1)}
    return tuple(
        Instrument(
            id=number,
            name=each.name,
            kind=KINDS[each.kind],
            feed=groups[each.group][1],
            group=groups[each.group][0],
            cash_group=USD,
            micros_per_tick=each.micros_per_tick,
            expiry_ms=time_ms + each.expiry_days * DAY_MS if each.expiry_days else 0,
            strike_ticks=each.strike_ticks,
            averaging_ms=each.averaging_minutes * MINUTE_MS,
            funding=FundingTerms(**msgspec.structs.asdict(each.funding)) if each.funding else FundingTerms(),
        )
        for number, each in enumerate(market.instruments, start=1)
    )
