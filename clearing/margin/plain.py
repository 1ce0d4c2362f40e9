"""`PlainArrays`: the risk arrays by their definition, one instrument after another, in plain integers.

Rule: the same numbers as `clearing.margin.arrays`, which property tests hold it to, without the machinery that makes
those fast: it is for whoever verifies, starts quickly and computes them once. Rows are written from either. It must not
know accounts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from clearing.assets import Asset, CashGroup
from clearing.instruments import Instrument
from clearing.margin.parameters import RiskGroup, RiskParameters, Scenario
from clearing.margin.scenario_rows import marked_row, model_mark, option_row
from clearing.margin.tariff import Tariff, build_tariff

COEFFICIENT_MAX = 2**62 - 1
"""Every entry and every row coefficient is at most this: the soundness bound of the solvency proof."""


class ValuedListing(Protocol):
    """What slots and rows are written from."""

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

    def members(self, group: RiskGroup) -> tuple[int, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Priced:
    """What arrays are built from: a listing, every part ordered by id, its prices in ticks, and the rules for it."""

    instruments: Sequence[Instrument]
    assets: Sequence[Asset]
    """Cash among them counts for nothing."""
    cash_groups: Sequence[CashGroup]
    marks: Mapping[int, int]
    """By instrument."""
    index: Mapping[int, int]
    """By feed."""
    parameters: RiskParameters
    time_ms: int
    """As of when options are valued."""


@dataclass(frozen=True)
class PlainArrays:
    """As `RiskArrays`; `rows` [m][1 + S] and `token_prices` [k] in micros."""

    instruments: tuple[Instrument, ...]
    assets: tuple[Asset, ...]
    cash_groups: tuple[CashGroup, ...]
    parameters: RiskParameters
    rows: list[list[int]]
    token_prices: list[int]
    index_ticks: tuple[int, ...]
    """[m] index of each instrument's feed, 0 without a price."""

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
        return tuple(at for at, each in enumerate(self.instruments) if each.group == group.id)

    @cached_property
    def tariff(self) -> Tariff:
        """Every other coefficient of the requirement."""
        return build_tariff(self.instruments, self.index_ticks, self.assets, self.token_prices, self.parameters)


def build_plain_arrays(priced: Priced) -> PlainArrays:
    """As `build_risk_arrays`. Raises KeyError for an instrument in no group."""
    parameters, index = priced.parameters, priced.index
    groups = {group.id: group for group in parameters.groups}
    grids = {group.id: parameters.grid(group) for group in parameters.groups}
    tokens = tuple(each for each in priced.assets if not each.is_cash)
    ticks = tuple(index.get(each.feed, 0) for each in priced.instruments)
    rows = [
        _row(each, at, priced.marks.get(each.id), groups[each.group], grids[each.group], parameters, priced.time_ms)
        for each, at in zip(priced.instruments, ticks, strict=True)
    ]
    return PlainArrays(
        instruments=tuple(priced.instruments),
        assets=tokens,
        cash_groups=tuple(priced.cash_groups),
        parameters=parameters,
        rows=rows,
        token_prices=[each.unit_value(index[each.feed]) if each.feed in index else 0 for each in tokens],
        index_ticks=ticks,
    )


def _row(
    instrument: Instrument,
    ticks: int,
    mark: int | None,
    group: RiskGroup,
    grid: Sequence[Scenario],
    parameters: RiskParameters,
    time_ms: int,
) -> list[int]:
    """One instrument's row; where another group's grid is longer, scenarios where nothing moves fill up."""
    width = 1 + parameters.width
    if not ticks:
        return [0] * width
    if instrument.is_option:
        row = option_row(instrument, ticks, group, grid, parameters.rate_ppm, time_ms)
    else:
        used = model_mark(instrument, ticks, parameters.rate_ppm, time_ms) if mark is None else mark
        row = marked_row(instrument.micros_per_tick, used, group.range_ppm, grid)
    return row + row[:1] * (width - len(row))
