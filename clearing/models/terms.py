"""`RiskModel`: a requirement as a list of terms, each of a kind, with numbers in it and nothing else.

Rule: frozen data with one canonical encoding; the meaning of a kind is in the module that evaluates it. Every term
gives an amount; a level of margin is the weighted sum of the terms, or a multiple of another level. Credits are
negative. It must not know accounts or prices.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from clearing.base.codec import U8, U32, Wire
from clearing.models.numbers import Number, Rounding
from clearing.models.portfolio import Kind, Name

Reference = Annotated[str, msgspec.Meta(max_length=64)]


class LevelWeight(Wire, frozen=True):
    """How much of a term counts at a level."""

    level: Name
    weight: Number


Weights: TypeAlias = tuple[LevelWeight, ...]


class Selection(Wire, frozen=True):
    """Which positions a term is about; an empty list means all."""

    groups: tuple[Name, ...] = ()
    kinds: tuple[Kind, ...] = ()
    instruments: tuple[Name, ...] = ()


EVERYTHING = Selection()


class GridPoint(Wire, frozen=True):
    """One scenario."""

    price: Number
    """The move, in ranges: with a range of 1 a fraction of the price."""
    volatility: Number = 0
    """In volatility ranges: 1 is up, -1 is down."""
    weight: Number = 1
    """The fraction of the gain or loss that counts: extreme moves count in part."""
    skew: Literal["none", "linear", "absolute"] = "none"
    """Whether the smile is tilted (linear) or both its wings are lifted (absolute)."""


class Range(Wire, frozen=True):
    """How far a group is moved."""

    group: Reference = ""
    """Default: every group that has no range of its own."""
    price: Number = 1
    """What a move of 1 is, as a fraction of the price."""
    absolute: bool = False
    """Whether `price` is in the settlement unit instead."""
    volatility_up: Number = 0
    volatility_down: Number | None = None
    """Default: as up."""


class TermScaling(Wire, frozen=True):
    """Volatility ranges are multiplied by (days / days to expiry)^power."""

    days: Number = 30
    short_power: Number = "0.3"
    """Up to so many days."""
    long_power: Number = "0.13"
    """Beyond."""
    days_min: Number = 1
    """Shorter expiries count as so many days."""


class SkewShock(Wire, frozen=True):
    """An option's volatility is multiplied by 1 + the lesser of cap and cap * ln(strike/forward) / width."""

    linear_cap: Number = 0
    absolute_cap: Number = 0
    width: Number = 1


class StaticDiscount(Wire, frozen=True):
    """The value of an expiry's options in a scenario is multiplied by base * exp(-years * rate)."""

    base: Number = 1
    rate: Number = 0
    short_base: Number = 1
    """The same, where the value is negative; then the rate adds."""
    short_rate: Number = 0


class Basis(Wire, frozen=True):
    """A further scenario: for each expiry the worse of two moves times (add + multiply * years), summed."""

    up: Number
    down: Number
    add: Number = 0
    multiply: Number = 0


class Scan(Wire, frozen=True, tag_field="kind", tag="scan"):
    """The worst loss over scenarios; gains and losses offset inside a group, and not between groups."""

    name: Name
    grid: Literal["points", "span16", "grid33"] = "points"
    """`span16`: SPAN's sixteen; `grid33`: see `points_of`; else the points listed."""
    points: tuple[GridPoint, ...] = ()
    ranges: tuple[Range, ...] = ()
    select: Selection = EVERYTHING
    offset: Literal["group", "instrument", "all"] = "group"
    """Inside what losses and gains offset."""
    volatility_moves: Literal["points", "relative"] = "points"
    """Whether a volatility range is added or multiplied on."""
    volatility_min: Number = 0
    """A volatility moved up is no lower."""
    term_scaling: TermScaling | None = None
    skew: SkewShock = SkewShock()
    skew_each_expiry_loses: bool = False
    """In a skew scenario every expiry's gain counts as a loss: whichever way the smile moves."""
    static_discount: StaticDiscount | None = None
    basis: Basis | None = None
    weights: Weights = ()


class OpenInterest(Wire, frozen=True):
    """From `lower` to `upper` open interest the fraction rises linearly to 1."""

    lower: Number
    upper: Number
    """0: the fraction does not rise."""


