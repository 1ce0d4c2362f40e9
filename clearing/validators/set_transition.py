"""Validator-set transition: attestations are carried over, and the change ends when every vault has rotated.

Rule: an attestation belongs to an envelope key. Who stays keeps its attestations, under its new index and power;
those of validators who left count no more. Attestations on events are counted again under the new set. A vault's
rotation counts when more than two thirds of the power saw the same final event; no other change begins before the
last one.
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
from clearing.state.state import State
from clearing.state.table import Table
from clearing.validators.validator_sets import advance_sets, kept_set, set_numbers

ValidatorReport = TypeVar("ValidatorReport", PriceReportRecord, HeartbeatRecord)


@dataclass(frozen=True, slots=True)
class ValidatorPlace:
    """Where a validator is in the new set."""

    index: int
    power: int


def transition_validator_sets(context: BlockContext) -> None:
    """Move the sets on by one height and, where who speaks changes, all words with them."""
    turned = advance_sets(context.state)
    if turned is None:
        return
    seats = new_places(*turned)
    _reindex(context.state.price_reports, seats)
    _reindex(context.state.heartbeats, seats)
    _collect_attestations(context, seats)


def new_places(before: ValidatorSet, after: ValidatorSet) -> dict[int, ValidatorPlace]:
    """Old index to new place, of those in both sets."""
    return {
        index: ValidatorPlace(
            after.index_of[each.envelope_key], after.validators[after.index_of[each.envelope_key]].power
        )
        for index, each in enumerate(before.validators)
        if each.envelope_key in after.index_of
    }


def _reindex(table: Table[tuple[int, int], ValidatorReport], places: Mapping[int, ValidatorPlace]) -> None:
    """Move each word, kept under (subject, validator), to its validator's new seat; drop those of who left."""
    held = list(table.ordered())
    for key, _ in held:
        table.remove(key)
    for (subject, validator), word in held:
        seat = places.get(validator)
        if seat is not None:
            table.put((subject, seat.index), msgspec.structs.replace(word, power=seat.power))


def _collect_attestations(context: BlockContext, places: Mapping[int, ValidatorPlace]) -> None:
    """Take every word on an event and on custody out of the state, for the bridge's rule to hear it again."""
    claims, custody = (
        list(context.state.fact_attestations.ordered()),
        list(context.state.custody_attestations.ordered()),
    )
    for event, _ in claims:
        context.state.fact_attestations.remove(event)
    for asset, _ in custody:
        context.state.custody_attestations.remove(asset)
    for _, claim in (*claims, *custody):
        for word in claim.attestations:
            seat = places.get(word.validator)
            if seat is not None:
                context.attestations_to_recount.append(Attestation(seat.index, seat.power, word.fact))


def is_rotation_awaited(state: State, fact: ValidatorsRotated) -> bool:
    """Whether the change under way waits for this vault, and the event is of the header that rotates it."""
    set_change = state.set_changes.get(0)
    vault = (fact.chain_id, fact.vault)
    waits = set_change is not None and vault in set_change.awaited_vaults and vault not in set_change.diverged_vaults
    return waits and set_change is not None and fact.height == set_change.height + 1


def rotation_is_over(state: State, fact: ValidatorsRotated) -> bool:
    """Whether nobody waits for this event any more, nor will: what is ahead of the state may be awaited later."""
    return fact.height <= state.now.height + 1 and not is_rotation_awaited(state, fact)


def record_rotation(context: BlockContext, fact: ValidatorsRotated) -> None:
    """A quorum saw an awaited event. A vault that follows a set that is not ours is told, and waited for in vain."""
    set_change = context.state.set_changes.get(0)
    if set_change is None:
        return
    expected = kept_set(context.state, set_change.number).hash
    if fact.validators_hash != expected:
        astray = tuple(sorted((*set_change.diverged_vaults, (fact.chain_id, fact.vault))))
        context.state.set_changes.put(0, msgspec.structs.replace(set_change, diverged_vaults=astray))
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
    """Let the next change begin once no vault is waited for and all sets in use are the new one."""
    set_change = context.state.set_changes.get(0)
    if set_change is None or set_change.awaited_vaults or set_numbers(context.state).attesting != set_change.number:
        return
    context.state.set_changes.remove(0)
    context.receipts.append(ValidatorChangeFinished(set_change.number, context.block.height - set_change.height))
