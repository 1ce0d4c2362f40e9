"""Terms that look at groups: calendar spreads, credit between groups, the short option minimum, joint scenarios.

Rule: a spread uses deltas up, so that no delta backs two spreads; a credit is negative and never exceeds the price risk
it is a part of. It must not know single positions beyond their deltas.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lab.evaluation.scan import ScanResult
from lab.evaluation.values import ZERO
from lab.models.numbers import exact_rational, rounded
from lab.models.terms import Calendar, GroupCredit, JointCreditTerm, MinimumTerm, SpreadCreditTerm, SpreadLeg


@dataclass(frozen=True, slots=True)
class CalendarAmount:
    """Spreads inside a group."""

    group: str
    tiers: Mapping[str, Fraction]
    """Net delta of each tier before."""
    used: Mapping[str, Fraction]
    """How much of it, unsigned, backs these spreads."""
    spreads: Fraction
    charge: Fraction
    amount: Fraction


@dataclass(frozen=True, slots=True)
class CreditLeg:
    """One leg of a formed spread."""

    group: str
    deltas: Fraction
    """Used up."""
    price_risk: Fraction
    """Per delta."""
    credit: Fraction


@dataclass(frozen=True, slots=True)
class SpreadCredit:
    """One spread between groups as formed."""

    spreads: Fraction
    rate: Fraction
    legs: tuple[CreditLeg, ...]


@dataclass(frozen=True, slots=True)
class MinimumAmount:
    """The minimum of one group."""

    group: str
    short_options: Fraction
    minimum: Fraction
    reached: Fraction
    """What the terms it is over require."""
    amount: Fraction


@dataclass(frozen=True, slots=True)
class JointAmount:
    """The credit out of joint scenarios."""

    joint_losses: tuple[Fraction, ...]
    """Of each joint scenario, in their order."""
    total: Fraction
    """What the terms it is over require."""
    expected_shortfall: Fraction
    floor: Fraction
    joint: Fraction
    """The expected shortfall, at least 0 and the floor, at most the total."""
    after: Fraction
    """What is required instead of the total."""
    amount: Fraction


def calendar(term: Calendar, tiers: Mapping[str, Fraction], given: Fraction | None) -> CalendarAmount:
    """Form spreads from net deltas by tier, in their order of use; `given` is their number where the file states it."""
    used: dict[str, Fraction] = {}
    if given is not None:
        spreads = given
    elif term.legs:
        spreads = _spreads_formed(term.legs, tiers)
        for leg in term.legs:
            used[leg.of] = used.get(leg.of, ZERO) + spreads * exact_rational(leg.delta)
    else:
        longs = sum((tier for tier in tiers.values() if tier > 0), ZERO)
        shorts = sum((-tier for tier in tiers.values() if tier < 0), ZERO)
        spreads = min(longs, shorts)
        for sign in (1, -1):
            rest = spreads
            for tier, delta in tiers.items():
                taken = min(max(delta * sign, ZERO), rest)
                used[tier], rest = used.get(tier, ZERO) + taken, rest - taken
    charge = exact_rational(term.charge)
    return CalendarAmount(term.group, dict(tiers), used, spreads, charge, spreads * charge)


def deltas_left(deltas: Mapping[str, Fraction], used: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """What is left of signed deltas, in their order, when so much of each is used up."""
    left = {}
    for of, delta in deltas.items():
        size = max(abs(delta) - used.get(of, ZERO), ZERO)
        left[of] = size if delta > 0 else -size
    return left


def _spreads_formed(legs: Sequence[SpreadLeg], deltas: Mapping[str, Fraction]) -> Fraction:
    """How many spreads the deltas allow: those of side A all of one sign, those of side B all of the other."""
    best = ZERO
    for sign in (1, -1):
        counts = [
            deltas.get(leg.of, ZERO) * sign * (1 if leg.side == "A" else -1) / exact_rational(leg.delta) for leg in legs
        ]
        best = max(best, min(counts, default=ZERO))
    return best


def group_credit(
    term: GroupCredit,
    deltas: Mapping[str, Fraction],
    used: Mapping[str, Fraction],
    price_risks: Mapping[str, Fraction],
) -> tuple[SpreadCredit, ...]:
    """Form the spreads in their order from what is not `used` yet.

    `price_risks` are per group; per delta they are divided by the net delta.
    """
    left = deltas_left(deltas, used)
    return tuple(_one_credit(spread, left, deltas, price_risks) for spread in term.spreads)


def _one_credit(
    spread: SpreadCreditTerm,
    left: dict[str, Fraction],
    deltas: Mapping[str, Fraction],
    price_risks: Mapping[str, Fraction],
) -> SpreadCredit:
    count, rate = _spreads_formed(spread.legs, left), exact_rational(spread.rate)
    legs = []
    for leg in spread.legs:
        used = count * exact_rational(leg.delta)
        total = abs(deltas.get(leg.of, ZERO))
        risk = price_risks.get(leg.of, ZERO) / total if total else ZERO
        legs.append(CreditLeg(leg.of, used, risk, -used * risk * rate))
        here = left.get(leg.of, ZERO)
        left[leg.of] = here - used if here > 0 else here + used
    return SpreadCredit(count, rate, tuple(legs))


def span_price_risk(result: ScanResult) -> Fraction:
    """Scan risk averaged over the paired volatility scenario, less the time risk of scenarios 1 and 2, at least 0."""
    if len(result.losses) < 2 or result.worst_scenario == 0:
        return ZERO
    at = min(result.worst_scenario - 1, len(result.losses) - 1)
    pair = at ^ 1 if at < 14 and at ^ 1 < len(result.losses) else at
    averaged = (result.losses[at] + result.losses[pair]) / 2
    return max(averaged - (result.losses[0] + result.losses[1]) / 2, ZERO)


def minimum(
    term: MinimumTerm, least: Mapping[str, tuple[Fraction, Fraction]], reached: Mapping[str, Fraction]
) -> tuple[MinimumAmount, ...]:
    """The shortfall of each group from its minimum; `least` is (short options, their charge) by group."""
    found = []
    for group, (shorts, charge) in sorted(least.items()):
        if shorts and (not term.groups or group in term.groups):
            have = reached.get(group, ZERO)
            found.append(MinimumAmount(group, shorts, charge, have, max(charge - have, ZERO)))
    return tuple(found)


def joint_credit(
    term: JointCreditTerm, groups: Sequence[str], results: Sequence[ScanResult], total: Fraction, floor: Fraction
) -> JointAmount:
    """The credit on `total`; `groups` are in the order of the scenarios' columns, `floor` is the least joint loss."""
    by_group = {result.of: result for result in results}
    losses = []
    for scenario in term.scenarios:
        moved = zip(groups, scenario.columns, strict=True)
        losses.append(sum((by_group[at].losses[to - 1] for at, to in moved if to and at in by_group), ZERO))
    worst, left = ZERO, term.tail
    ordered = sorted(zip(losses, (scenario.count for scenario in term.scenarios), strict=True), reverse=True)
    for loss, count in ordered:
        taken = min(count, left)
        worst, left = worst + loss * taken, left - taken
    shortfall = rounded(worst / term.tail, term.decimals, term.rounding)
    joint = max(shortfall, floor, ZERO)
    if not term.required:
        joint = min(joint, max(total, floor))
    weight = exact_rational(term.weight)
    after = rounded((1 - weight) * total + weight * joint, term.decimals, term.rounding)
    if term.required:
        after = max(after, joint)
    return JointAmount(tuple(losses), total, shortfall, floor, joint, after, after - total)
