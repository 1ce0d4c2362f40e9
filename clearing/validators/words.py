"""What validators have said, when the set that says it changes.

Rule: a word belongs to an envelope key. Who stays keeps what it said, under its new index and with its new power; what
those said who left counts no more. Words on events are said again under the new set, for who left may have been all
that a quorum lacked. Linear in what is held, and only in the one block of a change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from clearing.base.validators import ValidatorSet
from clearing.run import Run
from clearing.state.records import Attestation, Beat, ReportHeld
from clearing.state.table import Table
from clearing.validators.sets import turn_seats

Word = TypeVar("Word", ReportHeld, Beat)


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a validator is in the new set."""

    index: int
    power: int


def turn_sets(run: Run) -> None:
    """Move the sets on by one height and, where who speaks changes, all words with them."""
    turned = turn_seats(run.state)
    if turned is None:
        return
    seats = new_seats(*turned)
    _carry(run.state.reports, seats)
    _carry(run.state.beats, seats)
    _take_back_claims(run, seats)


def new_seats(before: ValidatorSet, after: ValidatorSet) -> dict[int, Seat]:
    """Old index to new place, of those in both sets."""
    return {
        index: Seat(after.index_of[each.envelope_key], after.validators[after.index_of[each.envelope_key]].power)
        for index, each in enumerate(before.validators)
        if each.envelope_key in after.index_of
    }


def _carry(table: Table[tuple[int, int], Word], seats: Mapping[int, Seat]) -> None:
    """Move each word, kept under (subject, validator), to its validator's new seat; drop those of who left."""
    held = list(table.ordered())
    for key, _ in held:
        table.remove(key)
    for (subject, validator), word in held:
        seat = seats.get(validator)
        if seat is not None:
            table.put((subject, seat.index), msgspec.structs.replace(word, power=seat.power))


def _take_back_claims(run: Run, seats: Mapping[int, Seat]) -> None:
    """Take every word on an event and on custody out of the state, for the bridge's rule to hear it again."""
    claims, custody = list(run.state.claims.ordered()), list(run.state.custody_claims.ordered())
    for event, _ in claims:
        run.state.claims.remove(event)
    for asset, _ in custody:
        run.state.custody_claims.remove(asset)
    for _, claim in (*claims, *custody):
        for word in claim.attestations:
            seat = seats.get(word.validator)
            if seat is not None:
                run.carried.append(Attestation(seat.index, seat.power, word.fact))
