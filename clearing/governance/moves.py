"""What the state remembers of moves, put in order again when risk groups or the window change.

Rule: a group keeps what was observed of it, a new one has observed nothing; the newest observations stay. Joint
scenarios name columns of the grid by number, so they go with any change of grids and come again with the next epoch.
"""

from clearing.genesis import Genesis
from clearing.ranges.records import Move, Moves
from clearing.state.state import State


def reorder_moves(state: State, before: Genesis, after: Genesis) -> None:
    """Rewrite moves, ranges and joint scenarios for other groups, grids or windows."""
    old, new = (tuple(group.id for group in genesis.risk.groups) for genesis in (before, after))
    if old != new or before.ranges.window != after.ranges.window:
        _rewrite(state, old, new, after.ranges.window)
    for group in set(old) - set(new):
        state.variances.remove(group)
        state.ranges.remove(group)
    if before.risk != after.risk or before.ranges != after.ranges:
        state.joint.remove(0)


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
