"""The devnet's genesis: what the figures of its market file become, with keys, addresses and times from its caller.

Rule: a function of its arguments; it reads no file and starts nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from clearing.base.codec import u256
from clearing.base.errors import LocalFault
from clearing.base.evm.storage import BalanceLocation, BalanceOrder
from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.base.units import DAY_MS
from clearing.base.validators import ValidatorSet
from clearing.genesis.checks import check_genesis
from clearing.genesis.json import GenesisPart, genesis_part_from_json
from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.parameters import (
    JointCredit,
    JointScenario,
    RiskGroup,
    RiskParameters,
    Scenario,
    StressScenario,
)
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.risk.volatility_surface import VolPillar, VolShock
from clearing.schema.terms.assets import Asset, CashGroup, Feed
from clearing.schema.terms.chains import ChainTerms
from clearing.schema.terms.collateral import CashCallTerms, HaircutTerms, InterestTerms, ScenarioTerms, SkewTerms
from clearing.schema.terms.genesis import (
    AccountKind,
    AccountTerms,
    CrisisParameters,
    Genesis,
    MarketParameters,
    MemberTerms,
)
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.schema.terms.prices import FundingTerms, PriceTerms
from clearing.schema.terms.surfaces import SurfaceTerms
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, InflowDelayTerms
from devnet.codes import DevnetCode
from devnet.market import CashFigures, JointFigures, Market, MarketStress, MarketTable, TokenFigures

DEVNET_BALANCES = 0
"""The slot in which `TestToken` and `WrappedNative` keep their balances."""
MINUTE_MS = 60_000
USD = 1
KINDS = {
    "perpetual": InstrumentKind.PERPETUAL,
    "future": InstrumentKind.FUTURE,
    "call": InstrumentKind.CALL,
    "put": InstrumentKind.PUT,
    "forward": InstrumentKind.FORWARD,
}


@dataclass(frozen=True, slots=True)
class DeployedChain:
    """Addresses of the vault and the tokens on one chain."""

    chain_id: int
    name: str
    vault: bytes
    vault_block: int
    tokens: dict[str, bytes]
    """Symbol to address, of those tokens of the market that are there."""
    balance_slots: Mapping[str, int | None] = field(default_factory=dict)
    """The slots of tokens that keep their balances elsewhere than the devnet's; None where that is not known."""


@dataclass(frozen=True, slots=True)
class MemberIdentity:
    """What genesis needs of a member: one account with the member's own number."""

    id: int
    name: str
    trade_address: bytes


def build_genesis(
    market: Market,
    *,
    name: str,
    time_ms: int,
    validators: ValidatorSet,
    chains: tuple[DeployedChain, ...],
    house: MemberIdentity,
    members: tuple[MemberIdentity, ...],
    surfaces: tuple[SurfaceTerms, ...] = (),
) -> Genesis:
    """Genesis of a devnet, checked; `surfaces` are terms of those groups whose surface is live.

    Raises LocalFault when the file's figures do not make one.
    """
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
        feeds=tuple(Feed(number, feed) for feed, number in feeds.items()),
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
            stress=stress_scenarios(market.risk.stress),
            default_fund_micros=market.risk.default_fund_micros,
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
                MemberTerms(member.id, member.name, member.trade_address, (AccountTerms(member.id, AccountKind.HOUSE),))
                for member in members
            ),
        ),
        ranges=RangeParameters(**msgspec.structs.asdict(market.ranges)) if market.ranges else RangeParameters(),
        crisis=_crisis(market, chains),
        inflow=_part(InflowDelayTerms, market.inflow, "inflow"),
        surfaces=surfaces,
    )
    check_genesis(genesis)
    return genesis


def _groups(market: Market, feeds: dict[str, int]) -> tuple[RiskGroup, ...]:
    return tuple(
        RiskGroup(
            number,
            group.name,
            feeds[group.feed],
            group.range_ppm,
            group.volatility_ppm,
            group.volatility_range_ppm,
            group.short_option_ppm,
            surface=tuple(
                VolPillar(smile.days * DAY_MS, smile.level_ppm, smile.skew_ppm, smile.wing_ppm)
                for smile in group.smiles
            ),
            shock=VolShock(**msgspec.structs.asdict(group.shock)) if group.shock else VolShock(),
        )
        for number, group in enumerate(market.groups, start=1)
    )


def _part(kind: type[GenesisPart], table: dict[str, Any], at: str) -> GenesisPart:
    """A table with the field names of genesis."""
    try:
        return genesis_part_from_json(kind, table, at)
    except ValueError as error:
        raise LocalFault(DevnetCode.MARKET_FILE_INVALID, at, why=str(error)) from None


