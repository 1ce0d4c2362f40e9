"""The devnet's genesis: what the figures of its market file become, with keys, addresses and times from its caller.

Rule: a function of its arguments; it reads no file and starts nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from clearing.base.codec import u256
from clearing.base.errors import LocalFault
from clearing.base.evm.storage import BalanceLocation, BalanceOrder
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import DAY_MS
from clearing.base.validators import ValidatorSet
from clearing.genesis.checks import check_genesis
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
from devnet.market import CashFigures, GroupFigures, JointFigures, Market, MarketStress, TokenFigures
from devnet.stated_terms import part_of, with_terms

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
    named = (house, *members)
    genesis = part_of(
        Genesis,
        market,
        "",
        name=name,
        time_ms=time_ms,
        validators=validators,
        chains=tuple(_chain(market, chain) for chain in chains),
        feeds=tuple(
            part_of(Feed, figures, f"feeds.{figures.name}", id=number)
            for number, figures in enumerate(market.feeds, start=1)
        ),
        cash_groups=(_cash_group(market.cash),),
        assets=_assets(market, chains, feeds),
        instruments=_instruments(market, feeds, time_ms),
        risk=_risk(market, chains, feeds),
        market=part_of(
            MarketParameters,
            market.market,
            "market",
            prices=part_of(PriceTerms, market.market.prices, "market.prices"),
        ),
        members=tuple(
            MemberTerms(each.id, each.name, each.trade_address, (AccountTerms(account, AccountKind.HOUSE),))
            for each, account in zip(named, (HOUSE_ACCOUNT, *(member.id for member in members)), strict=True)
        ),
        ranges=part_of(RangeParameters, market.ranges, "ranges"),
        crisis=_crisis(market, chains),
        inflow=with_terms(InflowDelayTerms(), market.inflow, "inflow"),
        surfaces=surfaces,
    )
    check_genesis(genesis)
    return genesis


def _chain(market: Market, chain: DeployedChain) -> ChainTerms:
    return part_of(
        ChainTerms,
        market.chains,
        "chains",
        chain_id=chain.chain_id,
        name=chain.name,
        vault=chain.vault,
        vault_block=chain.vault_block,
    )


def _risk(market: Market, chains: tuple[DeployedChain, ...], feeds: dict[str, int]) -> RiskParameters:
    return part_of(
        RiskParameters,
        market.risk,
        "risk",
        groups=tuple(_group(number, each, feeds) for number, each in enumerate(market.groups, start=1)),
        joint=_joint(market.risk.joint),
        charges=tuple(
            part_of(LotCharge, each.charge, f"instruments.{each.name}.charge", instrument=number)
            for number, each in enumerate(market.instruments, start=1)
            if each.charge is not None
        ),
        concentration=_tiers(market, chains),
        stress=stress_scenarios(market.risk.stress),
    )


def _group(number: int, group: GroupFigures, feeds: dict[str, int]) -> RiskGroup:
    at = f"groups.{group.name}"
    smiles = (
        part_of(VolPillar, smile, f"{at}.smiles[{place}]", tenor_ms=smile.days * DAY_MS)
        for place, smile in enumerate(group.smiles)
    )
    return part_of(
        RiskGroup,
        group,
        at,
        id=number,
        feed=feeds[group.feed],
        surface=tuple(smiles),
        shock=part_of(VolShock, group.shock, f"{at}.shock"),
    )


def _crisis(market: Market, chains: tuple[DeployedChain, ...]) -> CrisisParameters:
    crisis = with_terms(CrisisParameters(), market.crisis, "crisis")
    limits = tuple(
        part_of(AssetWithdrawalLimits, token.gate, f"tokens.{token.symbol}.gate", asset=number)
        for number, (_, token) in enumerate(_listed(market, chains), start=1)
        if token.gate is not None
    )
    if limits and crisis.gates.assets:
        raise LocalFault(DevnetCode.MARKET_FILE_INVALID, "crisis.gates.assets", why="other keys of this file give it")
    gates = msgspec.structs.replace(crisis.gates, assets=limits or crisis.gates.assets)
    return msgspec.structs.replace(crisis, gates=gates)


def _assets(market: Market, chains: tuple[DeployedChain, ...], feeds: dict[str, int]) -> tuple[Asset, ...]:
    return tuple(
        part_of(
            Asset,
            token,
            f"tokens.{token.symbol}",
            id=number,
            name=f"{token.symbol}@{chain.name}",
            chain_id=chain.chain_id,
            vault=chain.vault,
            token=chain.tokens[token.symbol],
            token_decimals=token.decimals,
            cash_group=USD if token.cash else 0,
            feed=0 if token.cash else feeds[token.feed],
            haircut=part_of(HaircutTerms, token.haircut, f"tokens.{token.symbol}.haircut"),
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
    return part_of(ScenarioTerms, figures, f"tokens.{token.symbol}.scenarios", group=names.index(figures.group) + 1)


def _listed(market: Market, chains: tuple[DeployedChain, ...]) -> list[tuple[DeployedChain, TokenFigures]]:
    """The assets, in the order of their numbers."""
    return [(chain, token) for chain in chains for token in market.tokens if token.symbol in chain.tokens]


def _balances(slot: int | None) -> BalanceLocation:
    return BalanceLocation() if slot is None else BalanceLocation(BalanceOrder.KEY_FIRST, u256(slot))


def _cash_group(figures: CashFigures) -> CashGroup:
    return part_of(
        CashGroup,
        figures,
        "cash",
        id=USD,
        name="USD",
        skew=part_of(SkewTerms, figures.skew, "cash.skew"),
        interest=part_of(InterestTerms, figures.interest, "cash.interest"),
        call=part_of(CashCallTerms, figures.call, "cash.call"),
    )


def _joint(figures: JointFigures | None) -> JointCredit:
    if figures is None:
        # history may give scenarios later: a book in one group must not be credited then
        return JointCredit(keep_largest=True)
    scenarios = tuple(JointScenario(tuple(columns), count) for *columns, count in sorted(figures.scenarios))
    return part_of(JointCredit, figures, "risk.joint", scenarios=scenarios)


def stress_scenarios(figures: Sequence[MarketStress]) -> tuple[StressScenario, ...]:
    """What the default fund is sized for; a move of each group's index."""
    return tuple(
        part_of(
            StressScenario,
            figure,
            f"risk.stress.{figure.name}",
            moves=tuple(
                Scenario(move, 100, figure.volatility_direction, of_index=True) for move in figure.moves_percent
            ),
        )
        for figure in figures
    )


def _tiers(market: Market, chains: tuple[DeployedChain, ...]) -> tuple[ConcentrationTier, ...]:
    return tuple(
        part_of(ConcentrationTier, tier, f"tokens.{token.symbol}.concentration[{place}]", asset=number)
        for number, (_, token) in enumerate(_listed(market, chains), start=1)
        for place, tier in enumerate(token.concentration)
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
        part_of(
            Instrument,
            instrument,
            f"instruments.{instrument.name}",
            id=number,
            kind=KINDS[instrument.kind],
            feed=groups[instrument.group][1],
            group=groups[instrument.group][0],
            cash_group=USD,
            expiry_ms=time_ms + instrument.expiry_days * DAY_MS if instrument.expiry_days else 0,
            averaging_ms=instrument.averaging_minutes * MINUTE_MS,
            funding=part_of(FundingTerms, instrument.funding, f"instruments.{instrument.name}.funding"),
        )
        for number, instrument in enumerate(market.instruments, start=1)
    )
