"""Scenario grids: the predefined ones, and a group's grid as columns of numbers.

Rule: a grid is data. Column 0 of every array is the base, without a move. A grid's scenarios follow in their order.
Where another group's grid is longer, scenarios without a move fill the rest; they cost nothing. Columns of history come
after all grids. It must not know prices.
"""

from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from clearing.base.units import PPM
from clearing.schema.risk.parameters import RiskGroup, RiskParameters, Scenario
from clearing.schema.risk.volatility_surface import VolShock

Integers = NDArray[np.int64]

GRID_RANGE_PPM = 180_000
"""The price range for which `OPTION_GRID` was designed: its steps are then 4.5, 9, 13.5 and 18 %."""

TAILS: tuple[Scenario, ...] = tuple(
    Scenario(percent, 100, 1, GRID_RANGE_PPM // 5 * 100 // abs(percent), of_index=True)
    for percent in (-66, -33, 50, 100, 200, 300)
)
"""Extreme moves of the index itself with volatility up, dampened so that one lot of the underlying loses a fifth of its
loss at the range. They matter only where losses grow faster than the move. Source of moves and dampening: the published
portfolio margin of Derive (Lyra v2)."""


def _option_grid() -> tuple[Scenario, ...]:
    steps = [(sign * step, 4) for step in (0, 1, 2, 3, 4) for sign in (1, -1) if step or sign == 1]
    spots = [Scenario(num, den, way) for num, den in steps for way in (1, 0, -1) if num or way]
    tilts = [Scenario(0, 1, 0, skew_linear=way) for way in (1, -1)]
    lifts = [Scenario(0, 1, 0, skew_absolute=way) for way in (1, -1)]
    return (*spots, TAILS[0], TAILS[-1], *tilts, *lifts)


OPTION_GRID: tuple[Scenario, ...] = _option_grid()
"""33 scenarios with the base: the index at 0, 1, 2, 3 and 4 quarters of the range, up and down, each with
volatility up, flat and down (27 with the base); the deepest tail in each direction; the smile tilted and its wings
lifted, in both directions. Derive takes the worse direction of a skew scenario per expiry, which is not linear;
here each direction is a scenario."""

OPTION_SHOCK = VolShock(
    short_power_ppm=300_000,
    long_power_ppm=130_000,
    relative=True,
    down_ppm=550_000,
    up_floor_ppm=450_000,
    skew_linear_ppm=150_000,
    skew_absolute_ppm=150_000,
)
"""Shocks for `OPTION_GRID` with a volatility range of 500_000: half of the volatility up, 0.55 of that down, more for
short-dated options. Source: as of `TAILS`."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """One group's scenarios after the base, as columns [S]."""

    negated: Integers
    """Minus the numerators of the move's size, over `denominators`; including the range, so above -2^32."""
    denominators: Integers
    signs: Integers
    """-1 where the price rises, 1 where it falls: `negated` times it has the direction of the move."""
    largest_numerator: int
    weights: Integers
    """In ppm."""
    volatility: Integers
    """-1, 0 or 1."""
    skew_linear: Integers
    """-1, 0 or 1."""
    skew_absolute: Integers
    """-1, 0 or 1."""
    stated_volatility: Integers
    """Relative moves of volatility in ppm."""
    stated: bool
    """Whether any of them is not 0."""
    weighted: bool
    """Whether any weight is not 1."""
    skewed: bool
    """Whether any scenario shifts the smile."""


def filled_columns(group: RiskGroup, parameters: RiskParameters) -> tuple[Scenario, ...]:
    """A scenario for each column of the group's arrays after the base."""
    grid, unmoved = parameters.grid(group), Scenario(0, 1, 0)
    return (*grid, *(unmoved,) * (parameters.width - len(grid)), *parameters.historical_columns(group))


def move_fraction(scenario: Scenario, range_ppm: int) -> tuple[int, int]:
    """Numerator and denominator of the move's size, in lowest terms: the smaller, the more prices fit into int64."""
    numerator = (PPM if scenario.of_index else range_ppm) * abs(scenario.move_numerator)
    denominator = PPM * scenario.move_denominator
    common = gcd(numerator, denominator)
    return numerator // common, denominator // common


def grid_columns(group: RiskGroup, parameters: RiskParameters) -> Grid:
    """The group's grid, as wide as the network's widest, and its columns of history."""
    filled = filled_columns(group, parameters)
    sizes = [move_fraction(scenario, group.range_ppm) for scenario in filled]
    columns = (
        [numerator for numerator, _ in sizes],
        [denominator for _, denominator in sizes],
        [scenario.weight_ppm for scenario in filled],
        [scenario.volatility_direction for scenario in filled],
        [scenario.skew_linear for scenario in filled],
        [scenario.skew_absolute for scenario in filled],
    )
    numerators, denominators, weights, volatility, linear, absolute = (np.array(column, np.int64) for column in columns)
    stated = np.array([scenario.volatility_ppm for scenario in filled], np.int64)
    return Grid(
        negated=-numerators,
        denominators=denominators,
        signs=np.array([-1 if scenario.move_numerator > 0 else 1 for scenario in filled], np.int64),
        largest_numerator=max(numerator for numerator, _ in sizes) if sizes else 0,
        weights=weights,
        volatility=volatility,
        skew_linear=linear,
        skew_absolute=absolute,
        stated_volatility=stated,
        stated=bool(stated.any()),
        weighted=bool((weights != PPM).any()),
        skewed=bool(linear.any() or absolute.any()),
    )
