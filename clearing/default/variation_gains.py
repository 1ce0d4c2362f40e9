"""Variation gains: what every account gained since a member last covered all its initial margins.

Rule: exact, and cheap for blocks without margin calls.

1. A window is open for each member under a margin call. It stores the marks of the last block without one.
2. While it is open, position changes are summed per account at the mark of the change.
3. gain = lots x (mark - first mark) - sum of changed lots x (mark at the change - first mark).

4. Equity that requests pass on meanwhile is recorded, too: by trades away from the mark, swaps, and transfers between
   accounts of one member. Gains that went to another account are then that account's.

Options gain like other instruments, by their marks: what they gained is equity, though nothing was paid yet.
"""

from bisect import bisect_right

from clearing.base.ids import HOUSE_MEMBER
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import defaults_under_way
from clearing.schema.records.default import GainsWindow, PositionChangesRecord
from clearing.state.holdings import position_lots
from clearing.state.indexes import CALLED_ACCOUNTS, INSTRUMENT_HOLDERS, holders
from clearing.state.state import State

_BYTES = 32
VALUE_PASSED, OWN_TRANSFERS = 0, 2**32 - 1
"""In place of an instrument: equity received from others by trades and swaps, and from accounts of the same member."""


def open_gains_windows(context: BlockContext) -> None:
    """Open a window for each member with an account under a margin call."""
    state = context.state
    called = sorted({state.accounts[account].member for account in holders(state, CALLED_ACCOUNTS, 0)})
    for member in called:
        if member != HOUSE_MEMBER or context.terms.crisis.house.own_default:
            open_gains_window(context, member)


def open_gains_window(context: BlockContext, member: int) -> GainsWindow:
    """The member's window; opened as of the previous block when there is none."""
    window = context.state.gains_windows.get(member)
    if window is None:
        before = context.state.parent or context.state
        marks = tuple((instrument, mark.ticks) for instrument, mark in before.marks.ordered() if not mark.settled)
        window = GainsWindow(context.block.height - 1, marks)
        context.state.gains_windows.put(member, window)
    return window


def close_gains_windows(context: BlockContext, defaulting: set[int]) -> None:
    """Close windows of members that have no called account and are not `defaulting`; delete unused position changes."""
    state = context.state
    windows = [member for member, _ in state.gains_windows.ordered()]
    if not windows:
        return
    called = {state.accounts[account].member for account in holders(state, CALLED_ACCOUNTS, 0)}
    for member in windows:
        if member not in called and member not in defaulting:
            state.gains_windows.remove(member)
    if not any(True for _ in state.gains_windows.ordered()):
        _drop_position_changes(state)


def drop_gains_windows(context: BlockContext) -> None:
    """Delete all windows and changes: without default rules, changes are not recorded and would soon be wrong."""
    windows = list(context.state.gains_windows.ordered())
    for member, _ in windows:
        context.state.gains_windows.remove(member)
    if windows:
        _drop_position_changes(context.state)


def recorded_heights(state: State) -> list[int]:
    """The heights that distinguish changes: of open windows, and of open defaults' declarations; rising."""
    declared = {default.declared_height for _, default in defaults_under_way(state)}
    return sorted({window.height for _, window in state.gains_windows.ordered()} | declared)


def _drop_position_changes(state: State) -> None:
    for account, _ in list(state.position_changes.ordered()):
        state.position_changes.remove(account)


