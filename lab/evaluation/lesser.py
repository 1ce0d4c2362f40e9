"""The lesser of several requirements, group by group: a bounded loss against a plain charge.

Rule: an alternative is the sum of earlier terms in a group; the least alternative counts. It must not know positions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from lab.evaluation.values import ZERO
from lab.models.terms import LesserTerm


@dataclass(frozen=True, slots=True)
class LesserAmount:
    """One group."""

    group: str
    alternatives: tuple[Fraction, ...]
    """What each alternative requires, in their order."""
    amount: Fraction
    """The least."""


def lesser(term: LesserTerm, required: Mapping[str, Mapping[str, Fraction]]) -> tuple[LesserAmount, ...]:
    """Every group that an alternative requires something of, ordered; `required` is by term and group."""
    named = [name for alternative in term.alternatives for name in alternative.terms]
    found = []
    for group in sorted({group for name in named for group in required[name]}):
        sums = tuple(
            sum((required[name].get(group, ZERO) for name in alternative.terms), ZERO)
            for alternative in term.alternatives
        )
        found.append(LesserAmount(group, sums, min(sums)))
    return tuple(found)
