"""Changes of validators that give somebody a voice: accepted, known to all, and not begun yet.

Rule: where genesis names a delay, whoever comes, gains power or shows another BLS key waits for it; who only leaves,
leaves at once, so keys that are lost or stolen can be put out in the next block. One waits at a time, and none is put
off by a request that is sent again. Whatever else changes the set meanwhile ends the waiting: the change was signed for
the set that was. It must not know how a change begins.
"""

from clearing.base.validators import ValidatorSet
from clearing.run import Run
from clearing.state.state import State
from clearing.validators.receipts import EntryDropped, EntryScheduled
from clearing.validators.records import EntryHeld
from clearing.validators.sets import seats_of, set_of


def entry_delay_ms(state: State) -> int:
    """How long who comes waits; 0: begins at once."""
    return state.terms.genesis.crisis.governance.entry_delay_ms


def schedule_entry(run: Run, index: int, before: ValidatorSet, after: ValidatorSet, approved: int) -> None:
    """Let a change wait that was checked for now, with a receipt."""
    number = seats_of(run.state).next + 1
    due_ms = run.time_ms + entry_delay_ms(run.state)
    run.state.entries.put(0, EntryHeld(number, before.hash, after, approved, run.block.height, due_ms))
    old, new = ({each.envelope_key: each for each in one.validators} for one in (before, after))
    run.receipts.append(
        EntryScheduled(
            index=index,
            number=number,
            before=before.hash,
            after=after.hash,
            due_ms=due_ms,
            left=tuple(key for key in old if key not in new),
            entered=tuple(key for key, each in new.items() if old.get(key) != each),
            approved_power=approved,
        )
    )


def due_entry(run: Run) -> EntryHeld | None:
    """The change whose time has come; one that starts from a set which is no more is dropped first."""
    held = run.state.entries.get(0)
    if held is None:
        return None
    number = seats_of(run.state).next
    in_force = set_of(run.state, number).hash
    if (held.number, held.before) != (number + 1, in_force):
        run.state.entries.remove(0)
        run.receipts.append(EntryDropped(held.number, held.before, held.after.hash, in_force))
        return None
    if run.time_ms < held.due_ms:
        return None
    run.state.entries.remove(0)
    return held
