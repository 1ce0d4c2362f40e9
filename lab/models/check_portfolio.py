"""Checks of a portfolio by itself, and of whether a model and a portfolio fit.

Rule: both must have been checked by themselves before their fit is. The work that they ask for is bounded. A fault is
refused with its path in the file.
"""

from collections.abc import Iterator
from fractions import Fraction

from clearing.schema.codes import ClearingCode
from lab.models.check_model import (
    ENTRIES_MAX,
    OPTION_VALUES_MAX,
    POINTS_MAX,
    POSITIONS_MAX,
    SCAN_ENTRIES_MAX,
    SECONDS_MAX,
    SMALLEST_NUMBER,
    VOLATILITY_MAX,
    Finding,
    check_size,
    check_unique,
    refuse_first,
)
from lab.models.net_terms import BasisCharge, NetCharge, NetRows
from lab.models.numbers import exact_rational
from lab.models.portfolio import YEAR_SECONDS, Collateral, Contract, Group, Portfolio, PortfolioAccount
from lab.models.scan_terms import Scan, Selection, grid_points
from lab.models.sensitivity_terms import Sensitivities
from lab.models.terms import (
    Calendar,
    CollateralCharge,
    Convex,
    GroupCredit,
    JointCreditTerm,
    MarginFraction,
    MinimumTerm,
    OptionFormula,
    PerSize,
    RiskModel,
    Slippage,
)

SELECTING = (
    Scan,
    MarginFraction,
    Slippage,
    OptionFormula,
    PerSize,
    Convex,
    Sensitivities,
    NetCharge,
    BasisCharge,
)
"""Terms with a selection."""


def check_fit(model: RiskModel, portfolio: Portfolio, at: str = "model") -> None:
    """What the model names exists, and the work is bounded. Raises RemoteFault BAD_MODEL with the path."""
    refuse_first(ClearingCode.BAD_MODEL, _fit_findings(model, portfolio), at)


def _fit_findings(model: RiskModel, portfolio: Portfolio) -> Iterator[Finding]:
    groups = {group.id: group for group in portfolio.groups}
    instruments = {instrument.id: instrument for instrument in portfolio.instruments}
    tokens = {token.id for token in portfolio.collateral}
    positions = sum(len(account.positions) + len(account.orders) for account in portfolio.accounts)
    options = sum(instrument.kind in ("call", "put") for instrument in portfolio.instruments)
    scans = [term for term in model.terms if isinstance(term, Scan)]
    points = sum(len(grid_points(scan)) or POINTS_MAX for scan in scans)
    yield "terms", options * points, options * points <= OPTION_VALUES_MAX
    entries = positions * (points + len(model.terms))
    yield "terms", entries, entries <= SCAN_ENTRIES_MAX
    for number, term in enumerate(model.terms):
        at = f"terms[{number}]"
        if isinstance(term, SELECTING):
            yield from _selection_findings(f"{at}.select", term.select, groups, instruments)
        if isinstance(term, Scan):
            yield from _scan_findings(at, term, groups, instruments)
        elif isinstance(term, Calendar):
            yield f"{at}.group", term.group, term.group in groups
        elif isinstance(term, GroupCredit):
            legs = [leg.of for spread in term.spreads for leg in spread.legs]
            yield from ((f"{at}.spreads", of, of in groups) for of in legs)
        elif isinstance(term, MinimumTerm):
            yield from ((f"{at}.groups", of, of in groups) for of in term.groups)
            yield from (
                (f"{at}.charges", charge.instrument, charge.instrument in instruments) for charge in term.charges
            )
        elif isinstance(term, CollateralCharge):
            yield f"{at}.collateral", term.collateral, term.collateral in tokens
        elif isinstance(term, NetRows):
            yield f"{at}.group", term.group, term.group in groups
            named = (each.instrument for row in term.rows for each in row.coefficients)
            yield from (
                (f"{at}.rows", each, each in instruments and instruments[each].group == term.group) for each in named
            )
        elif isinstance(term, Sensitivities):
            yield from _bucket_findings(f"{at}.buckets", term, portfolio)
        elif isinstance(term, JointCreditTerm):
            yield from _joint_findings(at, term, model, portfolio)


def _selection_findings(
    at: str, select: Selection, groups: dict[str, Group], instruments: dict[str, Contract]
) -> Iterator[Finding]:
    yield from ((f"{at}.groups", group, group in groups) for group in select.groups)
    yield from ((f"{at}.instruments", instrument, instrument in instruments) for instrument in select.instruments)


