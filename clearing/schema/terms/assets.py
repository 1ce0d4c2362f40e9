"""Feeds, settlement cash groups, and the tokens behind both cash and collateral.

Rule: an asset is one token on one chain. Its clearing unit is a power of ten of token base units. Conversion into
clearing units rounds down, and the dust stays on chain. It must not know balances.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

from clearing.base.codec import U8, U32, U63, Bytes20, Wire
from clearing.base.errors import BaseCode, LocalFault
from clearing.base.evm.storage import BalanceLocation
from clearing.base.units import PPM
from clearing.schema.terms.collateral import (
    CashCallTerms,
    Check,
    DepegTerms,
    HaircutTerms,
    InterestTerms,
    ScenarioTerms,
    SkewTerms,
    YieldTerms,
    check_depeg,
    check_group,
    check_haircut,
    check_scenarios,
    check_yield,
)

CASH_UNIT_DECIMALS = 6
"""One clearing unit of a cash asset is one micro of the settlement unit."""
DUST_DECIMALS_MAX = 18
"""Largest number of a token's decimals below its clearing unit: the dust of a deposit is one 63-bit number."""

TOKEN_UNITS_MAX = 2**56 - 1
"""Largest holding of one token, in clearing units: the range of a TOKEN slot."""

ASSETS_MAX = 1024
"""Every statement contains a custody term for each asset."""
RATE_TIMES_MAX = 100
"""Upper bound on the agreed rate: the largest number of underlying tokens per share."""


class Feed(Wire, frozen=True):
    """An oracle feed: the index of one underlying, in ticks."""

    id: U32
    name: str


class CashGroup(Wire, frozen=True):
    """Tokens that governance declares interchangeable as settlement cash."""

    id: U32
    name: str
    skew: SkewTerms = SkewTerms()
    interest: InterestTerms = InterestTerms()
    call: CashCallTerms = CashCallTerms()


class Asset(Wire, frozen=True):
    """A token on one chain. Ids start at 1."""

    id: U32
    name: str
    chain_id: U63
    vault: Bytes20
    token: Bytes20
    token_decimals: U8
    """Decimals of the token's base unit, as its contract states."""
    unit_decimals: U8
    """One clearing unit is 10^-unit_decimals whole tokens; 6 for cash."""
    cash_group: U32
    """0 for a collateral token."""
    feed: U32
    """Price of one whole token; 0 for cash."""
    haircut_ppm: U32
    cap_units: U63
    """Largest accepted holding over all accounts."""
    haircut: HaircutTerms = HaircutTerms()
    yields: YieldTerms = YieldTerms()
    depeg: DepegTerms = DepegTerms()
    """For cash tokens."""
    soft_credit_ppm: U32 = 0
    """The fraction of a non-final deposit's value after haircut that the house may lend; 0: nothing."""
    feed_tokens: U32 = 1
    """How many whole tokens the feed prices."""
    balances: BalanceLocation = BalanceLocation()
    """Where the token's contract stores balances, for storage proofs of custody. By default its balance is attested,
    not proven."""
    rate_ticks: U63 = 0
    """The rate in force of a yield-bearing token, filled in by `clearing.state.effective_parameters`; 0 in genesis."""
    scenarios: ScenarioTerms = ScenarioTerms()
    """For collateral that moves in the scenarios of a risk group."""

    @property
    def is_cash(self) -> bool:
        """Whether a deposit becomes a claim on a cash group."""
        return self.cash_group != 0

    def to_units(self, amount: int) -> tuple[int, int]:
        """(clearing units, dust): `amount` token base units, rounded down, and the base units left over."""
        if amount < 0:
            raise ValueError(f"amount must not be negative, got {amount}")
        return divmod(amount, self.base_units)

    def to_amount(self, units: int) -> int:
        """Token base units of `units` clearing units; exact."""
        if units < 0:
            raise ValueError(f"units must not be negative, got {units}")
        return units * self.base_units

    @property
    def base_units(self) -> int:
        """Token base units in one clearing unit."""
        factor: int = 10 ** (self.token_decimals - self.unit_decimals)
        return factor

    @property
    def at_best(self) -> "Asset":
        """The token without any haircut and at the highest rate: an upper bound of its value at an index."""
        return msgspec.structs.replace(
            self,
            haircut_ppm=0,
            yields=msgspec.structs.replace(self.yields, haircut_ppm=0),
            rate_ticks=RATE_TIMES_MAX * self.yields.unit_ticks if self.yields.feed else 0,
        )

    @property
    def base_haircut_ppm(self) -> int:
        """The haircut on which the one in force is based: that of its scenario terms where they are on."""
        return self.scenarios.haircut_ppm if self.scenarios.group else self.haircut_ppm

    @property
    def is_spot(self) -> bool:
        """Whether it moves with its feed in the scenarios of a risk group."""
        return self.scenarios.group != 0 and not self.scenarios.fall_share_ppm

    @property
    def feeds(self) -> tuple[int, ...]:
        """The feeds that a collateral token's value depends on."""
        return (self.feed, self.yields.feed) if self.yields.feed else (self.feed,)

    @property
    def has_depeg_guard(self) -> bool:
        """Whether a cash token has a depeg guard."""
        return self.is_cash and self.depeg.feed != 0

    @property
    def as_collateral(self) -> "Asset":
        """The collateral token that a cash token with a depeg guard becomes on leaving its group: the same in coarser
        units."""
        depeg = self.depeg
        return msgspec.structs.replace(
            self,
            unit_decimals=depeg.unit_decimals,
            cash_group=0,
            feed=depeg.feed,
            feed_tokens=depeg.feed_tokens,
            haircut_ppm=depeg.haircut_ppm,
            cap_units=self.cap_units // 10 ** (self.unit_decimals - depeg.unit_decimals),
            depeg=DepegTerms(),
        )


