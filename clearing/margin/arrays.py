"""Risk arrays: what one lot of each instrument and one unit of each token is worth in every scenario.

Rule: integers, common to all accounts, so that equity in a scenario is linear in the holdings. Marked instruments enter
as gain or loss against their settled mark (column 0 is zero, or variation margin would count twice), premium-paid
options and collateral at full value. It must not know accounts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clearing.assets import Asset, CashGroup
from clearing.base.errors import Bug
from clearing.base.units import mul_div_up
from clearing.instruments import INDEX_TICKS_MAX, Instrument, InstrumentKind
from clearing.margin.kernel import GroupMatrix, Integers, group_matrix
from clearing.margin.parameters import PPM, RiskGroup, RiskParameters, Scenario
from clearing.margin.tariff import Tariff, build_tariff
from clearing.pricing.black76 import option_values
from clearing.pricing.carry import forward_ticks
from clearing.pricing.mark import VOLATILITY_MIN_PPM, discount_factor, years_left

COEFFICIENT_MAX = 2**62 - 1
"""Every entry and every row coefficient is at most this: the soundness bound of the solvency proof."""


@dataclass(frozen=True, eq=False)
class RiskArrays:
    """One block's arrays. S scenarios, m instruments, k collateral tokens, c cash groups, g risk groups."""

    instruments: tuple[Instrument, ...]
    """Ordered by id."""
    assets: tuple[Asset, ...]
    """Collateral tokens only, ordered by id."""
    cash_groups: tuple[CashGroup, ...]
    values: Integers
    """[m, 1 + S] micros a lot; column 0 is the base scenario."""
    token_values: Integers
    """[k] micros a clearing unit, after haircut, rounded down; 0 while there is no price."""
    priced: tuple[bool, ...]
    """[m] whether the instrument's feed has a price; without one its values are zero and it must not be traded."""
    parameters: RiskParameters
    index_ticks: tuple[int, ...] = ()
    """[m] index of each instrument's feed, 0 without a price; charges on size are fractions of it. May be left out
    where the parameters have no such charge."""

    @property
    def groups(self) -> tuple[RiskGroup, ...]:
        """Risk groups, ordered by id."""
        return self.parameters.groups

    @property
    def scenarios(self) -> int:
        """How many scenarios besides the base."""
        return len(self.parameters.scenarios)

    def members(self, group: RiskGroup) -> tuple[int, ...]:
        """Indices of the instruments of one risk group, rising."""
        return tuple(at for at, each in enumerate(self.instruments) if each.group == group.id)

    @cached_property
    def matrices(self) -> tuple[GroupMatrix, ...]:
        """Each group's array as it is multiplied by lots; made once."""
        return tuple(group_matrix(self.values, self.members(group)) for group in self.groups)

    @cached_property
    def tariff(self) -> Tariff:
        """Every other coefficient of the requirement; made once."""
        values: list[int] = self.token_values.tolist()
        return build_tariff(self.instruments, self.index_ticks, self.assets, values, self.parameters)

    @cached_property
    def rows(self) -> list[list[int]]:
        """[m][1 + S] `values` as Python integers; made once, not to be changed."""
        rows: list[list[int]] = self.values.tolist()
        return rows


def build_risk_arrays(
    instruments: Sequence[Instrument],
    assets: Sequence[Asset],
    cash_groups: Sequence[CashGroup],
    marks: Mapping[int, int],
    index: Mapping[int, int],
    parameters: RiskParameters,
    time_ms: int,
) -> RiskArrays:
    """Build all arrays from the settled `marks` (by instrument id) and the `index` (by feed id), both in ticks.

    An instrument without a settled mark counts as marked at the index. Raises Bug when a price is out of range or an
    entry reaches 2^62: prices and parameters are checked where they enter.
    """
    listed = tuple(sorted(instruments, key=lambda each: each.id))
    tokens = tuple(sorted((each for each in assets if not each.is_cash), key=lambda each: each.id))
    groups = {group.id: group for group in parameters.groups}
    for feed, ticks in sorted(index.items()):
        if not 0 < ticks <= INDEX_TICKS_MAX:
            raise Bug(f"index of feed {feed} is {ticks} ticks, outside [1, {INDEX_TICKS_MAX}]")
    strays = [each.name for each in listed if each.group not in groups]
    if strays:
        raise Bug(f"instruments {strays} are in no risk group")
    values = np.zeros((len(listed), 1 + len(parameters.scenarios)), np.int64)
    moves = {
        (group, feed): moved_indices(index[feed], groups[group].range_ppm, parameters.scenarios)
        for group, feed in sorted({(each.group, each.feed) for each in listed})
        if feed in index
    }
    options: list[tuple[int, Instrument]] = []
    for row, each in enumerate(listed):
        if each.feed not in index:
            continue
        if each.is_option:
            options.append((row, each))
        else:
            values[row] = _marked_row(each, marks, moves[each.group, each.feed], parameters, time_ms)
    if options:
        rows = [row for row, _ in options]
        values[rows] = _option_rows([each for _, each in options], moves, groups, parameters, time_ms)
    token_values = [each.unit_value(index[each.feed]) if each.feed in index else 0 for each in tokens]
    largest = max([0, *map(abs, token_values), int(values.max(initial=0)), -int(values.min(initial=0))])
    if largest > COEFFICIENT_MAX:
        raise Bug(f"risk array entry {largest} reaches 2^62")
    values.setflags(write=False)
    return RiskArrays(
        instruments=listed,
        assets=tokens,
        cash_groups=tuple(sorted(cash_groups, key=lambda group: group.id)),
        values=values,
        token_values=np.array(token_values, np.int64),
        priced=tuple(each.feed in index for each in listed),
        parameters=parameters,
        index_ticks=tuple(index.get(each.feed, 0) for each in listed),
    )


