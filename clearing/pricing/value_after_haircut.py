"""The value of collateral: units of an asset at a price, with the haircut applied here.

Rule: what counts as collateral is rounded down, what is measured before haircut is rounded up. The haircut is that of
the asset as given: `clearing.collateral.haircut_rates` computes it, and `clearing.state.effective_parameters` writes it
into the asset of the current block.
"""

from clearing.base.units import MICROS_PER_TICK, PPM
from clearing.schema.terms.assets import Asset


def unit_value_after_haircut(asset: Asset, index_ticks: int) -> int:
    """Collateral value of one clearing unit in micros, rounded down once.

    Price less haircut; for a yield-bearing token times its rate less the rate's own haircut.
    """
    numerator, divisor = value_fraction(asset)
    whole: int = index_ticks * numerator // divisor
    return whole


def value_fraction(asset: Asset) -> tuple[int, int]:
    """(numerator, divisor): micros of one clearing unit after haircut for a tick of the index."""
    numerator = MICROS_PER_TICK * (PPM - asset.haircut_ppm)
    divisor = PPM * 10**asset.unit_decimals * asset.feed_tokens
    if asset.yields.feed:
        numerator *= asset.rate_ticks * (PPM - asset.yields.haircut_ppm)
        divisor *= asset.yields.unit_ticks * PPM
    return numerator, divisor


def value_before_haircut_up(asset: Asset, units: int, index_ticks: int) -> int:
    """Value of `units` in micros without any haircut, rounded up."""
    value = units * index_ticks * MICROS_PER_TICK
    divisor: int = 10**asset.unit_decimals * asset.feed_tokens
    if asset.yields.feed:
        value, divisor = value * asset.rate_ticks, divisor * asset.yields.unit_ticks
    return -(-value // divisor)
