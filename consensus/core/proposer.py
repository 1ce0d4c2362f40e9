"""Turns: the proposer of a round, and the collectors that gather its votes in a large set.

Rule: pure functions of (validator set, height, round). Proposing is weighted round robin: over one cycle each
validator proposes in proportion to its power, as evenly spread as smooth weighted round robin spreads it; the next
round and the next height go on to the next slot. Collectors let n validators send 2 n votes and not n². They
need no trust: they send certificates, and a validator that receives none in time sends its vote to all.
"""

from functools import lru_cache
from math import gcd

from clearing.base.validators import ValidatorSet

SLOTS_MAX = 1024


def proposer_index(validators: ValidatorSet, height: int, round_: int) -> int:
    """Index of the proposer."""
    cycle = _schedule(tuple(validator.power for validator in validators.validators))
    return cycle[(height + round_) % len(cycle)]


@lru_cache(maxsize=16)
def _schedule(powers: tuple[int, ...]) -> tuple[int, ...]:
    weights = _weights(powers)
    total = sum(weights)
    credit = [0] * len(weights)
    cycle = []
    for _ in range(total):
        credit = [have + weight for have, weight in zip(credit, weights, strict=True)]
        chosen = max(range(len(credit)), key=lambda index: (credit[index], -index))
        credit[chosen] -= total
        cycle.append(chosen)
    return tuple(cycle)


def _weights(powers: tuple[int, ...]) -> tuple[int, ...]:
    """Powers in lowest terms, scaled down to about SLOTS_MAX slots; none falls to zero."""
    divisor = gcd(*powers)
    weights = tuple(power // divisor for power in powers)
    total = sum(weights)
    if total <= SLOTS_MAX:
        return weights
    return tuple(max(1, weight * SLOTS_MAX // total) for weight in weights)


COLLECTED_ABOVE = 10
"""Up to this many validators, all votes go to all: one delay less, and single votes are evidence everywhere."""
COLLECTORS = 2
_LOOK_AHEAD = 16
NEXT_PROPOSERS = 3
"""This many proposers of the next height receive the extensions of this one unasked."""


def collected(validators: ValidatorSet) -> bool:
    """Whether votes of this set go through collectors."""
    return len(validators.validators) > COLLECTED_ABOVE


def collectors(validators: ValidatorSet, height: int, round_: int) -> tuple[int, ...]:
    """The proposers of this round and of the next ones, up to two different validators.

    At round 0 the second is the proposer of the next height, which needs the extensions of this one.
    """
    return _proposers(validators, height, round_, COLLECTORS)


def next_proposers(validators: ValidatorSet, height: int, round_: int = 0) -> tuple[int, ...]:
    """The validators that may soon have to propose at a height, each once."""
    return _proposers(validators, height, round_, NEXT_PROPOSERS)


def _proposers(validators: ValidatorSet, height: int, round_: int, wanted: int) -> tuple[int, ...]:
    found: dict[int, None] = {}
    for ahead in range(_LOOK_AHEAD):
        found[proposer_index(validators, height, round_ + ahead)] = None
        if len(found) == wanted:
            break
    return tuple(found)
