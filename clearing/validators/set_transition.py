"""Validator-set transition: attestations are carried over, and the change ends when every vault has rotated.

Rule: an attestation belongs to an envelope key. A remaining validator keeps its attestations, under its new index and
power; those of validators that left no longer count. Attestations on events are counted again under the new set. A
vault's rotation counts when more than two thirds of the power saw the same final event. No other change begins before
the last one ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from clearing.base.validators import ValidatorSet
from clearing.context.block_context import BlockContext
from clearing.schema.facts import ValidatorsRotated
from clearing.schema.receipts.validators import ValidatorChangeFinished, VaultDiverged, VaultRotated
from clearing.schema.records.collateral import Attestation, HeartbeatRecord
from clearing.schema.records.prices import PriceReportRecord
from clearing.schema.records.surfaces import SurfaceReportRecord
from clearing.state.state import State
from clearing.state.table import Table
from clearing.validators.validator_sets import advance_sets, set_numbers, stored_set

ValidatorReport = TypeVar("ValidatorReport", PriceReportRecord, HeartbeatRecord, SurfaceReportRecord)


@dataclass(frozen=True, slots=True)
class ValidatorPlace:
    """A validator's index and power in the new set."""

    index: int
    power: int


def transition_validator_sets(context: BlockContext) -> None:
    """Advance the sets by one height and, when the attesting set changes, move all attestations."""
    changed_sets = advance_sets(context.state)
    if changed_sets is None:
        return
    places = _new_places(*changed_sets)
    _reindex(context.state.price_reports, places)
    _reindex(context.state.heartbeats, places)
    _reindex(context.state.surface_reports, places)
    _collect_attestations(context, places)


def _new_places(before: ValidatorSet, after: ValidatorSet) -> dict[int, ValidatorPlace]:
    """Old index to new place, for validators in both sets."""
    return {
        index: ValidatorPlace(
            after.index_of[validator.envelope_key],
            after.validators[after.index_of[validator.envelope_key]].power,
        )
        for index, validator in enumerate(before.validators)
        if validator.envelope_key in after.index_of
    }


def _reindex(table: Table[tuple[int, int], ValidatorReport], places: Mapping[int, ValidatorPlace]) -> None:
    """Move each report under (subject, validator) to its validator's new index; drop those of validators that left."""
    reports = list(table.ordered())
    for key, _ in reports:
        table.remove(key)
    for (subject, validator), report in reports:
        place = places.get(validator)
        if place is not None:
            table.put((subject, place.index), msgspec.structs.replace(report, power=place.power))


def _collect_attestations(context: BlockContext, places: Mapping[int, ValidatorPlace]) -> None:
    """Take every attestation on events and custody out of the state, to be counted again by the bridge-fact rule."""
    events, custody = (
        list(context.state.fact_attestations.ordered()),
        list(context.state.custody_attestations.ordered()),
    )
    for event, _ in events:
        context.state.fact_attestations.remove(event)
    for asset, _ in custody:
        context.state.custody_attestations.remove(asset)
    for _, record in (*events, *custody):
        for attestation in record.attestations:
            place = places.get(attestation.validator)
            if place is not None:
                context.attestations_to_recount.append(Attestation(place.index, place.power, attestation.fact))


def is_rotation_awaited(state: State, fact: ValidatorsRotated) -> bool:
    """Whether the change under way waits for this vault, and the event is of the header that rotates it."""
    set_change = state.set_changes.get(0)
    vault = (fact.chain_id, fact.vault)
    is_awaited = (
        set_change is not None and vault in set_change.awaited_vaults and vault not in set_change.diverged_vaults
    )
    return is_awaited and set_change is not None and fact.height == set_change.height + 1


def rotation_is_over(state: State, fact: ValidatorsRotated) -> bool:
    """Whether this event is not awaited now or later. An event ahead of the state may be awaited later."""
    return fact.height <= state.now.height + 1 and not is_rotation_awaited(state, fact)


def record_rotation(context: BlockContext, fact: ValidatorsRotated) -> None:
    """Record an awaited event that a quorum saw. A vault that follows another set than ours is reported as diverged."""
    set_change = context.state.set_changes.get(0)
    if set_change is None:
        return
    expected = stored_set(context.state, set_change.number).hash
    if fact.validators_hash != expected:
        diverged = tuple(sorted((*set_change.diverged_vaults, (fact.chain_id, fact.vault))))
        context.state.set_changes.put(0, msgspec.structs.replace(set_change, diverged_vaults=diverged))
        context.receipts.append(
            VaultDiverged(fact.chain_id, fact.vault, fact.validators_hash, expected, fact.block_number, fact.source)
        )
        return
    waiting = tuple(
        awaited_vault for awaited_vault in set_change.awaited_vaults if awaited_vault != (fact.chain_id, fact.vault)
    )
    context.state.set_changes.put(0, msgspec.structs.replace(set_change, awaited_vaults=waiting))
    context.receipts.append(
        VaultRotated(fact.chain_id, fact.vault, set_change.number, fact.block_number, fact.source, len(waiting))
    )


def finish_set_change(context: BlockContext) -> None:
    """End the change once no vault is awaited and all sets in use are the new one."""
    set_change = context.state.set_changes.get(0)
    if set_change is None or set_change.awaited_vaults or set_numbers(context.state).attesting != set_change.number:
        return
    context.state.set_changes.remove(0)
    context.receipts.append(ValidatorChangeFinished(set_change.number, context.block.height - set_change.height))
