"""The pieces of a margin that is piecewise linear in one price, found exactly.

Rule: an amount is linear between two prices when every maximum in it is attained by the same candidates at both, and
the candidates are linear there; so candidates are compared in the order of evaluation, inner ones first. Where they
differ, the two that win at the ends cross at one price, and the range is split there. It must not round.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lab.evaluation.charges import SizeAmount, SlippageAmount
from lab.evaluation.evaluate import AccountResult, TermResult
from lab.evaluation.lesser import LesserAmount
from lab.evaluation.net_charges import NetAmount
from lab.evaluation.scan import ScanResult, scan_range
from lab.evaluation.spreads import JointAmount, MinimumAmount
from lab.evaluation.values import ZERO
from lab.models.numbers import exact_rational
from lab.models.portfolio import Portfolio, PortfolioAccount
from lab.models.scan_terms import Scan, grid_points
from lab.models.sensitivity_terms import Sensitivities
from lab.models.terms import Convex, GroupCredit, JointCreditTerm, RiskModel

PRICE_BITS_MAX = 1_000
"""Ratios of many different denominators would grow to any length."""


@dataclass(frozen=True, slots=True)
class Corner:
    """A sum of the `tail` largest of some candidates, each counted so often; a maximum where both are 1."""

    values: tuple[Fraction, ...]
    counts: tuple[int, ...] = ()
    tail: int = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """The margin at one price."""

    price: Fraction
    excess: Fraction
    corners: tuple[Corner, ...]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Samples between which the excess is linear."""

    samples: tuple[Sample, ...]
    complete: bool
    """Whether each neighbouring pair is; else the budget of evaluations ended before."""


def is_piecewise_linear(model: RiskModel, portfolio: Portfolio, account: PortfolioAccount, group: str) -> bool:
    """Whether the excess is a continuous piecewise linear function of the group's price, apart from roundings.

    It is not with options of the group, whose value is Black-76's; with SPAN's price risk, which jumps from one pair of
    scenarios to another; with open orders in a scan, whose cost changes at their own price; and with the roots of
    sensitivities.
    """
    used = {position.instrument for position in account.positions} | {order.instrument for order in account.orders}
    options = any(
        contract.id in used and contract.group == group and contract.kind in ("call", "put")
        for contract in portfolio.instruments
    )
    jumps = any(isinstance(term, GroupCredit) and term.price_risk == "span" for term in model.terms)
    filled = bool(account.orders) and any(isinstance(term, Scan) for term in model.terms)
    curved = any(isinstance(term, Sensitivities) for term in model.terms)
    return not (options or jumps or filled or curved)


def linear_pieces(sample: Callable[[Fraction], Sample], low: Fraction, high: Fraction, evaluations: int) -> Pieces:
    """Split [low, high] into pieces on which the excess is linear, with at most so many evaluations.

    A piece that begins at a price with a longer denominator than `PRICE_BITS_MAX` ends the search, too.
    """
    done = [sample(low)]
    waiting = [sample(high)]
    used = 2
    while waiting:
        split = _split(done[-1], waiting[-1])
        if split is None:
            done.append(waiting.pop())
        elif used == evaluations or split.denominator.bit_length() > PRICE_BITS_MAX:
            return Pieces((*done, *reversed(waiting)), complete=False)
        else:
            waiting.append(sample(split))
            used += 1
    return Pieces(tuple(done), complete=True)


def roots(pieces: Pieces) -> Iterator[Fraction]:
    """The prices inside pieces at which the excess is 0 and changes its sign."""
    for one, other in zip(pieces.samples, pieces.samples[1:], strict=False):
        if one.excess * other.excess < 0:
            yield one.price + (other.price - one.price) * one.excess / (one.excess - other.excess)


