"""Counting votes: the power for and against a proposal, by the validator set in force.

Rule: a vote belongs to an envelope key and weighs what that key has in the set in force when it is counted; of who left
it weighs nothing, and who came may vote. So a change of validators needs no new ballot, and nobody decides who is gone.
"""

from collections.abc import Collection
from typing import NamedTuple

from clearing.base.validators import ValidatorSet
from clearing.state.state import State
from clearing.validators.sets import seats_of, set_of


class Tally(NamedTuple):
    """Powers."""

    approving: int
    rejecting: int
    total: int

    @property
    def agreed(self) -> bool:
        """Whether more than two thirds of the power are for it."""
        return 3 * self.approving > 2 * self.total


def in_force(state: State) -> ValidatorSet:
    """Whose votes count."""
    return set_of(state, seats_of(state).next)


def tally(state: State, number: int) -> Tally:
    """The powers for and against proposal `number` now."""
    validators = in_force(state)
    powers = {True: 0, False: 0}
    for each in validators.validators:
        held = state.votes.get((number, each.envelope_key))
        if held is not None:
            powers[held.approve] += each.power
    return Tally(powers[True], powers[False], validators.total_power)


def forget_votes(state: State, numbers: Collection[int]) -> None:
    """Drop the votes on proposals that are closed, also of who left; all in one look, for there may be many."""
    if numbers:
        for key in [key for key, _ in state.votes.ordered() if key[0] in numbers]:
            state.votes.remove(key)
