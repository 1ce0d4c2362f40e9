"""What is held: feeds, settlement cash groups, and the tokens behind both cash and collateral.

Rule: an asset is one token on one chain; its clearing unit is a power of ten of token base units, and conversion into
clearing units rounds down, the dust staying on chain. It must not know balances.
"""

from collections.abc import Iterable
from itertools import pairwise

from clearing.base.codec import U8, U32, U63, Bytes20, Wire
from clearing.base.errors import BaseCode, LocalFault
from clearing.base.units import MICROS_PER_TICK, mul_div_down

PPM = 1_000_000
CASH_UNIT_DECIMALS = 6
"""One clearing unit of a cash asset is one micro of the settlement unit."""

TOKEN_UNITS_MAX = 2**56 - 1
"""Largest holding of one token, in clearing units: the range of a TOKEN slot."""


class Feed(Wire, frozen=True):
    """An oracle feed: the index of one underlying, in ticks."""

    id: U32
    name: str


class CashGroup(Wire, frozen=True):
    """Tokens that governance declares interchangeable as settlement cash."""

    id: U32
    name: str


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
    """How much of it, over all accounts, is taken."""

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

    def unit_value(self, index_ticks: int) -> int:
        """Micros that one clearing unit counts for as collateral: price less haircut, rounded down."""
        return mul_div_down(index_ticks * MICROS_PER_TICK, PPM - self.haircut_ppm, PPM * 10**self.unit_decimals)


def check_assets(assets: Iterable[Asset], cash_groups: Iterable[CashGroup], feeds: Iterable[Feed]) -> None:
    """Check ids (from 1, strictly rising), one entry per (chain, token), references and ranges.

    Raises LocalFault OUT_OF_RANGE naming the asset and the field.
    """
    listed = tuple(assets)
    groups = {group.id for group in cash_groups}
    known = {feed.id for feed in feeds}
    if any(a.id >= b.id for a, b in pairwise(listed)) or len({(a.chain_id, a.token) for a in listed}) != len(listed):
        raise LocalFault(BaseCode.OUT_OF_RANGE, "assets", why="ids must rise and each (chain, token) be listed once")
    for each in listed:
        checks = (
            ("id", each.id, each.id >= 1),
            ("token_decimals", each.token_decimals, each.token_decimals <= 36),
            ("unit_decimals", each.unit_decimals, each.unit_decimals <= each.token_decimals),
            ("unit_decimals", each.unit_decimals, not each.is_cash or each.unit_decimals == CASH_UNIT_DECIMALS),
            ("cash_group", each.cash_group, not each.is_cash or each.cash_group in groups),
            ("feed", each.feed, each.feed == 0 if each.is_cash else each.feed in known),
            ("haircut_ppm", each.haircut_ppm, each.haircut_ppm == 0 if each.is_cash else each.haircut_ppm <= PPM),
            ("cap_units", each.cap_units, each.is_cash or each.cap_units <= TOKEN_UNITS_MAX),
        )
        for field, value, ok in checks:
            if not ok:
                raise LocalFault(BaseCode.OUT_OF_RANGE, f"assets.{each.name}.{field}", value=value)
