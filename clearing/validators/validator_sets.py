"""The validator sets in the state: which set certified which height, and which set comes next.

Rule: a change made at height h is the set of height h + 2 and of none before. Old sets are kept as long as what they
signed can be judged. Indices of validators in the state are always into `heard`. This module must not know why a set
changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from clearing.base.errors import Bug
from clearing.base.validators import ValidatorSet
from clearing.schema.records.validators import SetNumbersRecord, ValidatorSetRecord
from clearing.state.state import State

EVIDENCE_HEIGHTS = 100_000
"""So far below the decided height sets are known, and misbehaviour can be proven."""

SETS_KEPT = 64
"""And so many sets at most, however fast they change: it bounds the state."""


@dataclass(frozen=True, slots=True)
class ValidatorSets:
    """The sets around the state after height h: see `SetNumbersRecord`."""

    attesting: ValidatorSet
    last: ValidatorSet
    now: ValidatorSet
    next: ValidatorSet


def set_numbers(state: State) -> SetNumbersRecord:
    """Numbers of the sets. Raises Bug before genesis was opened."""
    seats = state.set_numbers.get(0)
    if seats is None:
        raise Bug("a state without validators")
    return seats


def kept_set(state: State, number: int) -> ValidatorSet:
    """A set that is kept. Raises Bug when it is not."""
    found = state.validator_sets.get(number)
    if found is None:
        raise Bug(f"validator set {number} is not in the state")
    return found.validators


def validator_sets(state: State) -> ValidatorSets:
    """The sets that certified the height below and this one, and those of the next two heights."""
    seats = set_numbers(state)
    heard, last, now, after = (kept_set(state, each) for each in (seats.attesting, seats.last, seats.now, seats.next))
    return ValidatorSets(heard, last, now, after)


def attesting_set(state: State) -> ValidatorSet:
    """The set that indices of validators in the state are into."""
    return kept_set(state, set_numbers(state).attesting)


def validators_at(state: State, height: int) -> ValidatorSet | None:
    """The set that certifies a height, from `EVIDENCE_HEIGHTS` below the state's to two above it; None beyond.

    None also for heights of a set that `SETS_KEPT` others have followed.
    """
    now = state.now.height
    if not max(1, now - EVIDENCE_HEIGHTS) <= height <= now + 2:
        return None
    return next((held.validators for held in _newest_first(state) if held.since_height <= height), None)


def initialise_sets(state: State, genesis: ValidatorSet) -> None:
    """The first set, in all places."""
    state.validator_sets.put(0, ValidatorSetRecord(1, genesis))
    state.set_numbers.put(0, SetNumbersRecord(0, 0, 0, 0))


def advance_sets(state: State) -> tuple[ValidatorSet, ValidatorSet] | None:
    """Move the sets on by one height, at the start of a block.

    Gives the sets that indices were and now are into where these differ, else None.
    """
    before = set_numbers(state)
    after = SetNumbersRecord(attesting=before.last, last=before.now, now=before.next, next=before.next)
    if after == before:
        return None
    state.set_numbers.put(0, after)
    if before.attesting == after.attesting:
        return None
    return kept_set(state, before.attesting), kept_set(state, after.attesting)


def schedule_next_set(state: State, validators: ValidatorSet) -> int:
    """Make this the set of two heights on, after the caller's checks; its number. Forgets sets that are too old."""
    seats, height = set_numbers(state), state.now.height
    number = seats.next + 1
    state.validator_sets.put(number, ValidatorSetRecord(height + 2, validators))
    state.set_numbers.put(0, SetNumbersRecord(seats.attesting, seats.last, seats.now, number))
    kept = [(each, held.since_height) for each, held in state.validator_sets.ordered()]
    for (old, _), (follower, since) in pairwise(kept):
        # A set's last height is the one below its follower's first.
        if since + EVIDENCE_HEIGHTS <= height or follower + SETS_KEPT <= number + 1:
            state.validator_sets.remove(old)
    return number


def _newest_first(state: State) -> Iterator[ValidatorSetRecord]:
    for number, _ in reversed(list(state.validator_sets.ordered())):
        held = state.validator_sets.get(number)
        if held is not None:
            yield held
