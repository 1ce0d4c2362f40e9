"""Whether a model and a portfolio fit, and whether the work is bounded.

Rule: both must have been checked by themselves; what is wrong is refused with its path in the model.
"""

from collections.abc import Iterator

from clearing.codes import ClearingCode
from clearing.models.findings import OPTION_VALUES_MAX, POINTS_MAX, SCAN_ENTRIES_MAX, Finding, refuse
from clearing.models.numbers import exact
from clearing.models.portfolio import Contract, Group, Portfolio
from clearing.models.scan_terms import Scan, Selection, points_of
from clearing.models.terms import (
    Calendar,
    CollateralCharge,
    Convex,
    GroupCredit,
    JointCredit,
    MarginFraction,
    Minimum,
    OptionFormula,
    PerSize,
    RiskModel,
    Slippage,
)


def check_fit(model: RiskModel, portfolio: Portfolio, at: str = "model") -> None:
    """What the model names exists, and the work is bounded. Raises RemoteFault BAD_MODEL with the path."""
    refuse(ClearingCode.BAD_MODEL, _of_both(model, portfolio), at)


def _of_both(model: RiskModel, portfolio: Portfolio) -> Iterator[Finding]:
    groups = {each.id: each for each in portfolio.groups}
    instruments = {each.id: each for each in portfolio.instruments}
    tokens = {each.id for each in portfolio.collateral}
    positions = sum(len(each.positions) + len(each.orders) for each in portfolio.accounts)
    options = sum(each.kind in ("call", "put") for each in portfolio.instruments)
    scans = [term for term in model.terms if isinstance(term, Scan)]
    points = sum(len(points_of(scan)) or POINTS_MAX for scan in scans)
    yield "terms", options * points, options * points <= OPTION_VALUES_MAX
    entries = positions * (points + len(model.terms))
    yield "terms", entries, entries <= SCAN_ENTRIES_MAX
    for number, term in enumerate(model.terms):
        at = f"terms[{number}]"
        if isinstance(term, Scan | MarginFraction | Slippage | OptionFormula | PerSize | Convex):
            yield from _of_selection(f"{at}.select", term.select, groups, instruments)
        if isinstance(term, Scan):
            yield from _scan_fits(at, term, groups, instruments)
        elif isinstance(term, Calendar):
            yield f"{at}.group", term.group, term.group in groups
        elif isinstance(term, GroupCredit):
            legs = [leg.of for spread in term.spreads for leg in spread.legs]
            yield from ((f"{at}.spreads", of, of in groups) for of in legs)
        elif isinstance(term, Minimum):
            yield from ((f"{at}.groups", of, of in groups) for of in term.groups)
            yield from ((f"{at}.charges", each.instrument, each.instrument in instruments) for each in term.charges)
        elif isinstance(term, CollateralCharge):
            yield f"{at}.collateral", term.collateral, term.collateral in tokens
        elif isinstance(term, JointCredit):
            yield from _joint_fits(at, term, model, portfolio)


def _of_selection(
    at: str, select: Selection, groups: dict[str, Group], instruments: dict[str, Contract]
) -> Iterator[Finding]:
    yield from ((f"{at}.groups", each, each in groups) for each in select.groups)
    yield from ((f"{at}.instruments", each, each in instruments) for each in select.instruments)


def _scan_fits(at: str, scan: Scan, groups: dict[str, Group], instruments: dict[str, Contract]) -> Iterator[Finding]:
    yield from ((f"{at}.ranges", each.group, each.group in groups) for each in scan.ranges if each.group)
    points = len(points_of(scan))
    chosen = [each for each in instruments.values() if scan.select.has(each)]
    widths = {len(each.scanning) for each in chosen if each.scanning}
    if points:
        yield f"{at}.points", points, widths <= {points}
    else:
        given = all(each.scanning for each in chosen)
        yield f"{at}.points", points, given and len(widths) <= 1
    for each in scan.ranges:
        if each.absolute:
            named = [group for group in groups.values() if each.group in ("", group.id)]
            yield f"{at}.ranges", each.group, all(exact(group.price) > 0 for group in named)


def _joint_fits(at: str, term: JointCredit, model: RiskModel, portfolio: Portfolio) -> Iterator[Finding]:
    scans = {each.name: each for each in model.terms if isinstance(each, Scan)}
    scan = next(scans[name] for name in term.over if name in scans)
    given = max((len(each.scanning) for each in portfolio.instruments if scan.select.has(each)), default=0)
    points = len(points_of(scan)) or given
    work = len(term.scenarios) * len(portfolio.groups) * len(portfolio.accounts)
    yield f"{at}.scenarios", work, work <= SCAN_ENTRIES_MAX
    yield f"{at}.over", scan.offset, scan.offset == "group"
    told = [each.id for each in portfolio.accounts if each.given]
    yield f"{at}.over", told[0] if told else "", not told
    for number, each in enumerate(term.scenarios):
        path = f"{at}.scenarios[{number}].columns"
        yield path, len(each.columns), len(each.columns) == len(portfolio.groups)
        yield path, max(each.columns, default=0), max(each.columns, default=0) <= points
