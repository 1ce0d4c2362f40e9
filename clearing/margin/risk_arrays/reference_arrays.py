"""Reference arrays: the value of one lot in every scenario, by definition, in Python integers.

Rule: clear before fast, and without numpy: a verifier starts quickly and computes them once. `arrays` and `bulk_rows`
must give the same numbers; property tests check it. A marked instrument's mark moves in proportion to the index. An
option keeps its volatility as the forward moves (sticky strike); then the scenario shifts it. Moves round
away from the start, gains round down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

from clearing.base.units import PPM
from clearing.margin.risk_arrays.charge_rates import Tariff, build_tariff
from clearing.margin.risk_arrays.net_charges import ChargeRows, charge_rows, charges_of, sensitivity_parameters
from clearing.margin.risk_arrays.shocks import shocked_index as shocked_index
from clearing.margin.risk_arrays.token_rows import TokenRows, build_token_rows, least_values, tokens_inside
from clearing.pricing.averages import Averages
from clearing.pricing.surface import (
    bounded_volatility,
    log_moneyness,
    option_deviations,
    option_volatility,
    shock_sizes,
    skew_shares,
    stated_move,
)
from clearing.pricing.value_after_haircut import unit_value_after_haircut
from clearing.schema.risk.carry import carried_ticks, carry_to, future_ticks
from clearing.schema.risk.known_average import KnownAverage, blended_ticks
from clearing.schema.risk.live_surface import ExpiryCarry
from clearing.schema.risk.parameters import RiskGroup, RiskParameters, Scenario
from clearing.schema.terms.assets import Asset, CashGroup
from clearing.schema.terms.instruments import Instrument


def model_mark(
    instrument: Instrument, index_ticks: int, rate_ppm: int, time_ms: int, mark_curve: Sequence[ExpiryCarry] = ()
) -> int:
    """The mark of a marked instrument without a settled mark: the index, or its forward if it is dated.

    `mark_curve`: as in `clearing.pricing.marks.mark_ticks`.
    """
    if instrument.carries:
        return future_ticks(index_ticks, mark_curve, instrument.expiry_ms, rate_ppm, time_ms)
    return index_ticks


def marked_row(scale: int, mark_ticks: int, range_ppm: int, scenarios: Sequence[Scenario]) -> list[int]:
    """[1 + S] gain or loss of one lot against its mark, of `scale` micros a tick, weighted, rounded down."""
    gains = ((shocked_index(mark_ticks, range_ppm, scenario) - mark_ticks) * scale for scenario in scenarios)
    return [0, *(gain * scenario.weight_ppm // PPM for gain, scenario in zip(gains, scenarios, strict=True))]


def scenario_volatility(
    group: RiskGroup, volatility_ppm: int, deviations: float, tenor_ms: int, scenario: Scenario
) -> int:
    """An option's volatility in a scenario, `deviations` from the money: moved, then skewed, rounded down."""
    up, down = shock_sizes(group.shock, group.volatility_range_ppm, volatility_ppm, tenor_ms)
    moved = volatility_ppm + stated_move(group.shock, scenario.volatility_ppm, volatility_ppm, tenor_ms)
    if scenario.volatility_direction > 0:
        moved = max(volatility_ppm + up, group.shock.up_floor_ppm)
    elif scenario.volatility_direction < 0:
        moved = volatility_ppm - down
    tilt, lift = skew_shares(group.shock, deviations)
    share = PPM + scenario.skew_linear * tilt + scenario.skew_absolute * lift
    return bounded_volatility(bounded_volatility(moved) * share // PPM)


def option_row(
    option: Instrument,
    index_ticks: int,
    group: RiskGroup,
    scenarios: Sequence[Scenario],
    rate_ppm: int,
    time_ms: int,
    known: KnownAverage | None = None,
) -> list[int]:
    """[1 + S] value of one lot in micros: the base, and the base plus the weighted change, rounded down."""
    # imported here, so that a verifier of a listing without options does not load numpy
    from clearing.pricing.marks import option_value

    scale, tenor_ms = option.micros_per_tick, option.expiry_ms - time_ms
    carried = carried_ticks(index_ticks, carry_to(group.curve, option.expiry_ms, rate_ppm, time_ms))
    forward = float(blended_ticks(known, carried))
    strike = float(option.strike_ticks)
    volatility = option_volatility(group, forward, strike, tenor_ms)
    deviations = option_deviations(group, log_moneyness(forward, strike), tenor_ms)
    base = option_value(option, index_ticks, volatility, rate_ppm, time_ms, scale, group.curve, known)
    row = [base]
    for scenario in scenarios:
        index = shocked_index(index_ticks, group.range_ppm, scenario)
        shifted = scenario_volatility(group, volatility, deviations, tenor_ms, scenario)
        full = option_value(option, index, shifted, rate_ppm, time_ms, scale, group.curve, known)
        row.append(base + (full - base) * scenario.weight_ppm // PPM)
    return row


COEFFICIENT_MAX = 2**62 - 1
"""Bound on every entry and row coefficient: the soundness bound of the solvency proof."""


class ValuedListing(Protocol):
    """Inputs of slots and rows."""

    @property
    def instruments(self) -> tuple[Instrument, ...]: ...  # noqa: D102 - as in RiskArrays

    @property
    def assets(self) -> tuple[Asset, ...]: ...  # noqa: D102

    @property
    def cash_groups(self) -> tuple[CashGroup, ...]: ...  # noqa: D102

    @property
    def groups(self) -> tuple[RiskGroup, ...]: ...  # noqa: D102

    @property
    def scenarios(self) -> int: ...  # noqa: D102

    @property
    def rows(self) -> list[list[int]]: ...  # noqa: D102

    @property
    def token_prices(self) -> list[int]: ...  # noqa: D102

    @property
    def tariff(self) -> Tariff: ...  # noqa: D102

    @property
    def token_rows(self) -> TokenRows: ...  # noqa: D102

    def members(self, group: RiskGroup) -> tuple[int, ...]: ...  # noqa: D102

    def tokens_of(self, group: RiskGroup) -> tuple[int, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class PricedListing:
    """Inputs of arrays: a listing, every part ordered by id, its prices in ticks, and its parameters."""

    instruments: Sequence[Instrument]
    assets: Sequence[Asset]
    """Cash among them is ignored."""
    cash_groups: Sequence[CashGroup]
    marks: Mapping[int, int]
    """By instrument."""
    index: Mapping[int, int]
    """By feed."""
    parameters: RiskParameters
    time_ms: int
    """Time as of which options are valued."""
    averages: Averages = field(default_factory=dict)
    """Of options that settle at an average."""


@dataclass(frozen=True)
class ReferenceArrays:
    """As `RiskArrays`; `rows` [m][1 + S] and `token_prices` [k] in micros."""

    instruments: tuple[Instrument, ...]
    assets: tuple[Asset, ...]
    cash_groups: tuple[CashGroup, ...]
    parameters: RiskParameters
    rows: list[list[int]]
    token_prices: list[int]
    index_ticks: tuple[int, ...]
    """[m] index of each instrument's feed, 0 without a price."""
    token_rows: TokenRows = ()
    net: tuple[ChargeRows, ...] = ()
    """Charges on net amounts; empty where no scenario is valued."""

    @property
    def groups(self) -> tuple[RiskGroup, ...]:
        """Risk groups, ordered by id."""
        return self.parameters.groups

    @property
    def scenarios(self) -> int:
        """How many scenarios besides the base."""
        return self.parameters.width

    def members(self, group: RiskGroup) -> tuple[int, ...]:
        """Indices of the instruments of one risk group, rising."""
        return tuple(at for at, instrument in enumerate(self.instruments) if instrument.group == group.id)

    def tokens_of(self, group: RiskGroup) -> tuple[int, ...]:
        """Indices of the tokens that move in one risk group's scenarios, rising."""
        return tokens_inside(self.assets, self.token_rows, group)

    @cached_property
    def tariff(self) -> Tariff:
        """Every other coefficient of the requirement."""
        values = least_values(self.token_prices, self.token_rows)
        return build_tariff(self.instruments, self.index_ticks, self.assets, values, self.parameters, self.net)


def build_reference_arrays(priced: PricedListing) -> ReferenceArrays:
    """As `build_risk_arrays`. Raises KeyError for an instrument in no group."""
    unvalued = build_unvalued_arrays(priced)
    net: tuple[ChargeRows, ...] = ()
    if any(any(charges_of(group)) for group in unvalued.groups):
        values = _instrument_rows(priced, unvalued.index_ticks, sensitivity_parameters(priced.parameters))
        net = charge_rows(unvalued.groups, unvalued.instruments, values, [priced.time_ms] * len(values))
    return replace(unvalued, rows=_instrument_rows(priced, unvalued.index_ticks, priced.parameters), net=net)


def _instrument_rows(priced: PricedListing, index_ticks: Sequence[int], parameters: RiskParameters) -> list[list[int]]:
    groups = {group.id: group for group in parameters.groups}
    grids = {group.id: (parameters.grid(group), parameters.historical_columns(group)) for group in parameters.groups}
    return [
        _instrument_row(
            instrument,
            ticks,
            priced.marks.get(instrument.id),
            groups[instrument.group],
            *grids[instrument.group],
            parameters,
            priced.time_ms,
            priced.averages.get(instrument.id),
        )
        for instrument, ticks in zip(priced.instruments, index_ticks, strict=True)
    ]


def build_unvalued_arrays(priced: PricedListing) -> ReferenceArrays:
    """As `build_reference_arrays` with no `rows`: all that slots follow from, without the value of a scenario."""
    parameters, index = priced.parameters, priced.index
    tokens = tuple(asset for asset in priced.assets if not asset.is_cash)
    return ReferenceArrays(
        instruments=tuple(priced.instruments),
        assets=tokens,
        cash_groups=tuple(priced.cash_groups),
        parameters=parameters,
        rows=[],
        token_prices=[
            unit_value_after_haircut(token, index[token.feed]) if token.feed in index else 0 for token in tokens
        ],
        index_ticks=tuple(index.get(instrument.feed, 0) for instrument in priced.instruments),
        token_rows=build_token_rows(tokens, index, parameters),
    )


def _instrument_row(
    instrument: Instrument,
    ticks: int,
    mark: int | None,
    group: RiskGroup,
    grid: Sequence[Scenario],
    history: Sequence[Scenario],
    parameters: RiskParameters,
    time_ms: int,
    known: KnownAverage | None,
) -> list[int]:
    """One instrument's row; where another group's grid is longer, scenarios without a move fill the rest, before those
    of history."""
    if not ticks:
        return [0] * (1 + parameters.column_count)
    scenarios = (*grid, *history)
    if instrument.is_option:
        row = option_row(instrument, ticks, group, scenarios, parameters.rate_ppm, time_ms, known)
    else:
        curve, rate = parameters.mark_curve(group), parameters.rate_ppm
        used = model_mark(instrument, ticks, rate, time_ms, curve) if mark is None else mark
        row = marked_row(instrument.micros_per_tick, used, group.range_ppm, scenarios)
    own = 1 + len(grid)
    return row[:own] + row[:1] * (parameters.width - len(grid)) + row[own:]