def _scan_findings(
    at: str, scan: Scan, groups: dict[str, Group], instruments: dict[str, Contract]
) -> Iterator[Finding]:
    yield from (
        (f"{at}.ranges", scan_range.group, scan_range.group in groups) for scan_range in scan.ranges if scan_range.group
    )
    points = len(grid_points(scan))
    chosen = [instrument for instrument in instruments.values() if scan.select.has(instrument)]
    widths = {len(instrument.scanning) for instrument in chosen if instrument.scanning}
    if points:
        yield f"{at}.points", points, widths <= {points}
    else:
        given = all(instrument.scanning for instrument in chosen)
        yield f"{at}.points", points, given and len(widths) <= 1
    for scan_range in scan.ranges:
        if scan_range.absolute:
            named = [group for group in groups.values() if scan_range.group in ("", group.id)]
            yield f"{at}.ranges", scan_range.group, all(exact_rational(group.price or 0) > 0 for group in named)


def _bucket_findings(at: str, term: Sensitivities, portfolio: Portfolio) -> Iterator[Finding]:
    """Buckets name groups of the portfolio, and every group that the term selects an instrument of is in one."""
    inside = {group for bucket in term.buckets for group in bucket.groups}
    groups = {group.id for group in portfolio.groups}
    chosen = {contract.group for contract in portfolio.instruments if term.select.has(contract)}
    yield from ((at, group, group in groups) for group in sorted(inside))
    yield from ((at, group, group in inside) for group in sorted(chosen))


def _joint_findings(at: str, term: JointCreditTerm, model: RiskModel, portfolio: Portfolio) -> Iterator[Finding]:
    scans = {term.name: term for term in model.terms if isinstance(term, Scan)}
    scan = next(scans[name] for name in term.over if name in scans)
    given = max(
        (len(instrument.scanning) for instrument in portfolio.instruments if scan.select.has(instrument)), default=0
    )
    points = len(grid_points(scan)) or given
    work = len(term.scenarios) * len(portfolio.groups) * len(portfolio.accounts)
    yield f"{at}.scenarios", work, work <= SCAN_ENTRIES_MAX
    yield f"{at}.over", scan.offset, scan.offset == "group"
    stated = [account.id for account in portfolio.accounts if account.given]
    yield f"{at}.over", stated[0] if stated else "", not stated
    for number, scenario in enumerate(term.scenarios):
        path = f"{at}.scenarios[{number}].columns"
        yield path, len(scenario.columns), len(scenario.columns) == len(portfolio.groups)
        yield path, max(scenario.columns, default=0), max(scenario.columns, default=0) <= points


def check_portfolio(portfolio: Portfolio, at: str = "portfolio") -> None:
    """Names, references inside the portfolio, ranges. Raises RemoteFault BAD_PORTFOLIO with the path."""
    refuse_first(ClearingCode.BAD_PORTFOLIO, _portfolio_findings(portfolio), at)


def _portfolio_findings(portfolio: Portfolio) -> Iterator[Finding]:
    groups = {group.id for group in portfolio.groups}
    instruments = {instrument.id for instrument in portfolio.instruments}
    tokens = {token.id for token in portfolio.collateral}
    for name in ("groups", "instruments", "collateral", "accounts"):
        listed = getattr(portfolio, name)
        yield name, len(listed), len(listed) <= ENTRIES_MAX
        yield from check_unique(name, [entry.id for entry in listed])
    count = sum(
        len(account.positions) + len(account.orders) + len(account.collateral) + len(account.given)
        for account in portfolio.accounts
    )
    yield "accounts", count, count <= POSITIONS_MAX
    for number, group in enumerate(portfolio.groups):
        yield from _group_findings(f"groups[{number}]", group)
    for number, contract in enumerate(portfolio.instruments):
        yield f"instruments[{number}].group", contract.group, contract.group in groups
        yield from _contract_findings(f"instruments[{number}]", contract)
    yield from _discount_findings(portfolio)
    for number, token in enumerate(portfolio.collateral):
        yield f"collateral[{number}].group", token.group, not token.group or token.group in groups
        yield from _collateral_findings(f"collateral[{number}]", token)
    for number, account in enumerate(portfolio.accounts):
        yield from _account_findings(f"accounts[{number}]", account, groups, instruments, tokens)


def _group_findings(at: str, group: Group) -> Iterator[Finding]:
    if group.price is not None:
        yield from check_size(f"{at}.price", group.price, 0)
    yield (
        f"{at}.rate",
        str(group.rate),
        abs(exact_rational(group.rate)) <= Fraction(1, 100) or 0 <= exact_rational(group.rate) <= 10,
    )
    if group.volatility is not None:
        yield f"{at}.volatility", str(group.volatility), 0 <= exact_rational(group.volatility) <= VOLATILITY_MAX
    yield from check_unique(f"{at}.smiles", [str(smile.seconds_to_expiry) for smile in group.smiles])
    for number, smile in enumerate(group.smiles):
        yield f"{at}.smiles[{number}].level", str(smile.level), 0 <= exact_rational(smile.level) <= VOLATILITY_MAX
        yield f"{at}.smiles[{number}].skew", str(smile.skew), abs(exact_rational(smile.skew)) <= VOLATILITY_MAX
        yield (
            f"{at}.smiles[{number}].curvature",
            str(smile.curvature),
            abs(exact_rational(smile.curvature)) <= VOLATILITY_MAX,
        )


