"""`effective_parameters`: the risk parameters in force at a state.

Rule: genesis where nothing was observed, the state's ranges where they were published. Whoever asks what risk is at a
height asks here; `Terms.risk` is what the network started with. Reads only.
"""

import msgspec

from clearing.margin.parameters import RiskGroup, RiskParameters
from clearing.state.state import State


def effective_parameters(state: State) -> RiskParameters:
    """Genesis' risk parameters with the current ranges and volatilities of every risk group."""
    risk = state.terms.risk
    if not state.terms.genesis.ranges.enabled:
        return risk
    groups = tuple(effective_group(state, group) for group in risk.groups)
    held = state.joint.get(0)
    return msgspec.structs.replace(risk, groups=groups, joint=held.credit if held else risk.joint)


def effective_group(state: State, group: RiskGroup) -> RiskGroup:
    """One risk group as it is in force."""
    published = state.ranges.get(group.id)
    if published is None:
        return group
    return msgspec.structs.replace(
        group,
        range_ppm=published.range_ppm,
        volatility_ppm=published.volatility_ppm,
        volatility_range_ppm=published.volatility_range_ppm,
    )