def corners(result: AccountResult, model: RiskModel, group: str, price: Fraction) -> tuple[Corner, ...]:
    """Every maximum that the margin took, in the order of evaluation."""
    found: list[Corner] = []
    for term, amount in zip(model.terms, result.terms, strict=True):
        if isinstance(term, Scan):
            found.extend(_floors(term, group, price))
        for part in amount.parts:
            if isinstance(part, ScanResult):
                own = part.losses[: len(part.losses) - term.joint_points] if isinstance(term, Scan) else part.losses
                found.append(Corner((ZERO, *own, *(() if part.basis is None else (part.basis,)))))
            elif isinstance(part, SlippageAmount):
                found.extend(_slippage(part))
            elif isinstance(part, SizeAmount) and isinstance(term, Convex):
                lines = (
                    exact_rational(line.slope) * part.size + exact_rational(line.intercept) for line in term.secants
                )
                found.append(Corner((ZERO, *lines)))
            elif isinstance(part, MinimumAmount):
                found.append(Corner((ZERO, part.minimum - part.reached)))
            elif isinstance(part, LesserAmount):
                found.append(Corner(tuple(-amount for amount in part.alternatives)))
            elif isinstance(part, NetAmount):
                found.append(Corner((ZERO, *part.nets, *(-net for net in part.nets))))
                found.append(Corner((ZERO, *part.candidates)))
            elif isinstance(part, JointAmount) and isinstance(term, JointCreditTerm):
                found.extend(_joint(term, part, {each.name: each for each in result.terms}))
    return tuple(found)


def _floors(scan: Scan, group: str, price: Fraction) -> Iterator[Corner]:
    """A price that an absolute move would bring below nothing is nothing."""
    at = scan_range(scan, group)
    if at.absolute:
        for point in grid_points(scan):
            if not point.of_price:
                yield Corner((ZERO, price + exact_rational(point.price) * exact_rational(at.price)))


def _slippage(part: SlippageAmount) -> Iterator[Corner]:
    for side in (part.long, part.short):
        cost = side.slippage_by_factor
        if side.slippage_by_exit is not None:
            yield Corner((-cost, -side.slippage_by_exit))
            cost = min(cost, side.slippage_by_exit)
        yield Corner((ZERO, cost))
    yield Corner((part.long.amount, part.short.amount))


def _joint(term: JointCreditTerm, part: JointAmount, results: dict[str, TermResult]) -> Iterator[Corner]:
    required: dict[str, Fraction] = {}
    for name in term.over:
        for group, amount in results[name].by_group.items():
            required[group] = required.get(group, ZERO) + amount
    floors = [max(required.values(), default=ZERO) if term.keep_largest else ZERO]
    if term.keep_largest:
        yield Corner((ZERO, *required.values()))
    if term.floor:
        lowest = [each.minimum for each in results[term.floor].parts if isinstance(each, MinimumAmount)]
        floors.append(sum(lowest, ZERO))
    yield Corner(tuple(floors))
    yield Corner(part.joint_losses, tuple(scenario.count for scenario in term.scenarios), term.tail)
    joint, most = max(part.expected_shortfall, part.floor, ZERO), max(part.total, part.floor)
    yield Corner((part.expected_shortfall, part.floor, ZERO))
    yield Corner((part.total, part.floor))
    if term.required:
        yield Corner((part.total, joint))  # either is all of what is required, as the weighted mean is between them
    else:
        yield Corner((-joint, -most))


def _split(one: Sample, other: Sample) -> Fraction | None:
    """A price between both at which a candidate takes over; None where the excess is linear between them."""
    if len(one.corners) != len(other.corners):
        return (one.price + other.price) / 2
    for here, there in zip(one.corners, other.corners, strict=True):
        crossing = _crossing(here, there)
        if crossing is not None:
            return one.price + (other.price - one.price) * crossing
    return None


def _crossing(here: Corner, there: Corner) -> Fraction | None:
    """How far between both ends a candidate of one selection meets one of the other; None for one selection."""
    counts = here.counts or (1,) * len(here.values)
    first, second = _selected(here, there, counts), _selected(there, here, counts)
    if _total(there, first) == _total(there, second):
        return None
    leaving = [at for at in first if first[at] > second.get(at, 0)]
    arriving = [at for at in second if second[at] > first.get(at, 0)]
    pairs = [(leaving[0], new) for new in arriving] + [(old, arriving[0]) for old in leaving]
    for old, new in pairs:
        gap, after = here.values[old] - here.values[new], there.values[old] - there.values[new]
        if gap > 0 > after:
            return gap / (gap - after)
    return Fraction(1, 2)


def _selected(here: Corner, there: Corner, counts: Sequence[int]) -> dict[int, int]:
    """The `tail` largest here, those that are larger there first among equals: how often each is counted."""
    ordered = sorted(range(len(here.values)), key=lambda at: (here.values[at], there.values[at]), reverse=True)
    left, taken = here.tail, {}
    for at in ordered:
        taken[at] = min(counts[at], left)
        left -= taken[at]
        if not left:
            break
    return taken


def _total(corner: Corner, selected: dict[int, int]) -> Fraction:
    return sum((corner.values[at] * count for at, count in selected.items()), ZERO)
