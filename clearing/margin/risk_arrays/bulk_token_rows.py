"""Rows of tokens that move with their feed, for all scenarios at once: the same numbers as `token_rows`.

Rule: int64 is used only where a checked bound holds; otherwise the definition is evaluated in Python integers. It must
not know accounts.
"""

from collections.abc import Sequence
from math import gcd

import numpy as np

from clearing.base.units import PPM
from clearing.margin.risk_arrays.bulk_rows import InstrumentBlock, shocked_ticks
from clearing.margin.risk_arrays.exact_products import INT64_EXACT
from clearing.margin.risk_arrays.token_rows import token_row
from clearing.pricing.value_after_haircut import value_fraction
from clearing.schema.risk.parameters import RiskParameters
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.instruments import INDEX_TICKS_MAX


def bulk_token_row(
    token: Asset, ticks: int, parameters: RiskParameters, blocks: Sequence[InstrumentBlock]
) -> tuple[int, ...]:
    """As `token_row`. `blocks`: of the listing's instruments; one of the token's group has its grid as columns."""
    group = token.scenarios.group
    block = next((each for each in blocks if each.group.id == group), None) if token.is_spot and ticks else None
    if block is None:
        return token_row(token, ticks, parameters)
    grid, (numerator, divisor) = block.grid, value_fraction(token)
    common = gcd(numerator, divisor)
    numerator, divisor = numerator // common, divisor // common
    highest = min(5 * ticks, INDEX_TICKS_MAX)  # no scenario moves a price beyond four times itself
    span = highest * numerator // divisor * (PPM if grid.weighted else 1)
    if ticks * grid.largest_numerator >= INT64_EXACT or max(highest * numerator, 2 * span) >= INT64_EXACT:
        return token_row(token, ticks, parameters)
    values = shocked_ticks(ticks, grid)
    np.minimum(values, INDEX_TICKS_MAX, out=values)
    values *= numerator
    values //= divisor
    base = ticks * numerator // divisor
    if grid.weighted:
        values -= base
        values *= grid.weights
        values //= PPM
        values += base
    return (base, *values.tolist())
