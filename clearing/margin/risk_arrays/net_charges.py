"""Charges on a risk group's net amounts as rows of coefficients: basis between expiries, net delta, net vega.

Rule: a charge is the largest of 0 and sum(coefficient * lots) - intercept over its rows; the engine takes that maximum
and the proof states the same rows. Deltas and vegas are differences of the risk array's own values in the scenarios of
`SENSITIVITY_GRID`, so whatever values options values them here, too: there is no second formula. How many rows there
are follows from the parameters alone. Coefficients round away from zero, at most one micro a lot. Collateral has no
part in the nets. This module must not know accounts.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import msgspec

from clearing.base.errors import Bug
from clearing.base.units import PPM
from clearing.margin.risk_arrays.charge_rates import impact_lines
from clearing.schema.risk.charges import Lines, rate_micros
from clearing.schema.risk.group_charges import NO_GROUP_CHARGES, BasisMove, NetCharge
from clearing.schema.risk.history import HistoricalRequirement
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters, Scenario
from clearing.schema.terms.instruments import Instrument

NANO = 10**9
"""Slopes of lines are in 10^-9 of the amount, intercepts in 10^-9 of a micro."""
COEFFICIENT_LIMIT = 2**62

SENSITIVITY_GRID = (
    Scenario(1, 100, 0, of_index=True),
    Scenario(-1, 100, 0, of_index=True),
    Scenario(1, 1, 0, of_index=True),
    Scenario(0, 1, 1),
    Scenario(0, 1, -1),
)
"""The index a hundredth up and down, then up by its whole, then the group's volatility range up and down."""
UP, DOWN, WHOLE, MORE_VOLATILE, LESS_VOLATILE = range(1, 6)
_HALF_OF_HUNDRED = 50


class Sensitivity(NamedTuple):
    """What one lot gains, in micros."""

    delta: int
    """For a rise of the index by its whole, at today's slope."""
    vega: int
    """For a rise of volatility by the group's range; the mean of a rise and a fall, rounded up."""


@dataclass(frozen=True, slots=True)
class ChargeRows:
    """One charge of one group."""

    name: str
    """basis, delta or vega."""
    group: int
    """The group's number, in the order of the groups."""
    members: tuple[int, ...]
    """Indices of the group's instruments, rising."""
    rows: tuple[tuple[tuple[int, ...], int], ...]
    """(micros a lot of each member, intercept in micros >= 0)."""

    def at(self, positions: Sequence[int]) -> int:
        """The charge for lots [m] of all instruments, in micros."""
        own = [positions[member] for member in self.members]
        if not any(own):
            return 0
        sums = (sum(a * q for a, q in zip(row, own, strict=True)) - intercept for row, intercept in self.rows)
        return max(0, *sums)


def sensitivity_parameters(parameters: RiskParameters) -> RiskParameters:
    """The same groups under `SENSITIVITY_GRID`, and no other rule."""
    groups = tuple(
        msgspec.structs.replace(group, scenarios=(), charges=NO_GROUP_CHARGES) for group in parameters.groups
    )
    return msgspec.structs.replace(
        parameters,
        groups=groups,
        scenarios=SENSITIVITY_GRID,
        joint=JointCredit(),
        stress=(),
        default_fund_micros=0,
        history=HistoricalRequirement(),
    )


def charges_of(group: RiskGroup) -> Iterator[tuple[str, tuple[BasisMove, ...] | Lines]]:
    """The charges of a group that are on, in order: name, and moves or lines over |net amount|."""
    if group.charges.basis:
        yield "basis", group.charges.basis
    for name, charge in (("delta", group.charges.delta), ("vega", group.charges.vega)):
        lines = net_lines(charge)
        if lines.lines:
            yield name, lines