def collateral_tokens(assets: Iterable[Asset]) -> tuple[Asset, ...]:
    """Possible collateral, in the order of the assets: collateral tokens, and what departing cash tokens become."""
    return tuple(
        asset.as_collateral if asset.has_depeg_guard else asset
        for asset in assets
        if asset.has_depeg_guard or not asset.is_cash
    )


def check_assets(assets: Iterable[Asset], cash_groups: Sequence[CashGroup], feeds: Iterable[Feed]) -> None:
    """Check ids (from 1, strictly rising), one entry per (chain, token), references and ranges.

    Raises LocalFault OUT_OF_RANGE naming the asset and the field.
    """
    listed = tuple(assets)
    if len(listed) > ASSETS_MAX:
        raise LocalFault(BaseCode.OUT_OF_RANGE, "assets", count=len(listed), limit=ASSETS_MAX)
    groups = {group.id for group in cash_groups}
    known = {feed.id for feed in feeds}
    for group in cash_groups:
        for field, value, ok in check_group(group.skew, group.interest, group.call):
            if not ok:
                raise LocalFault(BaseCode.OUT_OF_RANGE, f"cash_groups.{group.name}.{field}", value=value)
    if any(a.id >= b.id for a, b in pairwise(listed)) or len({(a.chain_id, a.token) for a in listed}) != len(listed):
        raise LocalFault(BaseCode.OUT_OF_RANGE, "assets", why="ids must rise and each (chain, token) be listed once")
    for asset in listed:
        checks = (
            ("id", asset.id, asset.id >= 1),
            ("token_decimals", asset.token_decimals, asset.token_decimals <= 36),
            ("unit_decimals", asset.unit_decimals, asset.unit_decimals <= asset.token_decimals),
            ("unit_decimals", asset.unit_decimals, asset.token_decimals <= asset.unit_decimals + DUST_DECIMALS_MAX),
            ("unit_decimals", asset.unit_decimals, not asset.is_cash or asset.unit_decimals == CASH_UNIT_DECIMALS),
            ("cash_group", asset.cash_group, not asset.is_cash or asset.cash_group in groups),
            ("feed", asset.feed, asset.feed == 0 if asset.is_cash else asset.feed in known),
            ("haircut_ppm", asset.haircut_ppm, asset.haircut_ppm == 0 if asset.is_cash else asset.haircut_ppm <= PPM),
            ("cap_units", asset.cap_units, asset.is_cash or asset.cap_units <= TOKEN_UNITS_MAX),
            *_check_asset_terms(asset, known),
        )
        for field, value, ok in checks:
            if not ok:
                raise LocalFault(BaseCode.OUT_OF_RANGE, f"assets.{asset.name}.{field}", value=value)


def _check_asset_terms(asset: Asset, feeds: set[int]) -> Iterator[Check]:
    """Range checks of the terms that change an asset's value or let it leave its group."""
    yields, depeg = asset.yields, asset.depeg
    yield "feed_tokens", asset.feed_tokens, 1 <= asset.feed_tokens <= 10**9
    yield "rate_ticks", asset.rate_ticks, asset.rate_ticks == 0
    yield "balances.bits", asset.balances.bits, 1 <= asset.balances.bits <= 256
    unknown_is_empty = asset.balances.is_known or asset.balances == BalanceLocation()
    yield "balances.order", int(asset.balances.order), unknown_is_empty
    yield "soft_credit_ppm", asset.soft_credit_ppm, asset.soft_credit_ppm <= PPM
    yield "yields.feed", yields.feed, yields.feed == 0 or (yields.feed in feeds and not asset.is_cash)
    yield "depeg.feed", depeg.feed, depeg.feed == 0 or (depeg.feed in feeds and asset.is_cash)
    yield "scenarios.group", asset.scenarios.group, not asset.scenarios.group or not asset.is_cash
    parts = (
        ("haircut", check_haircut(asset.haircut)),
        ("yields", check_yield(yields)),
        ("depeg", check_depeg(depeg)),
        ("scenarios", check_scenarios(asset.scenarios)),
    )
    for name, checks in parts:
        yield from ((f"{name}.{field}", value, ok) for field, value, ok in checks)
    if asset.has_depeg_guard:
        yield "depeg.unit_decimals", depeg.unit_decimals, depeg.unit_decimals <= asset.unit_decimals
        dust = asset.token_decimals - depeg.unit_decimals
        yield "depeg.unit_decimals", depeg.unit_decimals, dust <= DUST_DECIMALS_MAX
        coarse = depeg.unit_decimals > asset.unit_decimals or asset.as_collateral.cap_units <= TOKEN_UNITS_MAX
        yield "cap_units", asset.cap_units, coarse
