"""Charges on what the positions of a group net to, as data: basis between expiries, delta and vega.

Rule: data only; `lab.evaluation.net_charges` evaluates them. Each is the largest of several sums that are linear in the
positions, so it is convex and can be stated as rows of the solvency proof.
"""

from typing import Literal

from clearing.base.codec import U63, Wire
from lab.models.numbers import Number
from lab.models.portfolio import Name
from lab.models.scan_terms import EVERYTHING, LevelWeights, Selection, TermScaling


class NetSecant(Wire, frozen=True):
    """A line over a net amount: slope * |net| + intercept."""

    slope: Number
    intercept: Number = 0


class NetCharge(Wire, frozen=True, tag_field="kind", tag="net_charge"):
    """In each group the largest of several lines over |net|, at least 0: half of a spread, market impact.

    `delta`: what a group's positions gain when the price rises by its whole, at today's deltas: a marked one its price,
    an option fifty times the difference between 1 % up and 1 % down. `vega`: what its options gain when volatility
    rises by `volatility_range`, half of the difference between a rise and a fall.
    """

    name: Name
    of: Literal["delta", "vega"]
    secants: tuple[NetSecant, ...]
    volatility_range: Number = 0
    """Of `vega`, in points or relative to each option's volatility."""
    volatility_moves: Literal["points", "relative"] = "points"
    term_scaling: TermScaling | None = None
    """Of the range, by time to expiry."""
    select: Selection = EVERYTHING
    weights: LevelWeights = ()


class BasisShift(Wire, frozen=True):
    """Where an expiry moves."""

    seconds_to_expiry: U63
    shift: Number
    """Fraction of the forward."""


class BasisMove(Wire, frozen=True):
    """One way in which expiries move apart."""

    points: tuple[BasisShift, ...]
    """By rising time to expiry. Between points the shift is linear; beyond them constant."""
    perpetual: Number = 0
    """Of perpetuals and spot."""


class BasisCharge(Wire, frozen=True, tag_field="kind", tag="basis_charge"):
    """In each group the loss in the worst of several moves of its expiries, in either direction: the sum of delta, as
    in `net_charge`, times shift."""

    name: Name
    moves: tuple[BasisMove, ...]
    select: Selection = EVERYTHING
    weights: LevelWeights = ()


class RowCoefficient(Wire, frozen=True):
    """An instrument's part in a row, for a size of 1."""

    instrument: Name
    coefficient: Number


class NetRow(Wire, frozen=True):
    """A sum of coefficient * size + intercept."""

    coefficients: tuple[RowCoefficient, ...]
    intercept: Number = 0


class NetRows(Wire, frozen=True, tag_field="kind", tag="net_rows"):
    """The largest of several given rows, at least 0: a charge on a net amount as a clearing house states it."""

    name: Name
    group: Name
    rows: tuple[NetRow, ...]
    weights: LevelWeights = ()


NET_TERMS = (NetCharge, BasisCharge, NetRows)
