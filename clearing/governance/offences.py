"""What misbehaviour costs a validator by rule: its seat.

Rule: once consensus has proven so many offences of one kind against a key, it goes with the next change that can be
made, one at a time and within the limits of every change. A vote may take it in again; only what comes after counts
then. Without the rule, and for anything else, a vote removes.
"""

from clearing.base.errors import Rejected
from clearing.governance.effects import NO_INDEX
from clearing.governance.receipts import ValidatorRemoved
from clearing.governance.records import Forgiven
from clearing.run import Run
from clearing.state.state import State
from clearing.validators.changes import begin_change, plan_change
from clearing.validators.sets import seats_of, set_of


def remove_offenders(run: Run) -> None:
    """Begin the change that removes the first offender who can be."""
    limit = run.terms.genesis.crisis.governance.removal_offences
    if not limit or run.state.changes.get(0) is not None:
        return
    seated = {each.envelope_key: each.power for each in set_of(run.state, seats_of(run.state).next).validators}
    for (key, kind), held in run.state.offences.ordered():
        if key not in seated or held.count - forgiven(run.state, key, kind) < limit:
            continue
        planned = plan_change(run.state, (key,), ())
        if isinstance(planned, Rejected):
            # More than a third of the power: nobody but those validators themselves can change that.
            continue
        run.receipts.append(ValidatorRemoved(key, kind, held.count, seated[key]))
        _forgive(run.state, key)
        begin_change(run, NO_INDEX, planned, 0)
        return


def forgiven(state: State, key: bytes, kind: int) -> int:
    """Offences that this key has lost its seat for already."""
    held = state.forgiven.get((key, kind))
    return held.count if held else 0


def _forgive(state: State, key: bytes) -> None:
    """All of its offences so far have cost it this seat."""
    for (offender, kind), held in list(state.offences.ordered()):
        if offender == key:
            state.forgiven.put((key, kind), Forgiven(held.count))
