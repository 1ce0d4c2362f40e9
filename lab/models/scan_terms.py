"""The scan term as data: grids, ranges and how volatility moves; and what all terms share.

Rule: data only; `lab.evaluation.scan` evaluates it.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from clearing.base.codec import U32, Wire
from lab.models.numbers import Number
from lab.models.portfolio import Contract, ContractKind, Name

Reference = Annotated[str, msgspec.Meta(max_length=64)]


class LevelWeight(Wire, frozen=True):
    """How much of a term counts at a level."""

    level: Name
    """One without a base: a multiple of another level weighs no terms."""
    weight: Number


LevelWeights: TypeAlias = tuple[LevelWeight, ...]


class Selection(Wire, frozen=True):
    """Which positions a term is about; an empty list means all."""

    groups: tuple[Name, ...] = ()
    kinds: tuple[ContractKind, ...] = ()
    instruments: tuple[Name, ...] = ()

    def has(self, contract: Contract) -> bool:
        """Whether an instrument is selected."""
        return (
            (not self.groups or contract.group in self.groups)
            and (not self.kinds or contract.kind in self.kinds)
            and (not self.instruments or contract.id in self.instruments)
        )


EVERYTHING = Selection()


class GridPoint(Wire, frozen=True):
    """One scenario."""

    price: Number
    """The move, in ranges: with a range of 1 a fraction of the price."""
    volatility: Number = 0
    """In volatility ranges: 1 is up, -1 is down."""
    weight: Number = 1
    """The multiple of the gain or loss that counts, up to 10: extreme moves count in part."""
    skew: Literal["none", "linear", "linear_down", "absolute", "absolute_down"] = "none"
    """Whether the smile is tilted (linear: higher strikes get more) or both its wings are lifted (absolute)."""
    of_price: bool = False
    """Whether the move is a fraction of the price itself: such tails do not widen with the range."""


class LogNormal(Wire, frozen=True):
    """A move of k multiplies the price by exp(k * volatility * sqrt(days / 365))."""

    volatility: Number
    """Annual; 1 is 100 %."""
    days: Number


class ScanRange(Wire, frozen=True):
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
    lognormal: LogNormal | None = None
    """Instead of `price`."""


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
    """An option's volatility is multiplied by 1 + the lesser of cap and cap * ln(strike/forward) / width.

    Each may grow with the root of the years to expiry: caps are sums, the width is the larger of both.
    """

    linear_cap: Number = 0
    absolute_cap: Number = 0
    width: Number = 1
    linear_cap_per_root_year: Number = 0
    absolute_cap_per_root_year: Number = 0
    width_per_root_year: Number = 0


class StaticDiscount(Wire, frozen=True):
    """The value of an expiry's options in a scenario is multiplied by base * exp(-years * rate)."""

    base: Number = 1
    rate: Number = 0
    short_base: Number = 1
    """The same, where the value is negative; then the rate adds."""
    short_rate: Number = 0
    short_up_to_forward: bool = False
    """Whether a negative value is multiplied by 1/discount at most."""


class BasisScenario(Wire, frozen=True):
    """A further scenario: for each expiry the worse of two moves times (add + multiply * years), summed."""

    up: Number
    down: Number
    add: Number = 0
    multiply: Number = 0


class Scan(Wire, frozen=True, tag_field="kind", tag="scan"):
    """The worst loss over scenarios; gains and losses offset inside a group, and not between groups."""

    name: Name
    grid: Literal["points", "span16", "grid33"] = "points"
    """`points`: those listed. `span16`: 0, +1/3, -1/3, +2/3, -2/3, +1, -1, each with volatility up then down; then +2
    and -2 of which 35 % counts. `grid33`: 0, +1/4, -1/4 and so on to +1, -1, each with volatility up, flat and down;
    then -66 % and +300 % of the price with volatility up, of which so much counts that the underlying loses 3.6 %; then
    the linear and the absolute skew, both ways. With a range of 18 % it is the network's own option grid."""
    points: tuple[GridPoint, ...] = ()
    ranges: tuple[ScanRange, ...] = ()
    select: Selection = EVERYTHING
    offset: Literal["group", "instrument", "all"] = "group"
    """Inside what losses and gains offset."""
    volatility_moves: Literal["points", "relative"] = "points"
    """Whether a volatility range is added or multiplied on."""
    volatility_min: Number = 0
    """A volatility moved up is no lower, before the skew."""
    term_scaling: TermScaling | None = None
    skew: SkewShock = SkewShock()
    skew_each_expiry_loses: bool = False
    """In a skew scenario every expiry's gain counts as a loss: whichever way the smile moves."""
    static_discount: StaticDiscount | None = None
    basis: BasisScenario | None = None
    weights: LevelWeights = ()
    orders: Literal["worst", "none"] = "worst"
    """`worst`: every scenario fills those open orders whose fill makes its loss larger. `none`: positions only."""
    joint_points: U32 = 0
    """So many points at the end have no part in the worst loss: joint terms name them, as moves of history."""


def grid_points(scan: Scan) -> tuple[GridPoint, ...]:
    """The scenarios of a scan, in their order; see `Scan.grid`. `span16` is in the published order of SPAN."""
    if scan.grid == "points":
        return scan.points
    if scan.grid == "span16":
        moves: tuple[Number, ...] = (0, "1/3", "-1/3", "2/3", "-2/3", 1, -1)
        sixteen = tuple(GridPoint(move, direction) for move in moves for direction in (1, -1))
        return (*sixteen, GridPoint(2, 0, "0.35"), GridPoint(-2, 0, "0.35"))
    quarters: tuple[Number, ...] = (0, "1/4", "-1/4", "2/4", "-2/4", "3/4", "-3/4", 1, -1)
    grid = tuple(GridPoint(move, direction) for move in quarters for direction in (1, 0, -1))
    tails = (GridPoint("-0.66", 1, "3/55", of_price=True), GridPoint(3, 1, "0.012", of_price=True))
    skews = tuple(GridPoint(0, skew=skew) for skew in _SKEWS)
    return (*grid, *tails, *skews)


_SKEWS: tuple[Literal["linear", "linear_down", "absolute", "absolute_down"], ...] = (
    "linear",
    "linear_down",
    "absolute",
    "absolute_down",
)
