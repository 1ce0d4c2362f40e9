"""Cover rules: the required size of the default fund, and each member's share of it, as functions of figures.

Rule: pure functions. A member's shortfall is the sum of its accounts' shortfalls in a stress scenario. What a member
owes rounds up, so the shares sum to the target or more. This module knows no state and moves no money.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clearing.base.units import PPM, mul_div_up
from clearing.schema.receipts.default_fund import StressSizing
from clearing.schema.terms.default import MICROS_MAX, FundSizing, FundTerms

LARGEST_LISTED = 3
"""How many members each scenario lists: those that determine its sizes."""


@dataclass(frozen=True, slots=True)
class StressNeeds:
    """What must be covered: each member's shortfall by scenario, and what the house bears before members do."""

    shortfalls: tuple[tuple[str, Mapping[int, int]], ...]
    """Name of the scenario, and micros by member."""
    house_micros: int
    margins: Mapping[int, int]
    """Micros of initial margin by contributing member; ordered by member."""


def cover_two(losses: Sequence[int]) -> int:
    """The two largest together."""
    return sum(sorted(losses, reverse=True)[:2])


def largest_or_next_two(losses: Sequence[int]) -> int:
    """The largest alone, or the second and the third together, whichever is more."""
    ordered = [*sorted(losses, reverse=True)[:3], 0, 0, 0]
    return max(ordered[0], ordered[1] + ordered[2])


def stress_size(name: str, lacking: Mapping[int, int]) -> StressSizing:
    """Both sizes of one scenario, with the members that determine them."""
    largest = sorted(((member, micros) for member, micros in lacking.items() if micros), key=lambda m: (-m[1], m[0]))
    losses = [micros for _, micros in largest]
    return StressSizing(name, tuple(largest[:LARGEST_LISTED]), cover_two(losses), largest_or_next_two(losses))


def required_fund_size(scenarios: Sequence[StressSizing], house_micros: int, terms: FundTerms) -> int:
    """What members must contribute to bear the worst scenario's requirement, after the house, with the buffer.

    At most `MICROS_MAX`, which is more cash than a group can have.
    """
    asked = [
        scenario.cover_two if terms.sizing == FundSizing.COVER_TWO else scenario.largest_or_next_two
        for scenario in scenarios
    ]
    return min(mul_div_up(max(max(asked, default=0) - house_micros, 0), PPM + terms.buffer_ppm, PPM), MICROS_MAX)


def recent_sizes(before: Sequence[int], size: int, terms: FundTerms) -> tuple[int, ...]:
    """The sizes of the last epochs including this one; their largest is the target."""
    return (*before, size)[-terms.lookback_epochs :]


def contribution_exposure(before: int, margin: int, terms: FundTerms) -> int:
    """The weight of a member's share: its margin now, or the remembered part of the last exposure; rounded up."""
    return max(margin, mul_div_up(before, terms.exposure_memory_ppm, PPM))


def contribution_parts(target: int, exposures: Mapping[int, int], terms: FundTerms) -> dict[int, int]:
    """Every member's required contribution: pro rata to its exposure, at least the minimum.

    1. Members whose pro-rata share is below the minimum pay the minimum, and the others share the rest, until none is
       below.
    2. Without any exposure all weigh the same.
    3. Each contribution is rounded up to a multiple of the step.

    At most one pass per member.
    """
    if not exposures:
        return {}
    weights = dict(exposures) if any(exposures.values()) else dict.fromkeys(exposures, 1)
    rest, open_ = target, sorted(weights)
    while open_:
        whole = sum(weights[member] for member in open_)
        below = {member for member in open_ if rest * weights[member] < terms.minimum_micros * whole or not whole}
        if not below:
            break
        rest = max(rest - terms.minimum_micros * len(below), 0)
        open_ = [member for member in open_ if member not in below]
    whole = sum(weights[member] for member in open_)
    sharing = set(open_)
    parts = {
        member: mul_div_up(rest, weights[member], whole) if member in sharing else terms.minimum_micros
        for member in sorted(weights)
    }
    return {member: -(-part // terms.step_micros) * terms.step_micros for member, part in parts.items()}
