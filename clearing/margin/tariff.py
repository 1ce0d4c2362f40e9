"""The tariff: every coefficient of the requirement besides the risk array, at one block's prices.

Rule: derived from the arrays' prices and parameters alone; the engine charges by it and the rows are written from it,
so the two cannot differ in a coefficient. It must not know accounts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd

from clearing.assets import Asset
from clearing.base.units import PPM
from clearing.instruments import Instrument
from clearing.margin.charges import NO_LINES, Lines, concentration_lines, rate_micros, tiers_by_asset
from clearing.margin.impact import impact_lines
from clearing.margin.joint import JointCredit
from clearing.margin.option_minimum import short_rates
from clearing.margin.parameters import RiskParameters


@dataclass(frozen=True)
class Tariff:
    """Coefficients in micros; `m` instruments and `k` tokens in the arrays' order."""

    short_rates: tuple[int, ...]
    """[m] for each short lot of an option."""
    lot_rates: tuple[int, ...]
    """[m] for each lot, long or short."""
    impact: tuple[Lines, ...]
    """[m] over |lots|."""
    concentration: tuple[Lines, ...]
    """[k] over units."""
    joint: JointCredit

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
        sized = any(self.lot_rates) or any(each.lines for each in (*self.impact, *self.concentration))
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
        """[N] how often each joint scenario counts."""
        return tuple(scenario.count for scenario in self.joint.scenarios)

    @cached_property
    def credit_weights(self) -> tuple[int, int, int]:
        """(plain, joint, whole): the requirement for groups is (plain * sum + joint * J) / whole, in lowest terms."""
        weight = self.joint.weight_ppm
        common = gcd(weight, PPM)
        return (PPM - weight) // common, weight // common, PPM // common

    def size_lines(self, instrument: int) -> Lines:
        """What |lots| of instrument number `instrument` cost in all: each lot's rate and the impact on one slope."""
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
) -> Tariff:
    """The tariff at the index in ticks of each instrument (0 without a price) and micros a unit of each token."""
    count = len(instruments)
    lot_rates, impact, minimums = [0] * count, [NO_LINES] * count, (0,) * count
    if any(group.short_option_ppm for group in parameters.groups):
        minimums = short_rates(instruments, index_ticks, parameters)
    if parameters.charges:
        charges = {each.instrument: each for each in parameters.charges}
        for at, (each, ticks) in enumerate(zip(instruments, index_ticks, strict=True)):
            charge = charges.get(each.id)
            if charge is not None:
                notional = ticks * each.micros_per_tick
                lot_rates[at] = rate_micros(notional, charge.contingency_ppm + charge.slippage_ppm)
                impact[at] = impact_lines(charge, notional)
    tiers = tiers_by_asset(parameters.concentration)
    return Tariff(
        short_rates=minimums,
        lot_rates=tuple(lot_rates),
        impact=tuple(impact),
        concentration=tuple(
            concentration_lines(value, tiers.get(each.id, ())) for each, value in zip(assets, token_values, strict=True)
        ),
        joint=parameters.joint,
    )
