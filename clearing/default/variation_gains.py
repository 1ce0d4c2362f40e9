"""Variation gains: what every account gained since a member last covered all its initial margins.

Rule: exact, and cheap for blocks without trouble. A window is open for each member under a margin call; it keeps the
marks of the last block without one. While it is open, changes of positions are summed per account at the mark of the
change. The gain is then lots x (mark - mark then) - the sum of changed lots x (mark at the change - mark then). Only
marked instruments gain before they expire.
"""

from bisect import bisect_right

from clearing.base.ids import HOUSE_MEMBER
from clearing.context.block_context import BlockContext
from clearing.schema.records.default import GainsWindow, PositionChangesRecord
from clearing.state.holdings import position_lots
from clearing.state.indexes import CALLED_ACCOUNTS, INSTRUMENT_HOLDERS, holders
from clearing.state.state import State

_BYTES = 32


def open_gains_windows(context: BlockContext) -> None:
    """Open a window for each member with an account under a margin call."""
    state = context.state
    called = sorted({state.accounts[account].member for account in holders(state, CALLED_ACCOUNTS, 0)})
    for member in called:
        if member != HOUSE_MEMBER:
            open_gains_window(context, member)


def open_gains_window(context: BlockContext, member: int) -> GainsWindow:
    """The member's window, opened as of the block before when there is none."""
    window = context.state.gains_windows.get(member)
    if window is None:
        before = context.state.parent or context.state
        marks = tuple((each, mark.ticks) for each, mark in before.marks.ordered() if not mark.settled)
        window = GainsWindow(context.block.height - 1, marks)
        context.state.gains_windows.put(member, window)
    return window


def close_gains_windows(context: BlockContext, kept: set[int]) -> None:
    """Close those of members who have no account under a call and are not among `kept`; forget what nobody asks for."""
    state = context.state
    windows = [member for member, _ in state.gains_windows.ordered()]
    if not windows:
        return
    called = {state.accounts[account].member for account in holders(state, CALLED_ACCOUNTS, 0)}
    for member in windows:
        if member not in called and member not in kept:
            state.gains_windows.remove(member)
    if not any(True for _ in state.gains_windows.ordered()):
        _drop_position_changes(state)


def drop_gains_windows(context: BlockContext) -> None:
    """Forget all that was noted: where there are no defaults, changes are not followed, and it would soon be wrong."""
    windows = list(context.state.gains_windows.ordered())
    for member, _ in windows:
        context.state.gains_windows.remove(member)
    if windows:
        _drop_position_changes(context.state)


def _drop_position_changes(state: State) -> None:
    for account, _ in list(state.position_changes.ordered()):
        state.position_changes.remove(account)


def record_position_changes(context: BlockContext) -> None:
    """Take in this block's changes of positions that have not been yet, if there is a window.

    Within a block marks are settled before positions change, so that all of a block's are at its marks.
    """
    changes = context.positions.take_changes()
    heights = sorted({window.height for _, window in context.state.gains_windows.ordered()})
    if not heights:
        return
    summed: dict[tuple[int, int], int] = {}
    for account, instrument, lots in changes:
        summed[(account, instrument)] = summed.get((account, instrument), 0) + lots
    for account, instrument in sorted(summed):
        lots = summed[(account, instrument)]
        listed = context.terms.instruments.get(instrument)
        if lots and listed is not None and listed.is_marked:
            _add_change(
                context.state, account, heights, (instrument, lots, lots * context.state.marks[instrument].ticks)
            )


def _add_change(state: State, account: int, heights: list[int], change: tuple[int, int, int]) -> None:
    """Add one change; what no open window tells apart any more becomes one entry, so that there are never many."""
    record, (instrument, lots, value) = state.position_changes.get(account), change
    entries: dict[tuple[int, int], tuple[int, int]] = {}
    known = [(since, each, moved, _from_bytes(worth)) for since, each, moved, worth in record.changes] if record else []
    for since, each, moved, worth in [*known, (heights[-1], instrument, lots, value)]:
        at = bisect_right(heights, since)
        if at:
            before = entries.get((heights[at - 1], each), (0, 0))
            entries[(heights[at - 1], each)] = (before[0] + moved, before[1] + worth)
    told = tuple((*entry, entries[entry][0], _to_bytes(entries[entry][1])) for entry in sorted(entries))
    state.position_changes.put(account, PositionChangesRecord(told))


def gains_since(state: State, height: int, marks: tuple[tuple[int, int], ...]) -> dict[int, dict[int, int]]:
    """Micros that each account gained (negative: lost) since the block at `height`, by instrument of `marks`.

    Those listed since the window was opened count for nothing. Linear in holders and changes, however many instruments.
    """
    instruments = state.terms.instruments
    then = {each: ticks for each, ticks in marks if each in instruments and instruments[each].is_marked}
    found: dict[int, dict[int, int]] = {each: {} for each, _ in marks if each in instruments}
    for each, ticks in then.items():
        moved = state.marks[each].ticks - ticks
        for account in holders(state, INSTRUMENT_HOLDERS, each):
            found[each][account] = position_lots(state, account, each) * moved
    for account, record in state.position_changes.ordered():
        for since, each, lots, worth in record.changes:
            if each in then and since >= height:
                gains = found[each]
                gains[account] = gains.get(account, 0) - (_from_bytes(worth) - lots * then[each])
    values = {each: instruments[each].micros_per_tick for each in then}
    return {each: {account: ticks * values[each] for account, ticks in found[each].items()} for each in found}


def _from_bytes(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def _to_bytes(value: int) -> bytes:
    return value.to_bytes(_BYTES, "big", signed=True)