class MarginFraction(Wire, frozen=True, tag_field="kind", tag="fraction"):
    """A fraction of each position's notional."""

    name: Name
    fraction: Number
    select: Selection = EVERYTHING
    open_interest: OpenInterest | None = None
    with_orders: bool = False
    """Whether the size is the worse of the position with all its buy orders and with all its sell orders."""
    decimals: U8 = 6
    rounding: Rounding = "exact"
    """Of each position's amount."""
    weights: Weights = ()


class Slippage(Wire, frozen=True, tag_field="kind", tag="slippage"):
    """Cost of leaving the open position plus a risk factor on it and on the orders of the worse side.

    long: mark * (linear * v + quadratic * v^2 + factor * (v + buys)) with v the open long size; short likewise. With an
    exit price the slippage is at most v * |mark - exit|. The requirement is the larger of the two sides.
    """

    name: Name
    linear: Number = 0
    quadratic: Number = 0
    factor_long: Number = 0
    factor_short: Number = 0
    select: Selection = EVERYTHING
    auction: bool = False
    """In an auction orders count at their own price and exit prices are not used."""
    increment: Number = 0
    """Added per position: what may have to be paid for funding soon."""
    decimals: U8 = 6
    rounding: Rounding = "exact"
    weights: Weights = ()


class PerSize(Wire, frozen=True, tag_field="kind", tag="per_size"):
    """A charge on each unit of size: contingency, liquidity, concentration."""

    name: Name
    fraction: Number = 0
    """Of the price."""
    price: Literal["index", "mark", "strike"] = "index"
    amount: Number = 0
    """Per unit of size, besides."""
    count: Literal["gross", "long", "short", "naked_short"] = "gross"
    """`naked_short`: short options of an expiry and strike beyond the long ones."""
    select: Selection = EVERYTHING
    weights: Weights = ()


class Secant(Wire, frozen=True):
    """A line: slope * |size| + intercept."""

    slope: Number
    intercept: Number = 0


class Convex(Wire, frozen=True, tag_field="kind", tag="convex"):
    """Market impact: the largest of several lines in the size of each position, at least 0."""

    name: Name
    secants: tuple[Secant, ...]
    of: Literal["size", "notional"] = "size"
    select: Selection = EVERYTHING
    weights: Weights = ()


class SpreadLeg(Wire, frozen=True):
    """One side of a spread: so many deltas of a tier or of a group."""

    of: Reference
    side: Literal["A", "B"]
    """Legs of different sides need deltas of opposite signs."""
    delta: Number = 1


class Calendar(Wire, frozen=True, tag_field="kind", tag="calendar"):
    """A charge for spreads between expiries of one group, whose full offset the scan assumed.

    Without legs, all long deltas are spread against all short ones of other tiers.
    """

    name: Name
    group: Name
    charge: Number
    """Per spread."""
    legs: tuple[SpreadLeg, ...] = ()
    weights: Weights = ()


class Credit(Wire, frozen=True):
    """One spread between groups."""

    legs: tuple[SpreadLeg, ...]
    rate: Number
    """The fraction of both legs' price risk that is given back."""


class GroupCredit(Wire, frozen=True, tag_field="kind", tag="group_credit"):
    """Spreads between groups, each formed from the deltas that earlier ones left; their credit is negative."""

    name: Name
    spreads: tuple[Credit, ...]
    scan: Reference = ""
    """The scan that tells each group's price risk; default: the first."""
    price_risk: Literal["scan", "span"] = "scan"
    """The scan risk itself, or SPAN's: averaged over both volatilities and less the time risk of scenarios 1 and 2."""
    weights: Weights = ()


class InstrumentCharge(Wire, frozen=True):
    """A charge for one instrument."""

    instrument: Name
    charge: Number


class Minimum(Wire, frozen=True, tag_field="kind", tag="minimum"):
    """What other terms require of a group is at least a charge per short option; the amount is what lacks."""

    name: Name
    over: tuple[Name, ...]
    """The terms whose sum in a group must reach the minimum."""
    charge: Number = 0
    """Per short option."""
    fraction: Number = 0
    """Per short option, of the price times the multiplier, besides."""
    charges: tuple[InstrumentCharge, ...] = ()
    """For these instruments, instead of both."""
    groups: tuple[Name, ...] = ()
    """Default: all."""
    weights: Weights = ()