@lru_cache(maxsize=1024)
def net_lines(charge: NetCharge) -> Lines:
    """The charge as lines: slopes in 10^-9 of the amount, intercepts in 10^-9 of a micro."""
    rate, impact = rate_micros(NANO, charge.rate_ppm), impact_lines(charge.as_lots, NANO)
    if not impact.lines:
        return Lines(((rate, 0),)) if rate else impact
    return Lines(tuple((rate + slope, intercept) for slope, intercept in impact.lines))


def row_count(group: RiskGroup) -> int:
    """How many rows the group's charges have: two for each move and each line."""
    return sum(2 * len(of.lines if isinstance(of, Lines) else of) for _, of in charges_of(group))


def steepest_slope(group: RiskGroup) -> int:
    """The largest slope of the group's charges, in 10^-9 of an amount that is at most a lot's notional."""
    of_lines = (line[0] for _, of in charges_of(group) if isinstance(of, Lines) for line in of.lines)
    return max(NANO if group.charges.basis else 0, *of_lines, 0)


def sensitivity(instrument: Instrument, values: Sequence[int]) -> Sensitivity:
    """Of one lot, from its `values` [1 + 5] in the base and in `SENSITIVITY_GRID`.

    A marked instrument's delta is exact. An option's is fifty times the difference over two hundredths, so it is smooth
    near expiry.
    """
    if not instrument.is_option:
        return Sensitivity(values[WHOLE] - values[0], 0)
    vega = -(-(values[MORE_VOLATILE] - values[LESS_VOLATILE]) // 2)
    return Sensitivity(_HALF_OF_HUNDRED * (values[UP] - values[DOWN]), vega)


def charge_rows(
    groups: Sequence[RiskGroup],
    instruments: Sequence[Instrument],
    values: Sequence[Sequence[int]],
    times: Sequence[int],
    known: Sequence[ChargeRows] = (),
    moved: Collection[int] | None = None,
) -> tuple[ChargeRows, ...]:
    """All charges, by group. `values` [m][1 + 5] as in `sensitivity`, `times` [m] the time each is valued at.

    With the numbers of the groups that `moved`, the charges of others are those `known`. Raises Bug when a coefficient
    reaches 2^62.
    """
    found: list[ChargeRows] = []
    for number, group in enumerate(groups):
        if moved is not None and number not in moved:
            found += (charge for charge in known if charge.group == number)
            continue
        members = tuple(at for at, instrument in enumerate(instruments) if instrument.group == group.id)
        charged = list(charges_of(group))
        lots = [sensitivity(instruments[at], values[at]) for at in members] if charged else []
        for name, of in charged:
            if isinstance(of, Lines):
                amounts = [lot.delta if name == "delta" else lot.vega for lot in lots]
                rows = [([scaled(amount, slope, NANO) for amount in amounts], down) for slope, down in of.lines]
            else:
                shifts = [[_shift(move, instruments[at], times[at]) for at in members] for move in of]
                rows = [
                    ([scaled(lot.delta, shift, PPM) for lot, shift in zip(lots, own, strict=True)], 0) for own in shifts
                ]
            found.append(ChargeRows(name, number, members, tuple(_both_directions(rows))))
    return tuple(found)


def scaled(amount: int, factor: int, whole: int) -> int:
    """amount * factor / whole, rounded away from zero."""
    product = amount * factor
    return -(-product // whole) if product >= 0 else product // whole


def _shift(move: BasisMove, instrument: Instrument, time_ms: int) -> int:
    return move.shift_ppm(instrument.expiry_ms - time_ms) if instrument.expiry_ms else move.perpetual_ppm


def _both_directions(rows: Sequence[tuple[list[int], int]]) -> Iterator[tuple[tuple[int, ...], int]]:
    for coefficients, intercept in rows:
        if max(map(abs, coefficients), default=0) >= COEFFICIENT_LIMIT:
            raise Bug(f"a coefficient of a group's charge reaches 2^62: {coefficients}")
        yield tuple(coefficients), intercept // NANO
        yield tuple(-coefficient for coefficient in coefficients), intercept // NANO