def _crisis(market: Market, chains: tuple[DeployedChain, ...]) -> CrisisParameters:
    crisis = _part(CrisisParameters, market.crisis, "crisis")
    tokens = [token for _, token in _listed(market, chains)]
    gates = tuple(
        AssetWithdrawalLimits(number, **_named(token.gate))
        for number, token in enumerate(tokens, start=1)
        if token.gate is not None
    )
    return msgspec.structs.replace(crisis, gates=msgspec.structs.replace(crisis.gates, assets=gates))


def _assets(market: Market, chains: tuple[DeployedChain, ...], feeds: dict[str, int]) -> tuple[Asset, ...]:
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
            balances=_balances(chain.balance_slots.get(token.symbol, DEVNET_BALANCES)),
            scenarios=_scenarios(market, token),
        )
        for number, (chain, token) in enumerate(_listed(market, chains), start=1)
    )


def _scenarios(market: Market, token: TokenFigures) -> ScenarioTerms:
    figures = token.scenarios
    if figures is None:
        return ScenarioTerms()
    names = [group.name for group in market.groups]
    if figures.group not in names:
        raise LocalFault(DevnetCode.MARKET_FILE_INVALID, f"tokens.{token.symbol}.scenarios.group", group=figures.group)
    return ScenarioTerms(names.index(figures.group) + 1, figures.haircut_ppm, figures.fall_share_ppm)


def _listed(market: Market, chains: tuple[DeployedChain, ...]) -> list[tuple[DeployedChain, TokenFigures]]:
    """The assets, in the order of their numbers."""
    return [(chain, token) for chain in chains for token in market.tokens if token.symbol in chain.tokens]


def _balances(slot: int | None) -> BalanceLocation:
    return BalanceLocation() if slot is None else BalanceLocation(BalanceOrder.KEY_FIRST, u256(slot))


def _cash_group(figures: CashFigures) -> CashGroup:
    return CashGroup(
        USD,
        "USD",
        SkewTerms(**_named(figures.skew)),
        InterestTerms(**_named(figures.interest)),
        CashCallTerms(**_named(figures.call)),
    )


def _named(figures: MarketTable | None) -> dict[str, Any]:
    return msgspec.structs.asdict(figures) if figures is not None else {}


def _joint(figures: JointFigures | None) -> JointCredit:
    if figures is None:
        # history may give scenarios later: a book in one group must not be credited then
        return JointCredit(keep_largest=True)
    scenarios = tuple(JointScenario(tuple(columns), count) for *columns, count in sorted(figures.scenarios))
    return JointCredit(scenarios, figures.tail, figures.weight_ppm, figures.keep_largest)


def stress_scenarios(figures: Sequence[MarketStress]) -> tuple[StressScenario, ...]:
    """What the default fund is sized for; a move of each group's index."""
    return tuple(
        StressScenario(
            figure.name,
            tuple(Scenario(move, 100, figure.volatility_direction, of_index=True) for move in figure.moves_percent),
        )
        for figure in figures
    )


def _charges(market: Market) -> tuple[LotCharge, ...]:
    return tuple(
        LotCharge(number, **msgspec.structs.asdict(instrument.charge))
        for number, instrument in enumerate(market.instruments, start=1)
        if instrument.charge is not None
    )


def _tiers(market: Market, chains: tuple[DeployedChain, ...]) -> tuple[ConcentrationTier, ...]:
    return tuple(
        ConcentrationTier(number, tier.above_units, tier.haircut_ppm)
        for number, (_, token) in enumerate(_listed(market, chains), start=1)
        for tier in token.concentration
    )


def _check_options(market: Market) -> None:
    """An option without a minimum is free to write once no scenario reaches its strike."""
    free = {group.name for group in market.groups if not group.short_option_ppm}
    for instrument in market.instruments:
        if instrument.strike_ticks and instrument.group in free:
            raise LocalFault(
                DevnetCode.MARKET_FILE_INVALID, f"groups.{instrument.group}.short_option_ppm", option=instrument.name
            )


def _instruments(market: Market, feeds: dict[str, int], time_ms: int) -> tuple[Instrument, ...]:
    groups = {group.name: (number, feeds[group.feed]) for number, group in enumerate(market.groups, start=1)}
    return tuple(
        Instrument(
            id=number,
            name=instrument.name,
            kind=KINDS[instrument.kind],
            feed=groups[instrument.group][1],
            group=groups[instrument.group][0],
            cash_group=USD,
            micros_per_tick=instrument.micros_per_tick,
            expiry_ms=time_ms + instrument.expiry_days * DAY_MS if instrument.expiry_days else 0,
            strike_ticks=instrument.strike_ticks,
            averaging_ms=instrument.averaging_minutes * MINUTE_MS,
            funding=FundingTerms(**msgspec.structs.asdict(instrument.funding))
            if instrument.funding
            else FundingTerms(),
        )
        for number, instrument in enumerate(market.instruments, start=1)
    )
