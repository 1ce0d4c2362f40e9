"""Checks of a risk model by itself, and the limits and the form of findings that all checks share.

Rule: names are unique, references resolve, numbers are in range and counts are bounded: a file may come from
anywhere. A fault is refused with its path.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TypeAlias

from clearing.base.errors import Detail, RemoteFault
from clearing.schema.codes import ClearingCode
from lab.models.named import ITEMS_MAX
from lab.models.net_terms import BasisCharge, NetCharge, NetRows
from lab.models.numbers import DECIMALS_MAX, NUMBER_CHARACTERS_MAX, Number, exact_rational
from lab.models.scan_terms import LogNormal, Scan, ScanRange, grid_points
from lab.models.sensitivity_terms import Sensitivities
from lab.models.terms import (
    AmountTerm,
    Calendar,
    CollateralCharge,
    Convex,
    GroupCredit,
    JointCreditTerm,
    LesserTerm,
    MarginFraction,
    MarginLevel,
    MinimumTerm,
    OptionFormula,
    PerSize,
    RiskModel,
    Slippage,
    Term,
)

TERMS_MAX = 256
LEVELS_MAX = 16
LOGARITHM_MAX = 20
"""Of the factor by which a price moves."""
POINTS_MAX = 256
SECANTS_MAX = 64
JOINT_MAX = 1024
ENTRIES_MAX = ITEMS_MAX
"""Of groups, instruments, collateral tokens and accounts each: as many as a list may have."""
POSITIONS_MAX = 16_384
"""Of all accounts, orders and collateral holdings included."""
OPTION_VALUES_MAX = 50_000
"""Options times scenarios."""
SCAN_ENTRIES_MAX = 500_000
"""Positions times scenarios and terms; likewise joint scenarios times groups times accounts."""
VALUE_MAX = Fraction(10**24)
"""No price, size, amount or factor is larger."""
SMALLEST_NUMBER = Fraction(1, 10**24)
SECONDS_MAX = 100 * 365 * 86_400
VOLATILITY_MAX = Fraction(1000)

WEIGHT_MAX = 10
"""Of a scenario: an extreme move counts in part, a likely one may count more than once."""
GROUPLESS = (AmountTerm, CollateralCharge, JointCreditTerm, Sensitivities)
"""Terms whose amount belongs to no group."""

Finding: TypeAlias = tuple[str, Detail, bool]
"""(path, value, whether it is in order)."""


def refuse_first(code: ClearingCode, findings: Iterator[Finding], at: str) -> None:
    """Raise RemoteFault at the first finding that is not in order."""
    for path, value, good in findings:
        if not good:
            excerpt = value if not isinstance(value, str) else value[:NUMBER_CHARACTERS_MAX]
            raise RemoteFault(code, f"{at}.{path}", value=excerpt)


def check_size(path: str, number: Number, least: int | Fraction | None = None) -> Iterator[Finding]:
    """A number from `least`, and no larger than `VALUE_MAX`."""
    value = exact_rational(number)
    yield path, str(number), abs(value) <= VALUE_MAX and (least is None or value >= least)


def check_unique(path: str, names: Sequence[str]) -> Iterator[Finding]:
    """No name appears twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    yield path, twice[0] if twice else "", not twice


def check_model(model: RiskModel, at: str = "model") -> None:
    """Names, references inside the model, ranges. Raises RemoteFault BAD_MODEL with the path."""
    refuse_first(ClearingCode.BAD_MODEL, _model_findings(model), at)


def _model_findings(model: RiskModel) -> Iterator[Finding]:
    terms, levels = model.terms, model.levels
    yield "terms", len(terms), 1 <= len(terms) <= TERMS_MAX
    yield "levels", len(levels), 1 <= len(levels) <= LEVELS_MAX
    yield "option_decimals", model.option_decimals, model.option_decimals <= DECIMALS_MAX
    yield "collateral_decimals", model.collateral_decimals, model.collateral_decimals <= DECIMALS_MAX
    yield from check_unique("terms", [term.name for term in terms])
    yield from check_unique("levels", [level.name for level in levels])
    known: set[str] = set()
    for number, level in enumerate(levels):
        yield from _level_findings(f"levels[{number}]", level, known)
        known.add(level.name)
    sums = {level.name for level in levels if not level.base}
    before: dict[str, Term] = {}
    for number, term in enumerate(terms):
        yield from _term_findings(f"terms[{number}]", term, before)
        for index, weight in enumerate(term.weights):
            path = f"terms[{number}].weights[{index}]"
            yield f"{path}.level", weight.level, weight.level in sums
            yield from check_size(f"{path}.weight", weight.weight, 0)
        before[term.name] = term