def _contract_findings(at: str, each: Contract) -> Iterator[Finding]:
    yield from check_size(f"{at}.multiplier", each.multiplier, SMALLEST_NUMBER)
    dated = each.kind not in ("perpetual", "spot")
    seconds = each.seconds
    yield f"{at}.seconds_to_expiry", seconds, seconds <= SECONDS_MAX and (dated or seconds == 0)
    option = each.kind in ("call", "put")
    yield f"{at}.strike", str(each.strike), (exact_rational(each.strike) > 0 or bool(each.scanning)) if option else True
    yield from check_size(f"{at}.strike", each.strike, 0)
    for name in ("mark", "forward", "open_interest", "exit_long", "exit_short"):
        value = getattr(each, name)
        if value is not None:
            yield from check_size(f"{at}.{name}", value, 0)
    if each.discount is not None:
        yield f"{at}.discount", str(each.discount), 0 < exact_rational(each.discount) <= 10
    if each.volatility is not None:
        yield f"{at}.volatility", str(each.volatility), 0 <= exact_rational(each.volatility) <= VOLATILITY_MAX
    if each.delta is not None:
        yield from check_size(f"{at}.delta", each.delta)
    yield f"{at}.scanning", len(each.scanning), len(each.scanning) <= POINTS_MAX
    for number, loss in enumerate(each.scanning):
        yield from check_size(f"{at}.scanning[{number}]", loss)


def _discount_findings(portfolio: Portfolio) -> Iterator[Finding]:
    """Options of one group and expiry have one discount: their values are added up before a static discount."""
    rates = {group.id: exact_rational(group.rate) for group in portfolio.groups}
    first: dict[tuple[str, int], Fraction] = {}
    for number, option in enumerate(portfolio.instruments):
        if option.kind in ("call", "put") and not option.scanning:
            carry = 1 + rates[option.group] * Fraction(option.seconds, YEAR_SECONDS)
            growth = carry if option.discount is None else 1 / exact_rational(option.discount)
            agreed = first.setdefault((option.group, option.seconds), growth) == growth
            yield f"instruments[{number}].discount", str(option.discount), agreed


def _collateral_findings(at: str, each: Collateral) -> Iterator[Finding]:
    yield from check_size(f"{at}.price", each.price, 0)
    yield from check_size(f"{at}.rate", each.rate, 0)
    yield f"{at}.rate_haircut", str(each.rate_haircut), 0 <= exact_rational(each.rate_haircut) <= 1
    if each.cap is not None:
        yield from check_size(f"{at}.cap", each.cap, 0)
    for number, haircut in enumerate(each.haircuts):
        yield f"{at}.haircuts[{number}].fraction", str(haircut.fraction), 0 <= exact_rational(haircut.fraction) <= 1
    above = Fraction(-1)
    for number, tier in enumerate(each.concentration):
        yield f"{at}.concentration[{number}].above", str(tier.above), exact_rational(tier.above) > above
        yield f"{at}.concentration[{number}].fraction", str(tier.fraction), 0 <= exact_rational(tier.fraction) <= 1
        above = exact_rational(tier.above)


def _account_findings(
    at: str, each: PortfolioAccount, groups: set[str], instruments: set[str], tokens: set[str]
) -> Iterator[Finding]:
    yield from check_size(f"{at}.cash", each.cash)
    yield from check_unique(f"{at}.collateral", [holding.collateral for holding in each.collateral])
    for number, holding in enumerate(each.collateral):
        yield f"{at}.collateral[{number}].collateral", holding.collateral, holding.collateral in tokens
        yield from check_size(f"{at}.collateral[{number}].amount", holding.amount, 0)
    for number, position in enumerate(each.positions):
        path = f"{at}.positions[{number}]"
        yield f"{path}.instrument", position.instrument, position.instrument in instruments
        yield from check_size(f"{path}.size", position.size)
        yield from check_size(f"{path}.funding", position.funding)
        if position.entry is not None:
            yield from check_size(f"{path}.entry", position.entry)
    for number, order in enumerate(each.orders):
        path = f"{at}.orders[{number}]"
        yield f"{path}.instrument", order.instrument, order.instrument in instruments
        yield from check_size(f"{path}.size", order.size, 0)
        if order.price is not None:
            yield from check_size(f"{path}.price", order.price, 0)
    yield from check_unique(f"{at}.given", [given.group for given in each.given])
    for number, given in enumerate(each.given):
        path = f"{at}.given[{number}]"
        yield f"{path}.group", given.group, given.group in groups
        yield from check_size(f"{path}.scan", given.scan)
        if given.price_risk is not None:
            yield from check_size(f"{path}.price_risk", given.price_risk, 0)
        yield from check_size(f"{path}.delta", given.delta)
        yield from check_size(f"{path}.calendar_spreads", given.calendar_spreads, 0)
        yield from check_size(f"{path}.short_options", given.short_options, 0)
