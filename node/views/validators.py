"""The validator sets of a state as the API shows them.

Rule: reads only. Linear in the set and in who was ever proven to misbehave.
"""

from clearing.base.validators import Validator
from clearing.state.state import State
from clearing.validators.sets import seats_of, sets_of
from consensus.application import MisbehaviourKind
from node.api.render import hexed
from node.api.validator_shapes import ChangeView, EntryView, OffenceView, ValidatorsView, ValidatorView, VaultWaiting


def validators_of(state: State) -> ValidatorsView:
    """Sets, the change under way, and misbehaviour on record."""
    sets = sets_of(state)
    return ValidatorsView(
        network=hexed(state.terms.network),
        height=state.now.height,
        number=seats_of(state).next,
        hash=hexed(sets.next.hash),
        total_power=sets.next.total_power,
        validators=tuple(validator_view(each) for each in sets.next.validators),
        agreeing_hash=hexed(sets.now.hash),
        change=_change(state),
        entry=_entry(state),
        offences=tuple(
            OffenceView(
                envelope_key=hexed(key),
                kind=MisbehaviourKind(kind).name.lower(),
                count=held.count,
                height=held.height,
                power=held.power,
                noted_at=held.noted_height,
            )
            for (key, kind), held in state.offences.ordered()
        ),
    )


def validator_view(validator: Validator) -> ValidatorView:
    """One validator in JSON's terms."""
    return ValidatorView(
        envelope_key=hexed(validator.envelope_key),
        bls_key=hexed(validator.bls_key),
        power=validator.power,
        possession=hexed(validator.possession),
    )


def _entry(state: State) -> EntryView | None:
    held = state.entries.get(0)
    if held is None:
        return None
    present = set(sets_of(state).next.validators)
    return EntryView(
        number=held.number,
        after=hexed(held.after.hash),
        accepted_at=held.accepted_height,
        due_ms=held.due_ms,
        validators=tuple(validator_view(each) for each in held.after.validators if each not in present),
    )


def _change(state: State) -> ChangeView | None:
    held = state.changes.get(0)
    if held is None:
        return None
    return ChangeView(
        number=held.number,
        made_at=held.height,
        effective_at=held.height + 2,
        waiting=tuple(
            VaultWaiting(chain_id=chain_id, vault=hexed(vault), astray=(chain_id, vault) in held.astray)
            for chain_id, vault in held.waiting
        ),
    )
