"""Turns: the proposer of a round, and the collectors that gather its votes in a large set.

Rule: pure functions of (validator set, height, round, leaders). Proposing is weighted round robin: over one cycle each
validator proposes in proportion to its power, as evenly spread as smooth weighted round robin spreads it; the next
round and the next height go on to the next slot. Equals stand in the order of a hash of the period and their key: who
chooses its key can choose its place in one period, not in all of them. A cycle has SLOTS_MAX slots at most; what that
rounds away in one period it gives in another, so that splitting power into many keys gains no turns. Validators that
failed to lead have no slots in the rounds below `HISTORY_ROUNDS`. In later rounds all have theirs, so that validators
that know different histories agree there. Collectors let n validators send 2 n votes and not n². They need no trust:
they send certificates, and a validator that receives none in time sends its vote to all.

The order is in no header and no block. It is a rule between running nodes: those of a release with another order take
proposals from others (`TURN_TAG` has its version), and have to be stopped before this release starts.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import gcd

from clearing.base.codec import u256
from clearing.base.hashing import tagged_hash
from clearing.base.validators import ValidatorSet
from consensus.leaders import Leaders, period_of

TURN_TAG = "crossclear/turn/v2"
SLOTS_MAX = 1024
HISTORY_ROUNDS = 8
"""Below this round, validators that failed to lead are passed over."""
LED_ROUNDS_MAX = 64
"""Of one height so many failed rounds count: after an outage there are thousands."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Who proposes at one height, by index."""

    height: int
    cycle: tuple[int, ...]
    """Without those passed over."""
    full_cycle: tuple[int, ...]
    certain: bool = True
    """Whether the history behind `cycle` is known."""

    def proposer(self, round_: int) -> int:
        """Index of the proposer of a round."""
        cycle = self.cycle if round_ < HISTORY_ROUNDS else self.full_cycle
        return cycle[(self.height + round_) % len(cycle)]

    def leads(self, index: int | None, round_: int) -> bool:
        """Whether it is certainly this validator's turn."""
        return self.proposer(round_) == index and self._is_certain(round_)

    def may_lead(self, index: int | None, round_: int) -> bool:
        """Whether it may be this validator's turn: where the history is not known, it may be anybody's."""
        return index is not None and (self.proposer(round_) == index or not self._is_certain(round_))

    def led(self, round_: int) -> tuple[int, ...]:
        """The proposers of the rounds up to this one; of very many, the first ones and the last one."""
        return tuple(self.proposer(each) for each in (*range(min(round_, LED_ROUNDS_MAX)), round_))

    def _is_certain(self, round_: int) -> bool:
        return self.certain or round_ >= HISTORY_ROUNDS


def turns_of(validators: ValidatorSet, height: int, leaders: Leaders) -> Turns:
    """The turns of a height."""
    seats = tuple((index, each.envelope_key, each.power) for index, each in enumerate(validators.validators))
    period, out = period_of(height), leaders.passed_over(validators)
    full = _schedule(seats, period)
    cycle = _schedule(tuple(seat for seat in seats if seat[0] not in out), period) if out else full
    return Turns(height, cycle, full, leaders.certain)


@lru_cache(maxsize=64)
def _schedule(seats: tuple[tuple[int, bytes, int], ...], period: int) -> tuple[int, ...]:
    """One cycle of (index, key, power)."""
    ranked = sorted(seats, key=lambda seat: tagged_hash(TURN_TAG, u256(period), seat[1]))
    weights = _weights(tuple(power for _, _, power in ranked), period)
    total = sum(weights)
    credit = [0] * len(weights)
    cycle = []
    for _ in range(total):
        credit = [have + weight for have, weight in zip(credit, weights, strict=True)]
        chosen = max(range(len(credit)), key=lambda place: (credit[place], -place))
        credit[chosen] -= total
        cycle.append(ranked[chosen][0])
    return tuple(cycle)


def _weights(powers: tuple[int, ...], period: int) -> tuple[int, ...]:
    """Slots of each: powers in lowest terms, or their shares of SLOTS_MAX, rounded up or down.

    Rounding is systematic sampling: the powers lie in a row, and marks at equal distances fall on them. Where the first
    mark is depends on the period. So each has exactly its share over many periods, in however many keys it is split;
    one below a slot has one in some periods. A slot for each at least gave 1 % of the power in a hundred keys 9.6 % of
    the turns.
    """
    divisor = gcd(*powers)
    weights = tuple(power // divisor for power in powers)
    total = sum(weights)
    if total <= SLOTS_MAX:
        return weights
    begin, slots = int.from_bytes(tagged_hash(TURN_TAG, u256(period))) % total, []
    for weight in weights:
        end = begin + weight * SLOTS_MAX
        slots.append(end // total - begin // total)
        begin = end
    return tuple(slots)


COLLECTED_ABOVE = 10
"""Up to this many validators, all votes go to all: one delay less, and single votes are evidence everywhere."""
COLLECTORS = 2
_LOOK_AHEAD = 16
NEXT_PROPOSERS = 3
"""This many proposers of the next height receive the extensions of this one unasked."""


def collected(validators: ValidatorSet) -> bool:
    """Whether votes of this set go through collectors."""
    return len(validators.validators) > COLLECTED_ABOVE


def collectors(turns: Turns, round_: int) -> tuple[int, ...]:
    """The proposers of this round and of the next ones, up to two different validators.

    At round 0 the second is the proposer of the next height, which needs the extensions of this one.
    """
    return _proposers(turns, round_, COLLECTORS)


def next_proposers(turns: Turns, round_: int = 0) -> tuple[int, ...]:
    """The validators that may soon have to propose at a height, each once."""
    return _proposers(turns, round_, NEXT_PROPOSERS)


def _proposers(turns: Turns, round_: int, wanted: int) -> tuple[int, ...]:
    found: dict[int, None] = {}
    for ahead in range(_LOOK_AHEAD):
        found[turns.proposer(round_ + ahead)] = None
        if len(found) == wanted:
            break
    return tuple(found)
