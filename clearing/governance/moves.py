"""What the state remembers of moves, put in order again when risk groups or the window change.

Rule: a group keeps what was observed of it, a new one has observed nothing; the newest observations stay. Joint
scenarios name columns of the grid by number, so they go with any change of grids and come again with the next epoch.
"""

import msgspec

from clearing.base.units import PPM
from clearing.genesis import Genesis
from clearing.margin.parameters import RiskGroup
from clearing.ranges.parameters import RangeParameters
from clearing.ranges.records import Move, Moves
from clearing.state.state import State


def reorder_moves(state: State, before: Genesis, after: Genesis) -> None:
    """Rewrite moves, ranges and joint scenarios for other groups, grids or windows."""
    old, new = (tuple(group.id for group in genesis.risk.groups) for genesis in (before, after))
    if old != new or before.ranges.window != after.ranges.window:
        _rewrite(state, old, new, after.ranges.window)
    for gone in sorted(set(old) - set(new)):
        state.variances.remove(gone)
        state.ranges.remove(gone)
    if before.risk != after.risk or before.ranges != after.ranges:
        state.joint.remove(0)
        for group in after.risk.groups:
            _keep_within(state, group, after.ranges)


def _keep_within(state: State, group: RiskGroup, ranges: RangeParameters) -> None:
    """Hold what was last published to the new bounds, which the next statement is judged by; never a smaller range."""
    held = state.ranges.get(group.id)
    if held is None or not ranges.enabled:
        return
    weight = ranges.volatility_weight_ppm
    lowest = max(group.volatility_ppm * (PPM - weight) // PPM, 1)
    volatility = max(held.volatility_ppm, lowest) if weight else group.volatility_ppm
    shift = max(held.volatility_range_ppm, group.volatility_range_ppm)
    within = msgspec.structs.replace(
        held,
        range_ppm=min(max(held.range_ppm, ranges.range_min_ppm), ranges.range_max_ppm),
        volatility_ppm=volatility,
        volatility_range_ppm=shift if ranges.volatility_multiple_ppm else group.volatility_range_ppm,
    )
    if within != held:
        state.ranges.put(group.id, within)


def _rewrite(state: State, old: tuple[int, ...], new: tuple[int, ...], window: int) -> None:
    kept = sorted(state.returns.ordered(), key=lambda each: (each[1].time_ms, each[0]))
    if not kept:
        return
    for number, _ in kept:
        state.returns.remove(number)
    clock = state.range_clock.get(0)
    samples = clock.samples if clock else len(kept)
    newest = kept[-window:]
    for at, (_, held) in enumerate(newest):
        moves = dict(zip(old, held.moves, strict=True))
        ordered = tuple(moves.get(group, Move(0, 0)) for group in new)
        # The next observation takes place `samples` modulo the window; those before it are counted back from there.
        state.returns.put((samples - len(newest) + at) % window, Moves(held.time_ms, ordered))
