"""What the API says of ranges: those in force, and how they came to be.

Rule: reads the state only. Before the first publication genesis' figures stand, with the rest zero.
"""

import msgspec

from clearing.ranges.effective import effective_group
from clearing.state.state import State
from node.api.shapes import GroupRange


def group_ranges(state: State) -> tuple[GroupRange, ...]:
    """One for every risk group, ordered by id."""
    found = []
    for group in state.terms.risk.groups:
        current, held = effective_group(state, group), state.ranges.get(group.id)
        shown = GroupRange(
            group=group.id,
            name=group.name,
            range_ppm=current.range_ppm,
            volatility_ppm=current.volatility_ppm,
            volatility_range_ppm=current.volatility_range_ppm,
        )
        if held is not None:
            shown = msgspec.structs.replace(
                shown,
                raw_ppm=held.raw_ppm,
                stressed_ppm=held.stressed_ppm,
                floor_ppm=held.floor_ppm,
                target_ppm=held.target_ppm,
                buffer_ppm=held.buffer_ppm,
                multiple_ppm=held.multiple_ppm,
                horizon_ms=held.horizon_ms,
                change_ratio_ppm=held.ratio_ppm,
                lowest_ppm=held.lowest_ppm,
                highest_ppm=held.highest_ppm,
                published_height=held.height,
            )
        found.append(shown)
    return tuple(found)