def record_position_changes(context: BlockContext) -> None:
    """Record this block's new position changes, and equity passed on, if there is a window.

    Within a block marks are settled before positions change, so all changes of a block are at its marks.
    """
    changes, moved = context.positions.take_changes(), context.values_moved
    context.values_moved = []
    heights = recorded_heights(context.state)
    if not heights:
        return
    summed: dict[tuple[int, int], int] = {}
    for account, instrument, lots in changes:
        summed[(account, instrument)] = summed.get((account, instrument), 0) + lots
    for account, instrument in sorted(summed):
        lots, mark = summed[(account, instrument)], context.state.marks.get(instrument)
        if lots and mark is not None and instrument in context.terms.instruments:
            _add_change(context.state, account, heights, (instrument, lots, lots * mark.ticks))
    passed: dict[tuple[int, int], int] = {}
    for value in moved:
        column = OWN_TRANSFERS if value.own else VALUE_PASSED
        passed[(value.payer, column)] = passed.get((value.payer, column), 0) - value.micros
        passed[(value.payee, column)] = passed.get((value.payee, column), 0) + value.micros
    for account, column in sorted(passed):
        if micros := passed[(account, column)]:
            _add_change(context.state, account, heights, (column, 0, micros))


def _add_change(state: State, account: int, heights: list[int], change: tuple[int, int, int]) -> None:
    """Add one change. Changes that no open window distinguishes are merged into one entry, so there are few."""
    record, (instrument, lots, value) = state.position_changes.get(account), change
    entries: dict[tuple[int, int], tuple[int, int]] = {}
    known = (
        [(since, changed, moved, _from_bytes(traded)) for since, changed, moved, traded in record.changes]
        if record
        else []
    )
    for since, changed, moved, traded in [*known, (heights[-1], instrument, lots, value)]:
        at = bisect_right(heights, since)
        if at:
            before = entries.get((heights[at - 1], changed), (0, 0))
            entries[(heights[at - 1], changed)] = (before[0] + moved, before[1] + traded)
    merged = tuple((*entry, entries[entry][0], _to_bytes(entries[entry][1])) for entry in sorted(entries))
    state.position_changes.put(account, PositionChangesRecord(merged))


def gains_since(state: State, height: int, marks: tuple[tuple[int, int], ...]) -> dict[int, dict[int, int]]:
    """Micros that each account gained (negative: lost) since the block at `height`, by instrument of `marks`.

    Instruments listed after the window was opened do not count. Linear in holders and changes, independent of the
    number of instruments.
    """
    instruments = state.terms.instruments
    then = {instrument: ticks for instrument, ticks in marks if instrument in instruments}
    found: dict[int, dict[int, int]] = {instrument: {} for instrument in then}
    for instrument, ticks in then.items():
        moved = state.marks[instrument].ticks - ticks
        for account in holders(state, INSTRUMENT_HOLDERS, instrument):
            found[instrument][account] = position_lots(state, account, instrument) * moved
    for account, record in state.position_changes.ordered():
        for since, instrument, lots, traded in record.changes:
            if instrument in then and since >= height:
                gains = found[instrument]
                gains[account] = gains.get(account, 0) - (_from_bytes(traded) - lots * then[instrument])
    values = {instrument: instruments[instrument].micros_per_tick for instrument in then}
    return {
        instrument: {account: ticks * values[instrument] for account, ticks in found[instrument].items()}
        for instrument in found
    }


def lots_changed_since(state: State, height: int) -> dict[tuple[int, int], int]:
    """Lots by which positions changed after a height, by account and instrument."""
    found: dict[tuple[int, int], int] = {}
    for account, record in state.position_changes.ordered():
        for since, instrument, lots, _ in record.changes:
            if since >= height and lots:
                found[(account, instrument)] = found.get((account, instrument), 0) + lots
    return found


def value_received_since(state: State, height: int, column: int) -> dict[int, int]:
    """Micros of equity that each account received since the block at `height` (negative: gave).

    `column`: VALUE_PASSED or OWN_TRANSFERS.
    """
    found: dict[int, int] = {}
    for account, record in state.position_changes.ordered():
        micros = sum(
            _from_bytes(value) for since, changed, _, value in record.changes if changed == column and since >= height
        )
        if micros:
            found[account] = micros
    return found


def _from_bytes(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def _to_bytes(value: int) -> bytes:
    return value.to_bytes(_BYTES, "big", signed=True)
