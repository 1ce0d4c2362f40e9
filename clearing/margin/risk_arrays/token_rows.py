"""Token rows: the value of one unit of collateral in every scenario of the risk group in which it moves.

Rule: by definition, in Python integers, and without numpy, as `reference_arrays`. Column 0 is the value after haircut,
which equity counts; a scenario's loss is the difference from it, so no move is counted twice. A value is never below
zero, so a further unit never raises a loss by more than it adds to equity. Values round down. A token outside the
scenarios has no row. It must not know accounts.

An underlying's spot is valued at the shocked index of its feed. A token on another feed falls by a share of the
underlying's relative fall, rounded up, and stays where the underlying rises: collateral and position lose together, but
never does the one pay for the other.
"""

from collections.abc import Mapping, Sequence

from clearing.base.errors import Bug
from clearing.base.units import PPM, mul_div_up
from clearing.margin.risk_arrays.shocks import shocked_index
from clearing.pricing.value_after_haircut import unit_value_after_haircut
from clearing.schema.risk.parameters import RiskGroup, RiskParameters, Scenario
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.instruments import INDEX_TICKS_MAX

TokenRows = tuple[tuple[int, ...], ...]
"""[k][1 + S] micros a unit; () for a token outside the scenarios, and () altogether where no token is inside."""


def spot_value(token: Asset, index_ticks: int, range_ppm: int, scenario: Scenario) -> int:
    """Micros of one unit in a scenario that moves its own feed: the base plus the weighted change, rounded down."""
    base = unit_value_after_haircut(token, index_ticks)
    moved = min(shocked_index(index_ticks, range_ppm, scenario), INDEX_TICKS_MAX)
    return base + (unit_value_after_haircut(token, moved) - base) * scenario.weight_ppm // PPM


def fallen_value(base: int, share_ppm: int, range_ppm: int, scenario: Scenario) -> int:
    """Micros of one unit worth `base` that falls by a share of the underlying's weighted fall, rounded down."""
    if scenario.move_numerator >= 0:
        return base
    reach = PPM if scenario.of_index else range_ppm
    part = share_ppm * reach * scenario.weight_ppm * -scenario.move_numerator
    return max(base - mul_div_up(base, part, PPM**3 * scenario.move_denominator), 0)


def token_row(token: Asset, ticks: int, parameters: RiskParameters) -> tuple[int, ...]:
    """[1 + S] the row of one token whose feed is at `ticks`: zeros without a price (0), () outside the scenarios.

    Raises Bug for a token in an unknown group: listings are checked on input.
    """
    terms = token.scenarios
    if not terms.group:
        return ()
    if not ticks:
        return (0,) * (1 + parameters.column_count)
    group = next((each for each in parameters.groups if each.id == terms.group), None)
    if group is None:
        raise Bug(f"token {token.name} moves with no risk group")
    base, grid = unit_value_after_haircut(token, ticks), parameters.grid(group)
    scenarios = (*grid, *parameters.historical_columns(group))
    if terms.fall_share_ppm:
        moved = [fallen_value(base, terms.fall_share_ppm, group.range_ppm, scenario) for scenario in scenarios]
    else:
        moved = [spot_value(token, ticks, group.range_ppm, scenario) for scenario in scenarios]
    own = len(grid)
    return (base, *moved[:own], *((base,) * (parameters.width - own)), *moved[own:])


def build_token_rows(tokens: Sequence[Asset], index: Mapping[int, int], parameters: RiskParameters) -> TokenRows:
    """The rows of all tokens at the `index` in ticks by feed."""
    if not any(token.scenarios.group for token in tokens):
        return ()
    return tuple(token_row(token, index.get(token.feed, 0), parameters) for token in tokens)


def tokens_inside(tokens: Sequence[Asset], rows: TokenRows, group: RiskGroup) -> tuple[int, ...]:
    """Indices of the tokens that move in one group's scenarios, rising."""
    return tuple(at for at, row in enumerate(rows) if row and tokens[at].scenarios.group == group.id)


def least_values(values: Sequence[int], rows: TokenRows) -> list[int]:
    """[k] the least value of a unit in any scenario, of which tiers of concentration take a part.

    A part of more than that and the scenario's loss together could exceed the token's value.
    """
    if not rows:
        return list(values)
    return [min(row) if row else value for value, row in zip(values, rows, strict=True)]
