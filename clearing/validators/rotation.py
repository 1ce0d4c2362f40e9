"""When a change of validators is over: every vault was seen to take the new set, and its validators speak.

Rule: a vault's rotation counts when more than two thirds of the power saw the same final event; until the last one no
other change begins, so a vault is never more than one set behind. It must not know how a vault is seen.
"""

import msgspec

from clearing.facts import ValidatorsRotated
from clearing.run import Run
from clearing.state.state import State
from clearing.validators.receipts import ChangeFinished, VaultAstray, VaultRotated
from clearing.validators.sets import seats_of, set_of


def is_rotation_awaited(state: State, fact: ValidatorsRotated) -> bool:
    """Whether the change under way waits for this vault, and the event is of the header that rotates it."""
    held = state.changes.get(0)
    vault = (fact.chain_id, fact.vault)
    waits = held is not None and vault in held.waiting and vault not in held.astray
    return waits and held is not None and fact.height == held.height + 1


def rotation_is_over(state: State, fact: ValidatorsRotated) -> bool:
    """Whether nobody waits for this event any more, nor will: what is ahead of the state may be awaited later."""
    return fact.height <= state.now.height + 1 and not is_rotation_awaited(state, fact)


def note_rotation(run: Run, fact: ValidatorsRotated) -> None:
    """A quorum saw an awaited event. A vault that follows a set that is not ours is told, and waited for in vain."""
    held = run.state.changes.get(0)
    if held is None:
        return
    expected = set_of(run.state, held.number).hash
    if fact.validators_hash != expected:
        astray = tuple(sorted((*held.astray, (fact.chain_id, fact.vault))))
        run.state.changes.put(0, msgspec.structs.replace(held, astray=astray))
        run.receipts.append(
            VaultAstray(fact.chain_id, fact.vault, fact.validators_hash, expected, fact.block_number, fact.source)
        )
        return
    waiting = tuple(each for each in held.waiting if each != (fact.chain_id, fact.vault))
    run.state.changes.put(0, msgspec.structs.replace(held, waiting=waiting))
    run.receipts.append(
        VaultRotated(fact.chain_id, fact.vault, held.number, fact.block_number, fact.source, len(waiting))
    )


def finish_change(run: Run) -> None:
    """Let the next change begin once no vault is waited for and all sets in use are the new one."""
    held = run.state.changes.get(0)
    if held is None or held.waiting or seats_of(run.state).heard != held.number:
        return
    run.state.changes.remove(0)
    run.receipts.append(ChangeFinished(held.number, run.block.height - held.height))