def shocked_index(index_ticks: int, range_ppm: int, scenario: Scenario) -> int:
    """The index in a scenario: moved by its part of the range, rounded away from the index, never below one tick.

    Towards it, writers and sellers of what costs few ticks would need no margin.
    """
    size = mul_div_up(index_ticks * range_ppm, abs(scenario.move_numerator), PPM * scenario.move_denominator)
    return max(index_ticks + size if scenario.move_numerator > 0 else index_ticks - size, 1)


def moved_indices(index_ticks: int, range_ppm: int, scenarios: Sequence[Scenario]) -> list[int]:
    """The index in the base and in every scenario."""
    return [index_ticks, *(shocked_index(index_ticks, range_ppm, scenario) for scenario in scenarios)]


def _marked_row(
    instrument: Instrument,
    marks: Mapping[int, int],
    indices: Sequence[int],
    parameters: RiskParameters,
    time_ms: int,
) -> list[int]:
    """Gain or loss of one lot against the settled mark, weighted, rounded down."""
    moved: Sequence[int] = indices
    if instrument.carries:
        moved = [forward_ticks(each, instrument.expiry_ms, parameters.rate_ppm, time_ms) for each in indices]
    settled = marks.get(instrument.id, moved[0])
    scale = instrument.micros_per_tick
    gains = ((ticks - settled) * scale for ticks in moved[1:])
    weighted = zip(gains, parameters.scenarios, strict=True)
    return [0, *(gain * scenario.weight_ppm // PPM for gain, scenario in weighted)]


def _option_rows(
    options: Sequence[Instrument],
    moves: Mapping[tuple[int, int], Sequence[int]],
    groups: Mapping[int, RiskGroup],
    parameters: RiskParameters,
    time_ms: int,
) -> Integers:
    """[options, 1 + S] value of one lot in micros: base plus the weighted change, rounded down."""
    forwards: list[int] = []
    volatilities: list[int] = []
    for each in options:
        group = groups[each.group]
        indices = moves[each.group, each.feed]
        forwards += [forward_ticks(ticks, each.expiry_ms, parameters.rate_ppm, time_ms) for ticks in indices]
        for direction in (0, *(scenario.volatility_direction for scenario in parameters.scenarios)):
            volatility = group.volatility_ppm + direction * group.volatility_range_ppm
            volatilities.append(max(volatility, VOLATILITY_MIN_PPM))
    width = 1 + len(parameters.scenarios)
    years = [years_left(each.expiry_ms, time_ms) for each in options]
    ticks_values = option_values(
        forward=np.array(forwards, np.float64),
        strike=np.repeat(np.array([each.strike_ticks for each in options], np.float64), width),
        volatility=np.array(volatilities, np.float64) / float(PPM),
        years=np.repeat(np.array(years, np.float64), width),
        discount=np.repeat(np.array([discount_factor(parameters.rate_ppm, left) for left in years]), width),
        is_call=np.repeat(np.array([each.kind is InstrumentKind.CALL for each in options]), width),
    )
    scale = np.repeat(np.array([each.micros_per_tick for each in options], np.float64), width)
    rounded = np.rint(ticks_values * scale)
    if not bool((np.abs(rounded) <= 2.0**61).all()):  # also refuses NaN
        raise Bug("an option value reaches 2^61")
    full: Integers = rounded.astype(np.int64).reshape(len(options), width)
    for column, scenario in enumerate(parameters.scenarios, start=1):
        if scenario.weight_ppm != PPM:
            for row in full:
                base = int(row[0])
                row[column] = base + (int(row[column]) - base) * scenario.weight_ppm // PPM
    return full
