"""The validator sets in the state: which set certified which height, and which set comes next.

Rule: a change made at height h applies from height h + 2. Old sets are stored as long as their signatures can be
evaluated. Validator indices in the state always refer to the `attesting` set. This module must not know why a set
changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from clearing.base.errors import Bug
from clearing.base.validators import ValidatorSet
from clearing.schema.records.validators import SetNumbersRecord, ValidatorSetRecord
from clearing.state.state import State
from clearing.validators.evidence_age import note_height_time, oldest_provable_height

SETS_KEPT = 64
"""Limit of stored sets, however fast they change: it bounds the state."""


@dataclass(frozen=True, slots=True)
class ValidatorSets:
    """The sets around the state after height h: see `SetNumbersRecord`."""

    attesting: ValidatorSet
    last: ValidatorSet
    now: ValidatorSet
    next: ValidatorSet


def set_numbers(state: State) -> SetNumbersRecord:
    """Numbers of the sets. Raises Bug before genesis is opened."""
    numbers = state.set_numbers.get(0)
    if numbers is None:
        raise Bug("a state without validators")
    return numbers


def stored_set(state: State, number: int) -> ValidatorSet:
    """A stored set. Raises Bug when it is not stored."""
    found = state.validator_sets.get(number)
    if found is None:
        raise Bug(f"validator set {number} is not in the state")
    return found.validators


def validator_sets(state: State) -> ValidatorSets:
    """The sets around the state: attesting, last, now and next."""
    numbers = set_numbers(state)
    attesting, last, now, after = (
        stored_set(state, number) for number in (numbers.attesting, numbers.last, numbers.now, numbers.next)
    )
    return ValidatorSets(attesting, last, now, after)


def attesting_set(state: State) -> ValidatorSet:
    """The set to which validator indices in the state refer."""
    return stored_set(state, set_numbers(state).attesting)


def validators_at(state: State, height: int) -> ValidatorSet | None:
    """The set that certifies a height, from the oldest one at which misbehaviour can be proven to two above the
    state's; None beyond.

    Also None for heights of a set with `SETS_KEPT` or more successors.
    """
    if not oldest_provable_height(state) <= height <= state.now.height + 2:
        return None
    return next((record.validators for record in _newest_first(state) if record.since_height <= height), None)


def initialise_sets(state: State, genesis: ValidatorSet) -> None:
    """Store the first set, for all heights."""
    state.validator_sets.put(0, ValidatorSetRecord(1, genesis))
    state.set_numbers.put(0, SetNumbersRecord(0, 0, 0, 0))


def advance_sets(state: State) -> tuple[ValidatorSet, ValidatorSet] | None:
    """Advance the sets by one height, at the start of a block.

    Returns the previous and the new attesting set where they differ, otherwise None.
    """
    note_height_time(state)
    before = set_numbers(state)
    after = SetNumbersRecord(attesting=before.last, last=before.now, now=before.next, next=before.next)
    if after == before:
        return None
    state.set_numbers.put(0, after)
    if before.attesting == after.attesting:
        return None
    return stored_set(state, before.attesting), stored_set(state, after.attesting)


def schedule_next_set(state: State, validators: ValidatorSet) -> int:
    """Make this the set two heights later, after the caller's checks. Returns its number. Deletes sets
    that are too old."""
    numbers, height, oldest = set_numbers(state), state.now.height, oldest_provable_height(state)
    number = numbers.next + 1
    state.validator_sets.put(number, ValidatorSetRecord(height + 2, validators))
    state.set_numbers.put(0, SetNumbersRecord(numbers.attesting, numbers.last, numbers.now, number))
    stored = [(listed, record.since_height) for listed, record in state.validator_sets.ordered()]
    for (old, _), (successor, since) in pairwise(stored):
        # A set's last height is the one below its successor's first.
        if since <= oldest or successor + SETS_KEPT <= number + 1:
            state.validator_sets.remove(old)
    return number


def _newest_first(state: State) -> Iterator[ValidatorSetRecord]:
    for number, _ in reversed(list(state.validator_sets.ordered())):
        record = state.validator_sets.get(number)
        if record is not None:
            yield record