def _level_findings(at: str, level: MarginLevel, known: set[str]) -> Iterator[Finding]:
    yield f"{at}.base", level.base, not level.base or level.base in known
    yield f"{at}.decimals", level.decimals, level.decimals <= DECIMALS_MAX
    yield from check_size(f"{at}.factor", level.factor, 0)


def _term_findings(at: str, term: Term, before: dict[str, Term]) -> Iterator[Finding]:
    if isinstance(term, Scan):
        yield from _scan_findings(at, term)
    elif isinstance(term, MarginFraction):
        yield from check_size(f"{at}.fraction", term.fraction, 0)
        yield f"{at}.decimals", term.decimals, term.decimals <= DECIMALS_MAX
        places = 0 if term.fraction_decimals is None else term.fraction_decimals
        yield f"{at}.fraction_decimals", places, places <= DECIMALS_MAX
        if term.open_interest is not None:
            lower, upper = exact_rational(term.open_interest.lower), exact_rational(term.open_interest.upper)
            yield f"{at}.open_interest.upper", str(upper), upper == 0 or 0 <= lower <= upper
    elif isinstance(term, Slippage):
        for name in ("linear", "quadratic", "factor_long", "factor_short", "increment"):
            yield from check_size(f"{at}.{name}", getattr(term, name), 0)
        yield f"{at}.decimals", term.decimals, term.decimals <= DECIMALS_MAX
    elif isinstance(term, OptionFormula):
        for name in ("upper", "lower", "lower_put", "value_share"):
            if getattr(term, name) is not None:
                yield from check_size(f"{at}.{name}", getattr(term, name), 0)
        yield f"{at}.decimals", term.decimals, term.decimals <= DECIMALS_MAX
    elif isinstance(term, PerSize):
        yield from check_size(f"{at}.fraction", term.fraction, 0)
        yield from check_size(f"{at}.amount", term.amount, 0)
    elif isinstance(term, Convex | CollateralCharge):
        yield f"{at}.secants", len(term.secants), 1 <= len(term.secants) <= SECANTS_MAX
        for number, secant in enumerate(term.secants):
            yield from check_size(f"{at}.secants[{number}].slope", secant.slope, 0)
            yield from check_size(f"{at}.secants[{number}].intercept", secant.intercept)
    elif isinstance(term, Sensitivities):
        yield from _sensitivity_findings(at, term)
    elif isinstance(term, NetCharge | BasisCharge | NetRows):
        yield from _net_findings(at, term)
    else:
        yield from _group_term_findings(at, term, before)


def _group_term_findings(at: str, term: Term, before: dict[str, Term]) -> Iterator[Finding]:
    scans = [name for name, earlier in before.items() if isinstance(earlier, Scan)]
    if isinstance(term, Calendar):
        yield from check_size(f"{at}.charge", term.charge, 0)
        yield f"{at}.legs", len(term.legs), len(term.legs) == 0 or {leg.side for leg in term.legs} == {"A", "B"}
        for number, leg in enumerate(term.legs):
            yield from check_size(f"{at}.legs[{number}].delta", leg.delta, SMALLEST_NUMBER)
    elif isinstance(term, GroupCredit):
        yield f"{at}.scan", term.scan, bool(scans) and (not term.scan or term.scan in scans)
        yield f"{at}.spreads", len(term.spreads), len(term.spreads) <= ENTRIES_MAX
        for number, spread in enumerate(term.spreads):
            path = f"{at}.spreads[{number}]"
            yield f"{path}.legs", len(spread.legs), {leg.side for leg in spread.legs} == {"A", "B"}
            yield f"{path}.rate", str(spread.rate), 0 <= exact_rational(spread.rate) <= 1
            yield from check_unique(f"{path}.legs", [leg.of for leg in spread.legs])
            for index, leg in enumerate(spread.legs):
                yield from check_size(f"{path}.legs[{index}].delta", leg.delta, SMALLEST_NUMBER)
    elif isinstance(term, MinimumTerm):
        yield from check_size(f"{at}.charge", term.charge, 0)
        yield from check_size(f"{at}.fraction", term.fraction, 0)
        yield from ((f"{at}.over", name, name in before) for name in term.over)
        for number, charge in enumerate(term.charges):
            yield from check_size(f"{at}.charges[{number}].charge", charge.charge, 0)
    elif isinstance(term, LesserTerm):
        yield f"{at}.alternatives", len(term.alternatives), 2 <= len(term.alternatives) <= TERMS_MAX
        for number, alternative in enumerate(term.alternatives):
            path = f"{at}.alternatives[{number}].terms"
            yield path, len(alternative.terms), 1 <= len(alternative.terms) <= TERMS_MAX
            for name in alternative.terms:
                yield path, name, name in before and not isinstance(before[name], GROUPLESS)
    elif isinstance(term, JointCreditTerm):
        floors = [name for name, earlier in before.items() if isinstance(earlier, MinimumTerm)]
        counts = sum(scenario.count for scenario in term.scenarios)
        joined = [name for name in term.over if name in scans]
        yield f"{at}.over", len(joined), len(joined) == 1
        yield f"{at}.floor", term.floor, not term.floor or term.floor in floors
        yield f"{at}.scenarios", len(term.scenarios), 1 <= len(term.scenarios) <= JOINT_MAX
        yield f"{at}.tail", term.tail, 1 <= term.tail <= counts
        yield f"{at}.weight", str(term.weight), 0 <= exact_rational(term.weight) <= 1
        yield f"{at}.decimals", term.decimals, term.decimals <= DECIMALS_MAX
        yield from ((f"{at}.over", name, name in before) for name in term.over)


