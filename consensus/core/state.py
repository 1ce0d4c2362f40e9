"""What one validator knows and has done at one height: the variables of the paper's Algorithm 1.

Rule: only `consensus.core.step` changes it.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from clearing.base.certificate import Certificate
from clearing.base.validators import ValidatorSet
from consensus.core.events import ProposalReceived
from consensus.core.rules import Rule
from consensus.core.votes import VoteKeeper
from consensus.timeouts import Timeouts
from consensus.turns import Turns


class Step(IntEnum):
    """Where in a round a validator is."""

    NEW = 0
    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3
    DECIDED = 4


@dataclass(slots=True)
class HeightState:
    """One height. `own` is the own index in the set, None for an observer."""

    turns: Turns
    validators: ValidatorSet
    own_index: int | None
    timeouts: Timeouts
    votes: VoteKeeper
    round: int = -1
    step: Step = Step.NEW
    locked_value: bytes | None = None
    locked_round: int = -1
    valid_value: bytes | None = None
    valid_round: int = -1
    valid_certificate: Certificate | None = None
    """Of `valid_value` in `valid_round`: what a re-proposal cites."""
    highest_polka: Certificate | None = None
    """The prevote certificate of a value with the highest round seen, its block known or not."""
    proposals: dict[int, ProposalReceived] = field(default_factory=dict)
    """The first proposal of each round."""
    known: dict[bytes, bool] = field(default_factory=dict)
    """Blocks at hand, by value id, and whether they are valid."""
    fired: set[tuple[Rule, int]] = field(default_factory=set)
    """(rule, round) of the rules that apply once."""
    decision: Certificate | None = None

    @property
    def height(self) -> int:
        """The height."""
        return self.turns.height

    @property
    def running(self) -> bool:
        """Whether the height has started and is not decided."""
        return self.step not in (Step.NEW, Step.DECIDED)


def new_state(turns: Turns, validators: ValidatorSet, own_index: int | None, timeouts: Timeouts) -> HeightState:
    """The state before a height starts."""
    return HeightState(
        turns=turns, validators=validators, own_index=own_index, timeouts=timeouts, votes=VoteKeeper(validators)
    )
