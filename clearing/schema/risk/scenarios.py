"""`Scenario`: one column of a risk array, as governance data.

Rule: data only; all ratios are integers. It must not know risk groups.
"""

from collections.abc import Iterator, Sequence

from clearing.base.codec import I64, U32, Wire
from clearing.base.units import PPM
from clearing.schema.risk.charges import Check

SCENARIOS_MAX = 64
"""Of one grid."""
MOVE_TIMES_MAX = 3
"""A scenario moves a price by at most this many times the range, or the price itself."""
VOLATILITY_MOVE_MAX_PPM = 10 * PPM
"""Largest relative change of volatility in a scenario."""


class Scenario(Wire, frozen=True):
    """One point of the grid: the index moves by numerator/denominator of the range, volatility by its range."""

    move_numerator: I64
    move_denominator: U32
    volatility_direction: I64
    """-1, 0 or 1."""
    weight_ppm: U32 = PPM
    """The fraction of the gain or loss that counts (extreme moves count in part)."""
    of_index: bool = False
    """Whether the move is a fraction of the index itself: such tails do not widen with the range."""
    skew_linear: I64 = 0
    """-1, 0 or 1: the smile tilts; for 1 higher strikes get more volatility and lower ones less."""
    skew_absolute: I64 = 0
    """-1, 0 or 1: both wings of the smile fall or rise."""
    volatility_ppm: I64 = 0
    """Relative change of every volatility at 30 days to expiry; `volatility_direction` must then be 0."""


def scenario_checks(at: str, scenarios: Sequence[Scenario]) -> Iterator[Check]:
    """Checks of a grid, named from `at`."""
    yield at, len(scenarios), len(scenarios) <= SCENARIOS_MAX
    for number, scenario in enumerate(scenarios, start=1):
        bounded = (
            1 <= scenario.move_denominator <= 1000
            and abs(scenario.move_numerator) <= MOVE_TIMES_MAX * scenario.move_denominator
        )
        stated = scenario.volatility_ppm
        yield f"{at}.{number}.move", scenario.move_numerator, bounded
        yield f"{at}.{number}.volatility", scenario.volatility_direction, scenario.volatility_direction in (-1, 0, 1)
        yield f"{at}.{number}.skew", scenario.skew_linear, scenario.skew_linear in (-1, 0, 1)
        yield f"{at}.{number}.skew", scenario.skew_absolute, scenario.skew_absolute in (-1, 0, 1)
        yield f"{at}.{number}.weight_ppm", scenario.weight_ppm, scenario.weight_ppm <= PPM
        alone = not (stated and scenario.volatility_direction)
        yield f"{at}.{number}.volatility_ppm", stated, alone and -PPM <= stated <= VOLATILITY_MOVE_MAX_PPM