def _sensitivity_findings(at: str, term: Sensitivities) -> Iterator[Finding]:
    names = [bucket.name for bucket in term.buckets]
    yield f"{at}.decimals", term.decimals, term.decimals <= DECIMALS_MAX
    yield f"{at}.buckets", len(names), 1 <= len(names) <= SECANTS_MAX
    yield from check_unique(f"{at}.buckets", names)
    yield from check_unique(f"{at}.buckets", [group for bucket in term.buckets for group in bucket.groups])
    for number, bucket in enumerate(term.buckets):
        path = f"{at}.buckets[{number}]"
        yield from check_size(f"{path}.delta_weight", bucket.delta_weight, 0)
        yield from check_size(f"{path}.vega_weight", bucket.vega_weight, 0)
        yield _correlation(path, bucket.correlation)
        volatility = exact_rational(bucket.volatility or 0)
        yield f"{path}.volatility", str(volatility), 0 <= volatility <= VOLATILITY_MAX
    yield from check_unique(f"{at}.correlations", ["\n".join(sorted((x.one, x.other))) for x in term.correlations])
    for number, pair in enumerate(term.correlations):
        path = f"{at}.correlations[{number}]"
        yield f"{path}.one", pair.one, pair.one in names
        yield f"{path}.other", pair.other, pair.other in names and pair.other != pair.one
        yield _correlation(path, pair.correlation)
    if term.curvature is not None:
        yield from check_size(f"{at}.curvature.days", term.curvature.days, SMALLEST_NUMBER)
        yield from check_size(f"{at}.curvature.multiple", term.curvature.multiple, 0)


def _net_findings(at: str, term: NetCharge | BasisCharge | NetRows) -> Iterator[Finding]:
    if isinstance(term, NetCharge):
        yield f"{at}.secants", len(term.secants), 1 <= len(term.secants) <= SECANTS_MAX
        for number, line in enumerate(term.secants):
            yield from check_size(f"{at}.secants[{number}].slope", line.slope, 0)
            yield from check_size(f"{at}.secants[{number}].intercept", line.intercept)
        shift = exact_rational(term.volatility_range)
        yield f"{at}.volatility_range", str(shift), 0 <= shift <= VOLATILITY_MAX and bool(shift) == (term.of == "vega")
    elif isinstance(term, BasisCharge):
        yield f"{at}.moves", len(term.moves), 1 <= len(term.moves) <= SECANTS_MAX
        for number, move in enumerate(term.moves):
            path, tenors = f"{at}.moves[{number}]", [point.seconds_to_expiry for point in move.points]
            yield f"{path}.points", len(tenors), 1 <= len(tenors) <= SECANTS_MAX and tenors == sorted(set(tenors))
            yield f"{path}.points", max(tenors, default=0), max(tenors, default=0) <= SECONDS_MAX
            yield from check_size(f"{path}.perpetual", move.perpetual)
            for index, point in enumerate(move.points):
                yield from check_size(f"{path}.points[{index}].shift", point.shift)
    else:
        yield f"{at}.rows", len(term.rows), 1 <= len(term.rows) <= POINTS_MAX
        for number, row in enumerate(term.rows):
            yield from check_size(f"{at}.rows[{number}].intercept", row.intercept)
            yield from check_unique(f"{at}.rows[{number}]", [each.instrument for each in row.coefficients])
            for each in row.coefficients:
                yield from check_size(f"{at}.rows[{number}].coefficients", each.coefficient)


