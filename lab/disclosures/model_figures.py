"""Figures of the parameters in force at a day's close: the margin model, its ranges, and the haircuts that follow them.

Rule: a confidence rounds down, days round up.
"""

from collections.abc import Iterator

from clearing.base.units import DAY_MS, PPM
from clearing.schema.terms.default import default_blocks_max
from clearing.state.effective_parameters import effective_assets, effective_parameters
from clearing.state.state import State

Value = tuple[str, int | str, str]
"""(item, value, unit)."""
MODEL = "docs/explanation/requirement.md"


def close_out_period(state: State) -> Iterator[Value]:
    """6.4.11."""
    horizon_ms = state.terms.genesis.ranges.horizon_ms
    yield "days", -(-horizon_ms // DAY_MS), "days"
    yield "exactly", horizon_ms, "ms"


def close_out_of_default(state: State) -> Iterator[Value]:
    """4.4.2."""
    yield from close_out_period(state)
    yield "default_lasts_at_most", default_blocks_max(state.terms.crisis.default), "blocks"


def one_sided_ppm(confidence_ppm: int) -> int:
    """The confidence on one side of a range that covers so much on both, in millionths, rounded down."""
    return PPM - -(-(PPM - confidence_ppm) // 2)


def confidence(state: State) -> Iterator[Value]:
    """6.4.5."""
    both = state.terms.genesis.ranges.confidence_ppm
    yield "single_tailed", one_sided_ppm(both), "ppm"
    yield "both_sides", both, "ppm"


def model_type(state: State) -> Iterator[Value]:
    """6.4.1."""
    risk = effective_parameters(state)
    yield "group", "portfolio simulation: the worst scenario of a grid", "text"
    yield "scenarios_by_group", max((len(risk.grid(group)) for group in risk.groups), default=0), "count"
    joint = "expected shortfall over joint scenarios" if risk.joint.scenarios else "sum of the groups"
    yield "groups_together", joint, "text"


def model_name(_: State) -> Iterator[Value]:
    """6.4.3."""
    yield "", f"scenario arrays ({MODEL})", "text"


def look_back(state: State) -> Iterator[Value]:
    """6.4.7."""
    ranges = state.terms.genesis.ranges
    yield "observations", ranges.window, "observations"
    yield "span", ranges.window * ranges.interval_ms, "ms"


def adjustments(state: State) -> Iterator[Value]:
    """6.4.9."""
    ranges, risk = state.terms.genesis.ranges, effective_parameters(state)
    yield "decay", ranges.decay_ppm, "ppm"
    yield "procyclicality_buffer", ranges.buffer_ppm, "ppm"
    yield "stress_weight", ranges.stress_weight_ppm, "ppm"
    yield "joint_scenarios", len(risk.joint.scenarios), "count"
    yield "maintenance", risk.maintenance_numerator * PPM // risk.maintenance_denominator, "ppm"
    for group in risk.groups:
        yield f"range/{group.name}", group.range_ppm, "ppm"
        yield f"volatility_range/{group.name}", group.volatility_range_ppm, "ppm"


def reviews(state: State) -> Iterator[Value]:
    """6.4.14."""
    ranges = state.terms.genesis.ranges
    yield (
        "ranges",
        state.terms.market.epoch_blocks if ranges.enabled else "never",
        "blocks" if ranges.enabled else "text",
    )
    yield "all_else", "by governance, at any time", "text"


def haircut_confidence(state: State) -> Iterator[Value]:
    """5.3.1."""
    ranges = state.terms.genesis.ranges
    for name, follows in _tokens(state):
        if follows:
            yield name, one_sided_ppm(ranges.confidence_ppm), "ppm"
        else:
            yield name, "set by governance, without one", "text"
    yield "tokens", len(effective_assets(state)), "count"


def haircut_holding(state: State) -> Iterator[Value]:
    """5.3.2."""
    for name, follows in _tokens(state):
        if follows:
            yield name, state.terms.genesis.ranges.horizon_ms, "ms"
    yield "test", "up to 1 day", "text"


def _tokens(state: State) -> Iterator[tuple[str, bool]]:
    """Tokens, and whether a range that moves is a part of their haircut."""
    moving = (
        {group.feed for group in effective_parameters(state).groups} if state.terms.genesis.ranges.enabled else set()
    )
    for token in effective_assets(state):
        yield token.name, token.haircut.range_share_ppm > 0 and token.feed in moving
