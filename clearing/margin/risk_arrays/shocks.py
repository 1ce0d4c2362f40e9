"""The shock of a scenario to a price, which instruments and tokens of a risk group share.

Rule: integers, and the same for both, so that a token offsets what is written on it. It must not know instruments.
"""

from clearing.base.units import PPM, mul_div_up
from clearing.schema.risk.parameters import Scenario


def shocked_index(index_ticks: int, range_ppm: int, scenario: Scenario) -> int:
    """A price in a scenario: moved by its part of the range, rounded away from the price, never below one tick.

    Rounded towards it, instruments worth few ticks would need no margin.
    """
    reach = PPM if scenario.of_index else range_ppm
    size = mul_div_up(index_ticks * reach, abs(scenario.move_numerator), PPM * scenario.move_denominator)
    return max(index_ticks + size if scenario.move_numerator > 0 else index_ticks - size, 1)
