"""Charge rates: every coefficient of the requirement besides the risk array, at the prices of one block.

Rule: derived from prices and parameters alone. The engine charges by them and the proof's rows are written from them,
so the two cannot differ. Market impact is a convex curve, P * q * (l * q / D + r * sqrt(q / D)) for q lots in a market
of depth D at notional P a lot with linear and root concessions l and r (Almgren et al. 2005), replaced by straight
lines on or above it, rounded up. The short-option minimum is a fraction of the lot's notional at the index. This module
must not know accounts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd, isqrt
from typing import TYPE_CHECKING, NamedTuple

from clearing.base.units import PPM, mul_div_up
from clearing.schema.risk.charges import (
    NO_LINES,
    Lines,
    LotCharge,
    chained,
    concentration_lines,
    rate_micros,
    tiers_by_asset,
)
from clearing.schema.risk.parameters import JointCredit, RiskParameters
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.instruments import Instrument

if TYPE_CHECKING:
    from clearing.margin.risk_arrays.net_charges import ChargeRows


class CreditWeights(NamedTuple):
    """The requirement for groups is (plain * sum + joint * J) / whole, in lowest terms."""

    plain: int
    joint: int
    whole: int


@dataclass(frozen=True)
class Tariff:
    """Coefficients in micros; `m` instruments and `k` tokens in the arrays' order."""

    short_rates: tuple[int, ...]
    """[m] per short lot of an option."""
    lot_rates: tuple[int, ...]
    """[m] per lot, long or short."""
    impact: tuple[Lines, ...]
    """[m] over |lots|."""
    concentration: tuple[Lines, ...]
    """[k] over units."""
    joint: JointCredit
    """Over the columns of the arrays."""
    net: tuple["ChargeRows", ...] = ()
    """Charges on net amounts of groups; empty where no scenario is valued."""
    historical: bool = False
    """Whether the joint scenarios are those of history, whose expected shortfall is always required."""

    @property
    def credits_groups(self) -> bool:
        """Whether joint scenarios replace a part of the sum of groups."""
        return bool(self.joint.scenarios)

    @cached_property
    def has_short_rates(self) -> bool:
        """Whether any option has a minimum."""
        return any(self.short_rates)

    @cached_property
    def is_off(self) -> bool:
        """Whether the requirement is the plain sum of group losses."""
        return not self.net and self.is_off_beside_net

    @cached_property
    def is_off_beside_net(self) -> bool:
        """Whether nothing but charges on net amounts is added to the plain sum."""
        sized = any(self.lot_rates) or any(charge.lines for charge in (*self.impact, *self.concentration))
        return not (sized or self.credits_groups or self.has_short_rates)

    @cached_property
    def rated_short(self) -> tuple[tuple[int, int], ...]:
        """(instrument's index, rate) of options with a minimum."""
        return tuple((at, rate) for at, rate in enumerate(self.short_rates) if rate)

    @cached_property
    def rated_lots(self) -> tuple[tuple[int, int], ...]:
        """(instrument's index, rate) of instruments with one."""
        return tuple((at, rate) for at, rate in enumerate(self.lot_rates) if rate)

    @cached_property
    def sized_lots(self) -> tuple[tuple[int, Lines], ...]:
        """(instrument's index, lines) of instruments with an impact."""
        return tuple((at, lines) for at, lines in enumerate(self.impact) if lines.lines)

    @cached_property
    def sized_tokens(self) -> tuple[tuple[int, Lines], ...]:
        """(token's index, lines) of tokens with tiers."""
        return tuple((at, lines) for at, lines in enumerate(self.concentration) if lines.lines)

    @cached_property
    def joint_columns(self) -> tuple[tuple[int, ...], ...]:
        """[g][N] column of each group in each joint scenario."""
        return tuple(zip(*(scenario.columns for scenario in self.joint.scenarios), strict=True))

    @cached_property
    def joint_counts(self) -> tuple[int, ...]:
        """[N] how often each joint scenario counts, of `averaged_losses`."""
        return tuple(scenario.count * self.joint.averaged[1] for scenario in self.joint.scenarios)

    @cached_property
    def averaged_losses(self) -> int:
        """How many of the worst losses are averaged, in the unit of `joint_counts`."""
        return self.joint.averaged[0]

    @cached_property
    def credit_weights(self) -> CreditWeights:
        """The weights of the plain and the joint requirement."""
        weight = self.joint.weight_ppm
        common = gcd(weight, PPM)
        return CreditWeights((PPM - weight) // common, weight // common, PPM // common)

    def size_lines(self, instrument: int) -> Lines:
        """The total charge on |lots| of instrument number `instrument`: lot rate and impact in one slope."""
        rate, impact = self.lot_rates[instrument], self.impact[instrument]
        if not impact.lines:
            return Lines(((rate, 0),)) if rate else NO_LINES
        return Lines(tuple((rate + slope, intercept) for slope, intercept in impact.lines))


def build_tariff(
    instruments: Sequence[Instrument],
    index_ticks: Sequence[int],
    assets: Sequence[Asset],
    token_values: Sequence[int],
    parameters: RiskParameters,
    net: tuple["ChargeRows", ...] = (),
) -> Tariff:
    """The tariff at the index in ticks of each instrument (0 without a price) and micros a unit of each token."""
    count = len(instruments)
    lot_rates, impact, minimums = [0] * count, [NO_LINES] * count, (0,) * count
    if any(group.short_option_ppm for group in parameters.groups):
        minimums = short_rates(instruments, index_ticks, parameters)
    if parameters.charges:
        charges = {charge.instrument: charge for charge in parameters.charges}
        for at, (instrument, ticks) in enumerate(zip(instruments, index_ticks, strict=True)):
            charge = charges.get(instrument.id)
            if charge is not None:
                notional = ticks * instrument.micros_per_tick
                lot_rates[at] = rate_micros(notional, charge.contingency_ppm + charge.slippage_ppm)
                impact[at] = impact_lines(charge, notional)
    tiers = tiers_by_asset(parameters.concentration)
    return Tariff(
        short_rates=minimums,
        lot_rates=tuple(lot_rates),
        impact=tuple(impact),
        concentration=tuple(
            concentration_lines(value, tiers.get(asset.id, ()))
            for asset, value in zip(assets, token_values, strict=True)
        ),
        joint=parameters.joint_in_force,
        net=net,
        historical=bool(parameters.history.scenarios),
    )


def impact_micros(charge: LotCharge, notional_micros: int, lots: int) -> int:
    """The curve at `lots` >= 0, in micros rounded up; `notional_micros` is that of one lot."""
    if not charge.depth_lots or not lots:
        return 0
    depth = charge.depth_lots
    linear = mul_div_up(charge.linear_impact_ppm * PPM, lots, depth)
    root = isqrt(mul_div_up((charge.root_impact_ppm * PPM) ** 2, lots, depth) - 1) + 1 if charge.root_impact_ppm else 0
    return mul_div_up(notional_micros * lots, linear + root, PPM * PPM)


def impact_lines(charge: LotCharge, notional_micros: int) -> Lines:
    """Lines through the curve's points at the listed sizes, each slope rounded up: convex and never below the curve."""
    if not charge.depth_lots or not (charge.linear_impact_ppm or charge.root_impact_ppm):
        return NO_LINES
    points: list[tuple[int, int]] = []
    start = reached = slope = 0
    for size in charge.sizes_ppm:
        end = mul_div_up(charge.depth_lots, size, PPM)
        if end <= start:
            continue
        rise = impact_micros(charge, notional_micros, end) - reached
        slope = max(slope, -(-rise // (end - start)))
        points.append((start, slope))
        reached += slope * (end - start)
        start = end
    return chained(points)


def short_rates(
    instruments: Sequence[Instrument], index_ticks: Sequence[int], parameters: RiskParameters
) -> tuple[int, ...]:
    """[m] micros per short lot, rounded up; 0 for instruments other than options."""
    fractions = {group.id: group.short_option_ppm for group in parameters.groups}
    return tuple(
        rate_micros(ticks * instrument.micros_per_tick, fractions[instrument.group]) if instrument.is_option else 0
        for instrument, ticks in zip(instruments, index_ticks, strict=True)
    )
