"""The validator sets of a state, as the API shows them."""

from clearing.state.state import State
from clearing.validators.validator_sets import set_numbers, validator_sets
from consensus.application import MisbehaviourKind
from member.api.chain import ChangeView, EntryView, OffenceView, ValidatorsView, VaultWaiting, validator_view
from member.api.types import hexed
from node.api.calls import ApiCall


def validators_of(state: State) -> ValidatorsView:
    """Sets, the change under way, and misbehaviour on record."""
    sets = validator_sets(state)
    return ValidatorsView(
        network=hexed(state.terms.network),
        height=state.now.height,
        number=set_numbers(state).next,
        hash=hexed(sets.next.hash),
        total_power=sets.next.total_power,
        validators=tuple(validator_view(validator) for validator in sets.next.validators),
        agreeing_hash=hexed(sets.now.hash),
        change=_change(state),
        entry=_entry(state),
        offences=tuple(
            OffenceView(
                envelope_key=hexed(key),
                kind=MisbehaviourKind(kind).name.lower(),
                count=offences.count,
                height=offences.height,
                power=offences.power,
                noted_at=offences.recorded_height,
            )
            for (key, kind), offences in state.offences.ordered()
        ),
    )


def _entry(state: State) -> EntryView | None:
    addition = state.scheduled_additions.get(0)
    if addition is None:
        return None
    present = set(validator_sets(state).next.validators)
    return EntryView(
        number=addition.number,
        after=hexed(addition.after.hash),
        accepted_at=addition.accepted_height,
        due_ms=addition.due_ms,
        validators=tuple(
            validator_view(validator) for validator in addition.after.validators if validator not in present
        ),
    )


def _change(state: State) -> ChangeView | None:
    set_change = state.set_changes.get(0)
    if set_change is None:
        return None
    return ChangeView(
        number=set_change.number,
        made_at=set_change.height,
        effective_at=set_change.height + 2,
        waiting=tuple(
            VaultWaiting(chain_id=chain_id, vault=hexed(vault), astray=(chain_id, vault) in set_change.diverged_vaults)
            for chain_id, vault in set_change.awaited_vaults
        ),
    )


def validators(call: ApiCall) -> object:
    """Who agrees."""
    return call.view.validators()
