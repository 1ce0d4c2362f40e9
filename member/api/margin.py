"""An account's margin, term by term, and the body of a simulation.

Rule: as `member.api.types`; amounts here may have any number of digits. Lists in bodies are short.
"""

from typing import Annotated, Literal

from msgspec import Meta

from member.api.types import Amount, Body, Decimal, Id, Natural, SmallId

SHOCKS_MAX = 64
MOVE_PPM_MIN, MOVE_PPM_MAX = -999_999, 100_000_000
POINTS_PPM_MAX = 100_000_000
MovePpm = Annotated[int, Meta(ge=MOVE_PPM_MIN, le=MOVE_PPM_MAX)]
Shocks = Meta(max_length=SHOCKS_MAX)


class PartView(Body, frozen=True):
    """A part of a term, by position."""

    name: str
    of: str
    amount_micros: Amount
    inputs: dict[str, str]
    source: str
    rounding: str


class ScenarioLossView(Body, frozen=True):
    """What one scenario of a risk group costs the account; a gain is negative."""

    number: int
    """Its place in the group's grid, from 1."""
    move: str
    """A fraction, such as `-1/3`."""
    of: Literal["index", "range"]
    """What the move is a fraction of."""
    volatility_direction: int
    weight_ppm: int
    amount_micros: Amount


class TermView(Body, frozen=True):
    """One term: what it is of, its amount, and the inputs, price source and rounding that made it."""

    name: str
    of: str
    amount_micros: Amount
    inputs: dict[str, str]
    source: str
    rounding: str
    parts: tuple[PartView, ...] = ()
    scenarios: tuple[ScenarioLossView, ...] = ()
    """Of a `group_loss`: every scenario of the grid. The term is the largest of them, and at least 0."""


class LiquidationPriceView(Body, frozen=True):
    """The nearest index at which the account would be liquidated while all else stands; null where there is none."""

    feed: int
    name: str
    index_ticks: Natural
    below_ticks: Natural | None
    above_ticks: Natural | None


class GreeksView(Body, frozen=True):
    """How the positions' value in a risk group moves; collateral is not counted."""

    group: int
    name: str
    delta_nano: Amount
    """In 10^-9 of the underlying."""
    gamma_nano: Amount
    """Change of delta, in 10^-9 of the underlying, when the index rises by 1 %."""
    vega_micros: Amount
    """For one volatility point more."""
    theta_micros: Amount
    """For one day less."""


class ExpiryGreeksView(GreeksView, frozen=True):
    """The part of a group's greeks that expires at a time."""

    expiry_ms: Id
    """0: never."""


class MarginView(Body, frozen=True):
    """The margin of an account after the stated height, term by term."""

    account: int
    height: int
    time_ms: int
    arrays_time_ms: int
    """Block time as of which dated instruments are valued."""
    equity_micros: Amount
    initial_margin_micros: Amount
    maintenance_margin_micros: Amount
    initial_ok: bool
    maintenance_ok: bool
    equity: tuple[TermView, ...]
    """They sum to `equity_micros`."""
    requirement: tuple[TermView, ...]
    """They sum to `initial_margin_micros`."""
    maintenance_fraction: tuple[int, int]
    """Maintenance margin is this fraction of initial margin, rounded up."""
    liquidation: tuple[LiquidationPriceView, ...] = ()
    greeks: tuple[GreeksView, ...] = ()
    expiry_greeks: tuple[ExpiryGreeksView, ...] = ()
    """Of each expiry in which there is a position, by group; those of a group sum to it."""


class IndexShock(Body, frozen=True):
    """The index of a feed moves by so many millionths of it."""

    feed: SmallId
    move_ppm: MovePpm


class VolatilityShock(Body, frozen=True):
    """The volatility of a risk group moves by points: 10000 is one per cent."""

    group: SmallId
    points_ppm: Annotated[int, Meta(ge=-POINTS_PPM_MAX, le=POINTS_PPM_MAX)]


class TradeShock(Body, frozen=True):
    """Lots are added, negative to sell; at the mark unless a price is given."""

    instrument: SmallId
    lots: Decimal
    price_ticks: Natural | None = None


class CashShock(Body, frozen=True):
    """Cash is deposited, negative to withdraw."""

    cash_group: SmallId
    amount_micros: Decimal


class TokenShock(Body, frozen=True):
    """Tokens are deposited, negative to withdraw; in clearing units."""

    asset: SmallId
    amount_units: Decimal


class SimulateBody(Body, frozen=True):
    """What to change: first deposits, then trades, then prices. Each feed, group and asset at most once."""

    index: Annotated[tuple[IndexShock, ...], Shocks] = ()
    volatility: Annotated[tuple[VolatilityShock, ...], Shocks] = ()
    trades: Annotated[tuple[TradeShock, ...], Shocks] = ()
    cash: Annotated[tuple[CashShock, ...], Shocks] = ()
    tokens: Annotated[tuple[TokenShock, ...], Shocks] = ()


class SimulationView(Body, frozen=True):
    """The margin as it is, and after the shock."""

    before: MarginView
    after: MarginView
