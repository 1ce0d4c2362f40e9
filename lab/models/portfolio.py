"""What a risk model is evaluated on: a market, its instruments, and accounts with positions in them.

Rule: data only, in the settlement unit and in whole contracts; nothing is in ticks, lots or micros here. A size is
signed, positive is long. It must not know any risk model.
"""

from typing import Annotated, Literal

import msgspec

from clearing.base.codec import U63, Wire
from lab.models.numbers import Number

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
ContractKind = Literal["perpetual", "future", "call", "put", "forward", "spot"]
PREMIUM_PAID: tuple[str, ...] = ("call", "put", "spot")
"""Kinds whose position itself is worth something, because the price was paid; all others are marked to market."""
YEAR_SECONDS = 365 * 86_400


class PortfolioSmile(Wire, frozen=True):
    """Volatilities of one expiry."""

    seconds_to_expiry: U63
    level: Number
    """At the forward."""
    skew: Number = 0
    """Added per unit of ln(strike/forward)."""
    curvature: Number = 0
    """Added per unit of ln(strike/forward) squared."""


class Group(Wire, frozen=True):
    """A risk group: everything on one underlying."""

    id: Name
    price: Number | None = None
    """The index. Required where an instrument of the group is priced by it."""
    rate: Number = 0
    """Annual rate: a dated instrument's forward is price * (1 + rate * years), its discount 1/(1 + rate * years)."""
    volatility: Number | None = None
    """Annualised, 1 is 100 %; of options without a volatility of their own or from the smiles."""
    smiles: tuple[PortfolioSmile, ...] = ()
    """By rising expiry; between two expiries the total variance is interpolated, beyond them the volatility is kept."""


class Contract(Wire, frozen=True):
    """One instrument."""

    id: Name
    kind: ContractKind
    group: Name
    multiplier: Number = 1
    """What a price of 1 is worth for a size of 1."""
    seconds_to_expiry: U63 | None = None
    """Required of an option that is priced, and of a dated future or forward whose carry or tier follows from it."""
    strike: Number = 0
    mark: Number | None = None
    """The mark, where it is not the price, the forward or the option's value; it moves in proportion to the price."""
    forward: Number | None = None
    """Instead of the group's price and rate."""
    discount: Number | None = None
    """Instead of the group's rate."""
    volatility: Number | None = None
    """Instead of the group's. Required of an option that is priced, where the group states neither it nor smiles."""
    delta: Number | None = None
    """Of a size of 1, for spreads; default: 1 times the multiplier, for options Black-76's."""
    tier: str = ""
    """Which tier of calendar spreads it belongs to; default: its seconds to expiry."""
    scanning: tuple[Number, ...] = ()
    """A given scanning array: what a size of +1 gains in each scenario, multiplier included; a loss is negative."""
    scanning_tells: Literal["gain", "loss"] = "gain"
    """`loss` where the numbers of `scanning` are losses, gains being negative."""
    open_interest: Number = 0
    """Of the market, as notional."""
    exit_long: Number | None = None
    """The price at which the whole long position could be sold now."""
    exit_short: Number | None = None
    """The price at which the whole short position could be bought back now."""

    @property
    def seconds(self) -> int:
        """Seconds to expiry; 0 where none is stated."""
        return self.seconds_to_expiry or 0


class HaircutComponent(Wire, frozen=True):
    """One reason for a haircut."""

    name: Name
    """Volatility, liquidity, finality, oracle confidence, outage..."""
    fraction: Number
    level: str = ""
    """The margin level that it applies to; default: all."""


class Tier(Wire, frozen=True):
    """A further haircut on the part of a holding above an amount."""

    above: Number
    fraction: Number


class Collateral(Wire, frozen=True):
    """A token taken as collateral."""

    id: Name
    price: Number
    """Of one share times `rate`."""
    rate: Number = 1
    """What a share of a yield-bearing token is worth in the token beneath."""
    rate_haircut: Number = 0
    haircuts: tuple[HaircutComponent, ...] = ()
    """They are added up, to 1 at most."""
    concentration: tuple[Tier, ...] = ()
    """By rising amount; each applies above its amount, up to the next, beside the other haircuts."""
    cap: Number | None = None
    """No more of it counts."""
    group: str = ""
    """The group with whose price it moves, when a liquidation price is searched."""


class Holding(Wire, frozen=True):
    """An amount of a collateral token."""

    collateral: Name
    amount: Number


class PortfolioPosition(Wire, frozen=True):
    """A position."""

    instrument: Name
    size: Number
    entry: Number | None = None
    """Price from which gains are not paid yet. Default: the mark, so that nothing is unpaid; an option without one
    counts with its whole value (its premium was paid), with one only with its gain (premium paid like a future's)."""
    funding: Number = 0
    """Funding that is due and unpaid, positive if the account is given it."""


class OpenOrder(Wire, frozen=True):
    """An order that may still trade."""

    instrument: Name
    side: Literal["buy", "sell"]
    size: Number
    price: Number | None = None


class GivenRisk(Wire, frozen=True):
    """The state of one group, where the file states it instead of the positions."""

    group: Name
    scan: Number = 0
    """Scan risk."""
    price_risk: Number | None = None
    """The part of it that a price move makes, for credits between groups; default: all of it."""
    delta: Number = 0
    """Net delta."""
    calendar_spreads: Number = 0
    """How many calendar spreads the positions form."""
    short_options: Number = 0


class PortfolioAccount(Wire, frozen=True):
    """One margin account."""

    id: Name
    cash: Number = 0
    collateral: tuple[Holding, ...] = ()
    positions: tuple[PortfolioPosition, ...] = ()
    orders: tuple[OpenOrder, ...] = ()
    given: tuple[GivenRisk, ...] = ()


class Portfolio(Wire, frozen=True):
    """A market and accounts in it."""

    groups: tuple[Group, ...] = ()
    instruments: tuple[Contract, ...] = ()
    collateral: tuple[Collateral, ...] = ()
    accounts: tuple[PortfolioAccount, ...] = ()
