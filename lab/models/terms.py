"""`RiskModel`: a requirement as a list of terms, each of a kind, with numbers in it and nothing else.

Rule: frozen data with one canonical encoding; the meaning of a kind is in the module that evaluates it. Every term
gives an amount; a level of margin is the weighted sum of the terms, or a multiple of another level. Credits are
negative. It must not know accounts or prices.
"""

from typing import Literal, TypeAlias

import msgspec

from clearing.base.codec import U8, U32, Wire
from lab.models.net_terms import BasisCharge, NetCharge, NetRows
from lab.models.numbers import Number, Rounding
from lab.models.portfolio import Name
from lab.models.scan_terms import EVERYTHING, LevelWeights, Reference, Scan, Selection
from lab.models.sensitivity_terms import Sensitivities


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
    weights: LevelWeights = ()
    fraction_decimals: U8 | None = None
    """Decimals of the fraction as open interest raised it, rounded down: 6 where a venue counts in parts per million.
    Default: exact."""


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
    weights: LevelWeights = ()


class OptionFormula(Wire, frozen=True, tag_field="kind", tag="option_formula"):
    """Short options without scenarios: max(upper * price - what it is out of the money, lower * price) a contract.

    With `value_share` it is at least that share of the option's mark.

    The option's own value is in equity already. Long options, whose premium was paid, cost nothing.
    """

    name: Name
    upper: Number
    lower: Number
    """For calls; a fraction of the price."""
    lower_put: Number | None = None
    """Default: as for calls."""
    select: Selection = EVERYTHING
    decimals: U8 = 6
    rounding: Rounding = "exact"
    weights: LevelWeights = ()
    value_share: Number = 0
    """At least this share of the option's mark."""


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
    weights: LevelWeights = ()


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
    weights: LevelWeights = ()


class SpreadLeg(Wire, frozen=True):
    """One side of a spread: so many deltas of a tier or of a group."""

    of: Reference
    side: Literal["A", "B"]
    """Legs of different sides need deltas of opposite signs."""
    delta: Number = 1


class Calendar(Wire, frozen=True, tag_field="kind", tag="calendar"):
    """A charge for spreads between expiries of one group, whose full offset the scan assumed.

    Without legs, all long deltas are spread against all short ones of other tiers, the nearest first. Deltas that back
    the spreads of an earlier calendar of the group, at a level with this one, are used up.
    """

    name: Name
    group: Name
    charge: Number
    """Per spread."""
    legs: tuple[SpreadLeg, ...] = ()
    weights: LevelWeights = ()


class SpreadCreditTerm(Wire, frozen=True):
    """One spread between groups."""

    legs: tuple[SpreadLeg, ...]
    rate: Number
    """The fraction of both legs' price risk that is given back."""


class GroupCredit(Wire, frozen=True, tag_field="kind", tag="group_credit"):
    """Spreads between groups, each formed from the deltas that earlier ones left; their credit is negative.

    Earlier ones are those before it here, and in earlier such terms that count at a level with this one.
    """

    name: Name
    spreads: tuple[SpreadCreditTerm, ...]
    scan: Reference = ""
    """The scan that gives each group's price risk; default: the first."""
    price_risk: Literal["scan", "span"] = "scan"
    """The scan risk itself, or SPAN's: averaged over both volatilities and less the time risk of scenarios 1 and 2."""
    weights: LevelWeights = ()


class InstrumentCharge(Wire, frozen=True):
    """A charge for one instrument."""

    instrument: Name
    charge: Number


class MinimumTerm(Wire, frozen=True, tag_field="kind", tag="minimum"):
    """What other terms require of a group is at least a charge per short option; the amount is the shortfall."""

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
    weights: LevelWeights = ()


class JointScenarioTerm(Wire, frozen=True):
    """What happens to all groups at once."""

    columns: tuple[U32, ...]
    """Which scenario of the scan each group is in, in the portfolio's order of groups; 0 is no move."""
    count: U32 = 1
    """How often it is in the sample."""


class JointCreditTerm(Wire, frozen=True, tag_field="kind", tag="joint_credit"):
    """Credit between groups out of joint scenarios.

    Of what the terms in `over` sum up to, `weight` is replaced by the expected shortfall over the joint scenarios.
    """

    name: Name
    scenarios: tuple[JointScenarioTerm, ...]
    tail: U32
    """The expected shortfall is the mean of so many worst joint losses."""
    over: tuple[Name, ...]
    """A scan, whose losses are joined, and what else is required of groups."""
    floor: Reference = ""
    """A minimum whose charges the joint loss is no less than."""
    keep_largest: bool = True
    """Whether the joint loss is no less than what the terms require of the largest group. Without it an account in one
    group gets a credit between groups: an average of the worst losses is below the worst."""
    weight: Number = "0.8"
    decimals: U8 = 6
    rounding: Rounding = "exact"
    """Of the expected shortfall, and of what is required after the credit."""
    weights: LevelWeights = ()
    required: bool = False
    """Whether no less than the expected shortfall is required, even above what the terms in `over` require: moves of
    history may go beyond the scan. The credit is then negative."""


class CollateralCharge(Wire, frozen=True, tag_field="kind", tag="collateral_charge"):
    """The largest of several lines in the account's amount of one collateral token, at least 0: concentration."""

    name: Name
    collateral: Name
    secants: tuple[Secant, ...]
    weights: LevelWeights = ()


class AmountTerm(Wire, frozen=True, tag_field="kind", tag="amount"):
    """A fixed amount for every account."""

    name: Name
    amount: Number
    weights: LevelWeights = ()


class Alternative(Wire, frozen=True):
    """What may be required instead."""

    terms: tuple[Name, ...]
    """Earlier terms that require something of groups; their sum."""


class LesserTerm(Wire, frozen=True, tag_field="kind", tag="lesser"):
    """In each group the least of several requirements: the largest possible loss against a plain charge, for example.

    The terms of its alternatives count through it only.
    """

    name: Name
    alternatives: tuple[Alternative, ...]
    weights: LevelWeights = ()


Term: TypeAlias = (
    Scan
    | MarginFraction
    | Slippage
    | OptionFormula
    | PerSize
    | Convex
    | Calendar
    | GroupCredit
    | MinimumTerm
    | JointCreditTerm
    | CollateralCharge
    | AmountTerm
    | LesserTerm
    | Sensitivities
    | NetCharge
    | BasisCharge
    | NetRows
)


class MarginLevel(Wire, frozen=True):
    """A level of margin: the weighted sum of the terms, or a multiple of another level as it was rounded."""

    name: Name
    base: Reference = ""
    factor: Number = 1
    decimals: U8 = 6
    rounding: Rounding = "up"


class RiskModel(Wire, frozen=True):
    """A requirement as data."""

    terms: tuple[Term, ...]
    levels: tuple[MarginLevel, ...]
    """A level's base comes before it."""
    option_decimals: U8 = 18
    """Decimals of an option's value, half to even: Black-76 gives a float, everything after is exact."""
    collateral_decimals: U8 = 6
    """Decimals of the value of collateral, rounded down."""
    name: Reference = ""


def without_roundings(model: RiskModel) -> RiskModel:
    """The model with every rounding of an amount off."""
    terms = tuple(
        msgspec.structs.replace(term, rounding="exact") if hasattr(term, "rounding") else term for term in model.terms
    )
    levels = tuple(msgspec.structs.replace(level, rounding="exact") for level in model.levels)
    return msgspec.structs.replace(model, terms=terms, levels=levels)
