"""Whether a risk model makes sense by itself.

Rule: names are unique, references go to what is there, numbers are in range and counts bounded; what is wrong is
refused with its path.
"""

from collections.abc import Iterator

from clearing.codes import ClearingCode
from clearing.models.findings import (
    ENTRIES_MAX,
    JOINT_MAX,
    LEVELS_MAX,
    POINTS_MAX,
    SECANTS_MAX,
    SMALLEST,
    TERMS_MAX,
    VOLATILITY_MAX,
    Finding,
    refuse,
    size_of,
    unique,
)
from clearing.models.numbers import DECIMALS_MAX, exact
from clearing.models.scan_terms import Scan, points_of
from clearing.models.terms import (
    Calendar,
    CollateralCharge,
    Convex,
    GroupCredit,
    JointCredit,
    Level,
    MarginFraction,
    Minimum,
    OptionFormula,
    PerSize,
    RiskModel,
    Slippage,
    Term,
)


def check_model(model: RiskModel, at: str = "model") -> None:
    """Names, references inside the model, ranges. Raises RemoteFault BAD_MODEL with the path."""
    refuse(ClearingCode.BAD_MODEL, _of_model(model), at)


def _of_model(model: RiskModel) -> Iterator[Finding]:
    terms, levels = model.terms, model.levels
    yield "terms", len(terms), 1 <= len(terms) <= TERMS_MAX
    yield "levels", len(levels), 1 <= len(levels) <= LEVELS_MAX
    yield "option_decimals", model.option_decimals, model.option_decimals <= DECIMALS_MAX
    yield "collateral_decimals", model.collateral_decimals, model.collateral_decimals <= DECIMALS_MAX
    yield from unique("terms", [each.name for each in terms])
    yield from unique("levels", [each.name for each in levels])
    known: set[str] = set()
    for number, level in enumerate(levels):
        yield from _of_level(f"levels[{number}]", level, known)
        known.add(level.name)
    sums = {level.name for level in levels if not level.base}
    before: dict[str, Term] = {}
    for number, term in enumerate(terms):
        yield from _of_term(f"terms[{number}]", term, before)
        for index, weight in enumerate(term.weights):
            path = f"terms[{number}].weights[{index}]"
            yield f"{path}.level", weight.level, weight.level in sums
            yield from size_of(f"{path}.weight", weight.weight, 0)
        before[term.name] = term


def _of_level(at: str, level: Level, known: set[str]) -> Iterator[Finding]:
    yield f"{at}.base", level.base, not level.base or level.base in known
    yield f"{at}.decimals", level.decimals, level.decimals <= DECIMALS_MAX
    yield from size_of(f"{at}.factor", level.factor, 0)


def _of_term(at: str, term: Term, before: dict[str, Term]) -> Iterator[Finding]:
    if isinstance(term, Scan):
        yield from _of_scan(at, term)
    elif isinstance(term, MarginFraction):
        yield from size_of(f"{at}.fraction", term.fraction, 0)
        yield f"{at}.decimals", term.decimals, term.decimals <= DECIMALS_MAX
        if term.open_interest is not None:
            lower, upper = exact(term.open_interest.lower), exact(term.open_interest.upper)
            yield f"{at}.open_interest.upper", str(upper), upper == 0 or 0 <= lower <= upper
    elif isinstance(term, Slippage):
        for name in ("linear", "quadratic", "factor_long", "factor_short", "increment"):
            yield from size_of(f"{at}.{name}", getattr(term, name), 0)
        yield f"{at}.decimals", term.decimals, term.decimals <= DECIMALS_MAX
    elif isinstance(term, OptionFormula):
        for name in ("upper", "lower", "lower_put"):
            if getattr(term, name) is not None:
                yield from size_of(f"{at}.{name}", getattr(term, name), 0)
        yield f"{at}.decimals", term.decimals, term.decimals <= DECIMALS_MAX
    elif isinstance(term, PerSize):
        yield from size_of(f"{at}.fraction", term.fraction, 0)
        yield from size_of(f"{at}.amount", term.amount, 0)
    elif isinstance(term, Convex | CollateralCharge):
        yield f"{at}.secants", len(term.secants), 1 <= len(term.secants) <= SECANTS_MAX
        for number, each in enumerate(term.secants):
            yield from size_of(f"{at}.secants[{number}].slope", each.slope, 0)
            yield from size_of(f"{at}.secants[{number}].intercept", each.intercept)
    else:
        yield from _of_group_term(at, term, before)


