"""Joint scenarios of all risk groups, and the credit between groups that their expected shortfall earns.

Rule: data and integers only. A joint scenario names one column of the grid for every risk group, so what it costs is a
sum of entries that are in the group losses already: its loss never exceeds the sum of those losses, and neither does an
average of such losses. Convention: of all scenarios, each as often as its count, the `tail` worst are averaged, their
sum divided by `tail` and rounded up (expected shortfall; never the single tail-th worst, which is not convex).
It must not know where the scenarios come from.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from clearing.base.codec import U32, Wire
from clearing.base.units import PPM
from clearing.margin.charges import Check

JOINT_SCENARIOS_MAX = 256
JOINT_COUNT_MAX = 2**20
"""Most that all counts of a set may add up to."""


class JointScenario(Wire, frozen=True):
    """What happens to all risk groups at once, `count` times."""

    columns: tuple[U32, ...]
    """Column of the grid for each risk group, in the groups' order; 0: nothing moves."""
    count: U32 = 1


class JointCredit(Wire, frozen=True):
    """How much of the sum of group losses joint scenarios replace. Without scenarios there is no credit."""

    scenarios: tuple[JointScenario, ...] = ()
    """Each set of columns once, ordered by columns."""
    tail: U32 = 1
    """k: how many of the worst, of all counts, are averaged."""
    weight_ppm: U32 = 800_000
    """Of the requirement for groups, this fraction is the joint one and the rest the plain sum."""
    keep_largest: bool = False
    """Whether the joint loss is at least the largest group's requirement. An average of the worst is less than the
    worst, so without this an account in one group alone gets a credit between groups."""


def collapse(columns: Iterable[tuple[int, ...]]) -> tuple[JointScenario, ...]:
    """Joint scenarios in order, each set of columns once with how often it came."""
    return tuple(JointScenario(each, count) for each, count in sorted(Counter(columns).items()))


def joint_checks(joint: JointCredit, columns: Sequence[int]) -> list[Check]:
    """What must hold of joint scenarios over groups whose grids have so many `columns` (besides the base)."""
    listed = joint.scenarios
    total = sum(each.count for each in listed)
    ordered = all(a.columns < b.columns for a, b in pairwise(listed))
    checks: list[Check] = [
        ("joint.scenarios", len(listed), len(listed) <= JOINT_SCENARIOS_MAX and ordered),
        ("joint.count", total, all(each.count for each in listed) and total <= JOINT_COUNT_MAX),
        ("joint.tail", joint.tail, joint.tail >= 1 and (not listed or joint.tail <= total)),
        ("joint.weight_ppm", joint.weight_ppm, 1 <= joint.weight_ppm < PPM),
    ]
    for number, each in enumerate(listed, start=1):
        fits = len(each.columns) == len(columns) and all(
            at <= most for at, most in zip(each.columns, columns, strict=False)
        )
        checks.append((f"joint.scenarios.{number}.columns", len(each.columns), fits))
    return checks


def tail_threshold(losses: Sequence[int], counts: Sequence[int], tail: int) -> int:
    """The `tail`-th worst loss, counting each as often as its count: t, at which Rockafellar-Uryasev's sum is least.

    Source: Rockafellar and Uryasev (2000), ES = min over t of t + sum of max(0, loss - t) / k.
    """
    left = tail
    for loss, count in sorted(zip(losses, counts, strict=True), reverse=True):
        left -= count
        if left <= 0:
            return loss
    raise ValueError(f"fewer scenarios than the {tail} that are averaged")


def tail_sum(losses: Sequence[int], counts: Sequence[int], tail: int) -> int:
    """Sum of the `tail` worst losses: expected shortfall times `tail`, exactly."""
    left, total = tail, 0
    for loss, count in sorted(zip(losses, counts, strict=True), reverse=True):
        if count >= left:
            return total + loss * left
        total += loss * count
        left -= count
    raise ValueError(f"fewer scenarios than the {tail} that are averaged")
