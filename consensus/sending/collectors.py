"""Who gathers the votes of a round in a large set, so that n validators send 2 n votes and not n².

Rule: a pure function of (set, height, round), like the proposer. Collectors are an optimisation that nobody needs to
trust: what they send is a certificate, and who hears nothing of them in time tells its vote to all.
"""

from clearing.base.validators import ValidatorSet
from consensus.core.proposer import proposer_index

COLLECTED_ABOVE = 10
"""Up to so many validators all votes go to all: one delay less, and single votes are evidence at everybody."""
COLLECTORS = 2
_LOOK_AHEAD = 16
NEXT_PROPOSERS = 3
"""So many proposers of the next height are given the extensions of this one without asking."""


def collected(validators: ValidatorSet) -> bool:
    """Whether votes of this set go through collectors."""
    return len(validators.validators) > COLLECTED_ABOVE


def collectors(validators: ValidatorSet, height: int, round_: int) -> tuple[int, ...]:
    """The proposers of this round and of the next ones, up to two different validators.

    At round 0 the second is the proposer of the next height, who needs the extensions of this one.
    """
    return _proposers(validators, height, round_, COLLECTORS)


def next_proposers(validators: ValidatorSet, height: int, round_: int = 0) -> tuple[int, ...]:
    """Who may soon have to propose at a height: of these rounds, each once."""
    return _proposers(validators, height, round_, NEXT_PROPOSERS)


def _proposers(validators: ValidatorSet, height: int, round_: int, wanted: int) -> tuple[int, ...]:
    found: dict[int, None] = {}
    for ahead in range(_LOOK_AHEAD):
        found[proposer_index(validators, height, round_ + ahead)] = None
        if len(found) == wanted:
            break
    return tuple(found)