class JointScenario(Wire, frozen=True):
    """What happens to all groups at once."""

    columns: tuple[U32, ...]
    """Which scenario of the scan each group is in, in the portfolio's order of groups; 0 is no move."""
    count: U32 = 1
    """How often it is in the sample."""


class JointCredit(Wire, frozen=True, tag_field="kind", tag="joint_credit"):
    """Credit between groups out of joint scenarios.

    Of what the terms in `over` sum up to, `weight` is replaced by the expected shortfall over the joint scenarios.
    """

    name: Name
    scenarios: tuple[JointScenario, ...]
    tail: U32
    """The expected shortfall is the mean of so many worst joint losses."""
    over: tuple[Name, ...]
    """A scan, whose losses are joined, and what else is required of groups."""
    floor: Reference = ""
    """A minimum whose charges the joint loss is no less than."""
    keep_largest: bool = False
    """Whether the joint loss is no less than what the terms require of the largest group."""
    weight: Number = "0.8"
    decimals: U8 = 6
    rounding: Rounding = "exact"
    """Of the expected shortfall, and of what is required after the credit."""
    weights: Weights = ()


class CollateralCharge(Wire, frozen=True, tag_field="kind", tag="collateral_charge"):
    """The largest of several lines in the amount held of one collateral token, at least 0: concentration."""

    name: Name
    collateral: Name
    secants: tuple[Secant, ...]
    weights: Weights = ()


class Amount(Wire, frozen=True, tag_field="kind", tag="amount"):
    """A fixed amount for every account."""

    name: Name
    amount: Number
    weights: Weights = ()


Term: TypeAlias = (
    Scan
    | MarginFraction
    | Slippage
    | PerSize
    | Convex
    | Calendar
    | GroupCredit
    | Minimum
    | JointCredit
    | CollateralCharge
    | Amount
)


class Level(Wire, frozen=True):
    """A level of margin: the weighted sum of the terms, or a multiple of another level as it was rounded."""

    name: Name
    base: Reference = ""
    factor: Number = 1
    decimals: U8 = 6
    rounding: Rounding = "up"


class RiskModel(Wire, frozen=True):
    """A requirement as data."""

    terms: tuple[Term, ...]
    levels: tuple[Level, ...]
    """A level's base comes before it."""
    option_decimals: U8 = 12
    """Decimals of an option's value, half to even: Black-76 gives a float, everything after is exact."""
    collateral_decimals: U8 = 6
    """Decimals of the value of collateral, rounded down."""
    name: Reference = ""


def points_of(scan: Scan) -> tuple[GridPoint, ...]:
    """The scenarios of a scan.

    `span16` is SPAN's order: 0, +1/3, -1/3, +2/3, -2/3, +1, -1 of the range, each with volatility up then down; then
    plus and minus twice the range of which 35 % counts. `grid33`: nine moves of 0, a quarter, half, three quarters and
    all of the range each way under volatility up, flat and down, then two tails each way at 5/3 and 7/3 of the range of
    which 60 % and 40 % count, then the two skews; all without a second base.
    """
    if scan.grid == "points":
        return scan.points
    if scan.grid == "span16":
        moves: tuple[Number, ...] = (0, "1/3", "-1/3", "2/3", "-2/3", 1, -1)
        sixteen = tuple(GridPoint(move, direction) for move in moves for direction in (1, -1))
        return (*sixteen, GridPoint(2, 0, "0.35"), GridPoint(-2, 0, "0.35"))
    quarters: tuple[Number, ...] = (-1, "-0.75", "-0.5", "-0.25", 0, "0.25", "0.5", "0.75", 1)
    grid = tuple(GridPoint(move, direction) for move in quarters for direction in (1, 0, -1))
    tails = tuple(GridPoint(move, 0, weight) for move, weight in _TAILS)
    return (*grid, *tails, GridPoint(0, 0, 1, "linear"), GridPoint(0, 0, 1, "absolute"))


_TAILS: tuple[tuple[Number, Number], ...] = (("-5/3", "0.6"), ("5/3", "0.6"), ("-7/3", "0.4"), ("7/3", "0.4"))
