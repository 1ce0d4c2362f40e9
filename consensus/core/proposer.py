"""Who proposes: weighted round robin, a pure function of (validator set, height, round).

Rule: over one cycle each validator proposes in proportion to its power, as evenly spread as smooth weighted round
robin spreads it; the next round and the next height go on to the next slot.
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
    """Powers in lowest terms, scaled down to about SLOTS_MAX slots; nobody falls to zero."""
    divisor = gcd(*powers)
    weights = tuple(power // divisor for power in powers)
    total = sum(weights)
    if total <= SLOTS_MAX:
        return weights
    return tuple(max(1, weight * SLOTS_MAX // total) for weight in weights)