def _of_group_term(at: str, term: Term, before: dict[str, Term]) -> Iterator[Finding]:
    scans = [name for name, each in before.items() if isinstance(each, Scan)]
    if isinstance(term, Calendar):
        yield from size_of(f"{at}.charge", term.charge, 0)
        yield f"{at}.legs", len(term.legs), len(term.legs) == 0 or {leg.side for leg in term.legs} == {"A", "B"}
        for number, leg in enumerate(term.legs):
            yield from size_of(f"{at}.legs[{number}].delta", leg.delta, SMALLEST)
    elif isinstance(term, GroupCredit):
        yield f"{at}.scan", term.scan, bool(scans) and (not term.scan or term.scan in scans)
        yield f"{at}.spreads", len(term.spreads), len(term.spreads) <= ENTRIES_MAX
        for number, spread in enumerate(term.spreads):
            path = f"{at}.spreads[{number}]"
            yield f"{path}.legs", len(spread.legs), {leg.side for leg in spread.legs} == {"A", "B"}
            yield f"{path}.rate", str(spread.rate), 0 <= exact(spread.rate) <= 1
            yield from unique(f"{path}.legs", [leg.of for leg in spread.legs])
            for index, leg in enumerate(spread.legs):
                yield from size_of(f"{path}.legs[{index}].delta", leg.delta, SMALLEST)
    elif isinstance(term, Minimum):
        yield from size_of(f"{at}.charge", term.charge, 0)
        yield from size_of(f"{at}.fraction", term.fraction, 0)
        yield from ((f"{at}.over", name, name in before) for name in term.over)
        for number, each in enumerate(term.charges):
            yield from size_of(f"{at}.charges[{number}].charge", each.charge, 0)
    elif isinstance(term, JointCredit):
        floors = [name for name, each in before.items() if isinstance(each, Minimum)]
        counts = sum(each.count for each in term.scenarios)
        joined = [name for name in term.over if name in scans]
        yield f"{at}.over", len(joined), len(joined) == 1
        yield f"{at}.floor", term.floor, not term.floor or term.floor in floors
        yield f"{at}.scenarios", len(term.scenarios), 1 <= len(term.scenarios) <= JOINT_MAX
        yield f"{at}.tail", term.tail, 1 <= term.tail <= counts
        yield f"{at}.weight", str(term.weight), 0 <= exact(term.weight) <= 1
        yield f"{at}.decimals", term.decimals, term.decimals <= DECIMALS_MAX
        yield from ((f"{at}.over", name, name in before) for name in term.over)


def _of_scan(at: str, scan: Scan) -> Iterator[Finding]:
    points = points_of(scan)
    yield f"{at}.points", len(points), len(points) <= POINTS_MAX and (scan.grid == "points" or not scan.points)
    for number, point in enumerate(scan.points):
        yield from size_of(f"{at}.points[{number}].price", point.price)
        yield f"{at}.points[{number}].volatility", str(point.volatility), abs(exact(point.volatility)) <= 100
        yield f"{at}.points[{number}].weight", str(point.weight), 0 <= exact(point.weight) <= 1
    yield from unique(f"{at}.ranges", [each.group for each in scan.ranges])
    for number, each in enumerate(scan.ranges):
        yield from size_of(f"{at}.ranges[{number}].price", each.price, 0)
        for name in ("volatility_up", "volatility_down"):
            value = getattr(each, name)
            yield f"{at}.ranges[{number}].{name}", str(value), value is None or 0 <= exact(value) <= VOLATILITY_MAX
    yield f"{at}.volatility_min", str(scan.volatility_min), 0 <= exact(scan.volatility_min) <= VOLATILITY_MAX
    yield from size_of(f"{at}.skew.width", scan.skew.width, SMALLEST)
    for name in ("linear_cap", "absolute_cap"):
        yield from size_of(f"{at}.skew.{name}", getattr(scan.skew, name))
    if scan.term_scaling is not None:
        yield from size_of(f"{at}.term_scaling.days", scan.term_scaling.days, SMALLEST)
        yield from size_of(f"{at}.term_scaling.days_min", scan.term_scaling.days_min, SMALLEST)
        for name in ("short_power", "long_power"):
            power = getattr(scan.term_scaling, name)
            yield f"{at}.term_scaling.{name}", str(power), 0 <= exact(power) <= 10
    if scan.static_discount is not None:
        for name in ("base", "short_base"):
            yield from size_of(f"{at}.static_discount.{name}", getattr(scan.static_discount, name), 0)
        for name in ("rate", "short_rate"):
            rate = getattr(scan.static_discount, name)
            yield f"{at}.static_discount.{name}", str(rate), abs(exact(rate)) <= 10
    if scan.basis is not None:
        yield from size_of(f"{at}.basis.up", scan.basis.up)
        yield from size_of(f"{at}.basis.down", scan.basis.down)
        yield from size_of(f"{at}.basis.add", scan.basis.add, 0)
        yield from size_of(f"{at}.basis.multiply", scan.basis.multiply, 0)