def _correlation(at: str, correlation: Number) -> Finding:
    return f"{at}.correlation", str(correlation), -1 <= exact_rational(correlation) <= 1


def _scan_findings(at: str, scan: Scan) -> Iterator[Finding]:
    points = grid_points(scan)
    joint = scan.joint_points
    yield f"{at}.joint_points", joint, joint == 0 or (scan.basis is None and (not points or joint < len(points)))
    yield f"{at}.points", len(points), len(points) <= POINTS_MAX and (scan.grid == "points" or not scan.points)
    for number, point in enumerate(scan.points):
        yield from check_size(f"{at}.points[{number}].price", point.price)
        yield f"{at}.points[{number}].volatility", str(point.volatility), abs(exact_rational(point.volatility)) <= 100
        yield f"{at}.points[{number}].weight", str(point.weight), 0 <= exact_rational(point.weight) <= WEIGHT_MAX
    yield from check_unique(f"{at}.ranges", [scan_range.group for scan_range in scan.ranges])
    for number, scan_range in enumerate(scan.ranges):
        yield from check_size(f"{at}.ranges[{number}].price", scan_range.price, 0)
        if scan_range.lognormal is not None:
            yield from _lognormal_findings(f"{at}.ranges[{number}]", scan, scan_range)
        for name in ("volatility_up", "volatility_down"):
            value = getattr(scan_range, name)
            yield (
                f"{at}.ranges[{number}].{name}",
                str(value),
                value is None or 0 <= exact_rational(value) <= VOLATILITY_MAX,
            )
    yield f"{at}.volatility_min", str(scan.volatility_min), 0 <= exact_rational(scan.volatility_min) <= VOLATILITY_MAX
    yield from check_size(f"{at}.skew.width", scan.skew.width, SMALLEST_NUMBER)
    yield from check_size(f"{at}.skew.width_per_root_year", scan.skew.width_per_root_year, 0)
    for name in ("linear_cap", "absolute_cap", "linear_cap_per_root_year", "absolute_cap_per_root_year"):
        yield from check_size(f"{at}.skew.{name}", getattr(scan.skew, name))
    if scan.term_scaling is not None:
        yield from check_size(f"{at}.term_scaling.days", scan.term_scaling.days, SMALLEST_NUMBER)
        yield from check_size(f"{at}.term_scaling.days_min", scan.term_scaling.days_min, SMALLEST_NUMBER)
        for name in ("short_power", "long_power"):
            power = getattr(scan.term_scaling, name)
            yield f"{at}.term_scaling.{name}", str(power), 0 <= exact_rational(power) <= 10
    if scan.static_discount is not None:
        for name in ("base", "short_base"):
            yield from check_size(f"{at}.static_discount.{name}", getattr(scan.static_discount, name), 0)
        for name in ("rate", "short_rate"):
            rate = getattr(scan.static_discount, name)
            yield f"{at}.static_discount.{name}", str(rate), abs(exact_rational(rate)) <= 10
    if scan.basis is not None:
        yield from check_size(f"{at}.basis.up", scan.basis.up)
        yield from check_size(f"{at}.basis.down", scan.basis.down)
        yield from check_size(f"{at}.basis.add", scan.basis.add, 0)
        yield from check_size(f"{at}.basis.multiply", scan.basis.multiply, 0)


def _lognormal_findings(at: str, scan: Scan, scan_range: ScanRange) -> Iterator[Finding]:
    terms = scan_range.lognormal or LogNormal(0, 0)
    yield f"{at}.absolute", scan_range.absolute, not scan_range.absolute
    volatility, days = exact_rational(terms.volatility), exact_rational(terms.days)
    yield f"{at}.lognormal.volatility", str(terms.volatility), 0 <= volatility <= VOLATILITY_MAX
    yield f"{at}.lognormal.days", str(terms.days), 0 <= days <= SECONDS_MAX // 86_400
    moves = [abs(exact_rational(point.price)) for point in grid_points(scan) if not point.of_price]
    largest = (max(moves, default=Fraction(0)) * volatility) ** 2 * days / 365
    yield f"{at}.lognormal", str(terms.volatility), largest <= LOGARITHM_MAX**2
