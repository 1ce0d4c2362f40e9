"""`Leaders`: which validators failed to lead, as the certificates inside decided blocks show it.

Rule: a function of decided blocks alone. A block shows the certificate of its parent, and the round of that certificate
shows who led in vain: the proposers of the rounds below it. They are passed over until the period ends, validators of a
third of the power at most, or until one of them leads a height after all. Every period starts afresh, so that the
blocks of one period are all that a node needs to know.

Why a liar gains little. To fail on purpose costs the liar its own turns. A polka that it hides can make the next
proposer fail with it, but never that one alone: the earlier failure goes first. The limit of a third leaves honest
validators at least as many turns as liars, in any case. The round that a block shows must be that of a real
certificate. The idea of leaders by certified behaviour: Carousel (arXiv 2110.00960), HammerHead (arXiv 2309.12713).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clearing.base.validators import ValidatorSet

PERIOD_HEIGHTS = 500
"""Heights of one order of leaders. A node reads the blocks of one period when it starts."""


def period_of(height: int) -> int:
    """The number of the period that a height is in."""
    return height // PERIOD_HEIGHTS


@dataclass(frozen=True, slots=True)
class Leaders:
    """What is known for one height: who failed since its period began."""

    period: int = 0
    failures: tuple[tuple[bytes, int], ...] = ()
    """(envelope key, failed rounds), in the order of their first failures."""
    certain: bool = True
    """False where blocks of the period are missing, as after a state sync: nobody is passed over here then, and this
    node proposes only where the order needs no history."""

    def decided(self, led: Sequence[bytes]) -> "Leaders":
        """After a height that these led, round by round: all but the last one in vain."""
        *failed, last = led
        counts = dict(self.failures)
        for key in failed:
            counts[key] = counts.get(key, 0) + 1
        counts.pop(last, None)
        return replace(self, failures=tuple(counts.items()))

    def passed_over(self, validators: ValidatorSet) -> frozenset[int]:
        """Indices of those with the most failures, the earliest first, as far as they together have at most a third of
        the power.

        The first that exceeds the third ends the row. Passing over a lighter one behind it would let a heavy liar that
        failed first stay, and an honest validator that it made fail go in its place.
        """
        found, power = set[int](), 0
        for key, _ in sorted(self.failures, key=lambda failure: -failure[1]):
            index = validators.index_of.get(key)
            if index is None:
                continue
            more = power + validators.validators[index].power
            if validators.is_skip(more):
                break
            found.add(index)
            power = more
        return frozenset(found)


ALL_LEAD = Leaders()
"""At the start of a network."""
