"""`evaluate`: a risk model on a portfolio, every intermediate by name.

Rule: exact; the only roundings are those that the model names. Terms are evaluated in their order and may look at
earlier ones by name. Results are frozen dataclasses of fractions; their reader decides how to show them. It must not
read files nor know the network's own parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from lab.evaluation import charges, spreads
from lab.evaluation.charges import InstrumentExposure
from lab.evaluation.holdings import (
    CollateralValue,
    PositionValue,
    collateral_value,
    instrument_exposures,
    position_value,
)
from lab.evaluation.lesser import LesserAmount, lesser
from lab.evaluation.net_charges import NetAmount, basis_charge, net_charge, net_rows
from lab.evaluation.open_orders import order_fills
from lab.evaluation.scan import ScanResult, ScenarioScanner
from lab.evaluation.sensitivities import SensitivityAmount, sensitivities
from lab.evaluation.values import ZERO, instrument_quotes, tier_deltas
from lab.models.net_terms import BasisCharge, NetCharge, NetRows
from lab.models.numbers import exact_rational, rounded
from lab.models.portfolio import Portfolio, PortfolioAccount
from lab.models.scan_terms import Scan, Selection
from lab.models.sensitivity_terms import Sensitivities
from lab.models.terms import (
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
    without_roundings,
)

Detail: TypeAlias = (
    ScanResult
    | charges.FractionAmount
    | charges.SlippageAmount
    | charges.FormulaAmount
    | charges.SizeAmount
    | spreads.CalendarAmount
    | spreads.SpreadCredit
    | spreads.MinimumAmount
    | spreads.JointAmount
    | LesserAmount
    | SensitivityAmount
    | NetAmount
)


@dataclass(frozen=True, slots=True)
class TermResult:
    """The result of one term for one account."""

    name: str
    kind: str
    amount: Fraction
    by_group: Mapping[str, Fraction]
    parts: tuple[Detail, ...]


@dataclass(frozen=True, slots=True)
class LevelResult:
    """One level of margin of one account."""

    level: str
    unrounded: Fraction
    requirement: Fraction
    equity: Fraction
    """With the haircuts of this level."""
    excess: Fraction
    """Equity less requirement; negative is a shortage."""

    @property
    def covered(self) -> bool:
        """Whether equity reaches the requirement."""
        return self.excess >= 0


@dataclass(frozen=True, slots=True)
class AccountResult:
    """One account."""

    account: str
    cash: Fraction
    positions: tuple[PositionValue, ...]
    collateral: tuple[CollateralValue, ...]
    position_value: Fraction
    """Of premium-paid positions, unpaid gains and funding."""
    terms: tuple[TermResult, ...]
    levels: tuple[LevelResult, ...]

    def term(self, name: str) -> TermResult:
        """A term's result by its name. Raises KeyError."""
        return {term.name: term for term in self.terms}[name]

    def level(self, name: str) -> LevelResult:
        """A level by its name. Raises KeyError."""
        return {level.level: level for level in self.levels}[name]


class Evaluator:
    """A model over one market; accounts are evaluated one by one. Model and portfolio must have been checked.

    With `exact` no amount is rounded.
    """

    def __init__(self, model: RiskModel, portfolio: Portfolio, *, exact: bool = False) -> None:
        self.model = without_roundings(model) if exact else model
        self._collateral_decimals = None if exact else model.collateral_decimals
        self.portfolio = portfolio
        within = {name for term in model.terms for name in _alternatives(term)}
        self._summed = [term for term in self.model.terms if term.name not in within]
        self.quotes = instrument_quotes(portfolio, model.option_decimals)
        self._collateral = {token.id: token for token in portfolio.collateral}
        self.scanners = {
            term.name: ScenarioScanner(term, self.quotes, model.option_decimals)
            for term in model.terms
            if isinstance(term, Scan)
        }

    def account(self, account: PortfolioAccount) -> AccountResult:
        """One account's margin."""
        books = instrument_exposures(account, self.quotes)
        results: dict[str, TermResult] = {}
        for term in self.model.terms:
            results[term.name] = self._term(term, account, books, results)
        positions = tuple(position_value(position, self.quotes[position.instrument]) for position in account.positions)
        value = sum((position.equity for position in positions), ZERO)
        names, decimals = [level.name for level in self.model.levels], self._collateral_decimals
        held = tuple(
            collateral_value(holding, self._collateral[holding.collateral], names, decimals)
            for holding in account.collateral
        )
        cash = exact_rational(account.cash)
        levels: dict[str, LevelResult] = {}
        for level in self.model.levels:
            equity = cash + value + sum((holding.values[level.name] for holding in held), ZERO)
            levels[level.name] = self._level(level, results, levels, equity)
        return AccountResult(account.id, cash, positions, held, value, tuple(results.values()), tuple(levels.values()))

    def _level(
        self, level: MarginLevel, results: Mapping[str, TermResult], levels: Mapping[str, LevelResult], equity: Fraction
    ) -> LevelResult:
        if level.base:
            sums = levels[level.base].requirement
        else:
            sums = sum((_weight_at(term, level.name) * results[term.name].amount for term in self._summed), ZERO)
        unrounded = sums * exact_rational(level.factor)
        requirement = rounded(unrounded, level.decimals, level.rounding)
        return LevelResult(level.name, unrounded, requirement, equity, equity - requirement)

    def _term(
        self,
        term: Term,
        account: PortfolioAccount,
        exposures: Mapping[str, InstrumentExposure],
        results: Mapping[str, TermResult],
    ) -> TermResult:
        if isinstance(term, Scan):
            return self._scan(term, account, exposures)
        if isinstance(term, MarginFraction | Slippage | OptionFormula | PerSize | Convex):
            return _per_position(term, list(_selected_exposures(term.select, exposures).values()))
        if isinstance(term, Calendar):
            given = next(
                (exact_rational(risk.calendar_spreads) for risk in account.given if risk.group == term.group), None
            )
            tiers = spreads.deltas_left(
                tier_deltas(self.quotes, _sizes(exposures), term.group), self._used_before(term, results)
            )
            formed = spreads.calendar(term, tiers, given)
            return TermResult(term.name, "calendar", formed.amount, {term.group: formed.amount}, (formed,))
        if isinstance(term, GroupCredit):
            return self._group_credit(term, account, exposures, results)
        if isinstance(term, MinimumTerm):
            return self._minimum(term, account, exposures, results)
        if isinstance(term, JointCreditTerm):
            return self._joint(term, results)
        if isinstance(term, CollateralCharge):
            return _collateral_charge(term, account)
        if isinstance(term, LesserTerm):
            least = lesser(term, {name: result.by_group for name, result in results.items()})
            by_group = {part.group: part.amount for part in least}
            return TermResult(term.name, "lesser", sum(by_group.values(), ZERO), by_group, least)
        if isinstance(term, Sensitivities):
            chosen = list(_selected_exposures(term.select, exposures).values())
            joined = sensitivities(term, chosen, self.model.option_decimals)
            return TermResult(term.name, "sensitivities", sum((part.amount for part in joined), ZERO), {}, joined)
        if isinstance(term, NetCharge | BasisCharge | NetRows):
            return self._net(term, exposures)
        return TermResult(term.name, "amount", exact_rational(term.amount), {}, ())

    def _net(self, term: NetCharge | BasisCharge | NetRows, exposures: Mapping[str, InstrumentExposure]) -> TermResult:
        if isinstance(term, NetRows):
            parts: tuple[NetAmount, ...] = (net_rows(term, _sizes(exposures)),)
        else:
            chosen, decimals = list(_selected_exposures(term.select, exposures).values()), self.model.option_decimals
            parts = (
                net_charge(term, chosen, decimals)
                if isinstance(term, NetCharge)
                else basis_charge(term, chosen, decimals)
            )
        by_group = {part.group: part.amount for part in parts}
        kind = str(type(term).__struct_config__.tag)
        return TermResult(term.name, kind, sum(by_group.values(), ZERO), by_group, parts)

    def _scan(self, term: Scan, account: PortfolioAccount, exposures: Mapping[str, InstrumentExposure]) -> TermResult:
        chosen = _selected_exposures(term.select, exposures)
        fills = [fill for fill in order_fills(account, self.quotes) if fill.quote.contract.id in chosen]
        parts = list(self.scanners[term.name].scan(_sizes(chosen), fills))
        for given in account.given:
            if not term.select.groups or given.group in term.select.groups:
                scan = exact_rational(given.scan)
                parts = [part for part in parts if part.of != given.group]
                parts.append(ScanResult(given.group, (scan,), None, 1, max(scan, ZERO), ()))
        by_group: dict[str, Fraction] = {}
        for part in parts:
            group = (
                self.quotes[part.of].contract.group
                if term.offset == "instrument" and part.of in self.quotes
                else part.of
            )
            by_group[group] = by_group.get(group, ZERO) + part.worst_loss
        return TermResult(term.name, "scan", sum(by_group.values(), ZERO), by_group, tuple(parts))

    def _group_credit(
        self,
        term: GroupCredit,
        account: PortfolioAccount,
        exposures: Mapping[str, InstrumentExposure],
        results: Mapping[str, TermResult],
    ) -> TermResult:
        scans = _scan_parts(self._scan_name(term.scan), results)
        given = {risk.group: exact_rational(risk.delta) for risk in account.given}
        deltas = {group.id: ZERO for group in self.portfolio.groups}
        for exposure in exposures.values():
            deltas[exposure.quote.contract.group] += exposure.size * exposure.quote.delta
        deltas |= given
        risks = {
            scan.of: scan.worst_loss if term.price_risk == "scan" else spreads.span_price_risk(scan) for scan in scans
        }
        stated = [risk for risk in account.given if risk.group in risks]
        risks |= {
            risk.group: exact_rational(risk.scan if risk.price_risk is None else risk.price_risk) for risk in stated
        }
        parts = spreads.group_credit(term, deltas, self._used_before(term, results), risks)
        by_group: dict[str, Fraction] = {}
        for leg in (leg for part in parts for leg in part.legs):
            by_group[leg.group] = by_group.get(leg.group, ZERO) + leg.credit
        return TermResult(term.name, "group_credit", sum(by_group.values(), ZERO), by_group, parts)

    def _used_before(self, term: Calendar | GroupCredit, results: Mapping[str, TermResult]) -> dict[str, Fraction]:
        """Deltas that back spreads of earlier terms of the same kind which count at a level with this one."""
        used: dict[str, Fraction] = {}
        for other in self.model.terms:
            if other.name not in results or not self._weigh_together(term, other):
                continue
            for part in results[other.name].parts:
                if isinstance(part, spreads.CalendarAmount) and isinstance(term, Calendar) and part.group == term.group:
                    taken = list(part.used.items())
                elif isinstance(part, spreads.SpreadCredit) and isinstance(term, GroupCredit):
                    taken = [(leg.group, leg.deltas) for leg in part.legs]
                else:
                    continue
                for of, delta in taken:
                    used[of] = used.get(of, ZERO) + delta
        return used

    def _weigh_together(self, one: Term, other: Term) -> bool:
        sums = (level.name for level in self.model.levels if not level.base)
        return any(_weight_at(one, name) and _weight_at(other, name) for name in sums)

    def _minimum(
        self,
        term: MinimumTerm,
        account: PortfolioAccount,
        exposures: Mapping[str, InstrumentExposure],
        results: Mapping[str, TermResult],
    ) -> TermResult:
        own = {charge.instrument: exact_rational(charge.charge) for charge in term.charges}
        least: dict[str, tuple[Fraction, Fraction]] = {}
        for instrument, book in sorted(exposures.items()):
            short = max(-book.after_sells, ZERO)
            if book.quote.is_option and short:
                plain = (
                    exact_rational(term.charge)
                    + exact_rational(term.fraction) * book.quote.index * book.quote.multiplier
                )
                group = book.quote.contract.group
                count, charge = least.get(group, (ZERO, ZERO))
                least[group] = (count + short, charge + short * own.get(instrument, plain))
        for given in account.given:
            count = exact_rational(given.short_options)
            least[given.group] = (count, count * exact_rational(term.charge))
        reached: dict[str, Fraction] = {}
        for name in term.over:
            for group, amount in results[name].by_group.items():
                reached[group] = reached.get(group, ZERO) + amount
        parts = spreads.minimum(term, least, reached)
        by_group = {part.group: part.amount for part in parts}
        return TermResult(term.name, "minimum", sum(by_group.values(), ZERO), by_group, parts)

    def _joint(self, term: JointCreditTerm, results: Mapping[str, TermResult]) -> TermResult:
        scans = [part for name in term.over for part in _scan_parts(name, results)]
        required: dict[str, Fraction] = {}
        for name in term.over:
            for group, amount in results[name].by_group.items():
                required[group] = required.get(group, ZERO) + amount
        floor = max(required.values(), default=ZERO) if term.keep_largest else ZERO
        if term.floor:
            lowest = [part for part in results[term.floor].parts if isinstance(part, spreads.MinimumAmount)]
            floor = max(floor, sum((part.minimum for part in lowest), ZERO))
        groups = [group.id for group in self.portfolio.groups]
        total = sum((results[name].amount for name in term.over), ZERO)
        part = spreads.joint_credit(term, groups, scans, total, floor)
        return TermResult(term.name, "joint_credit", part.amount, {}, (part,))

    def _scan_name(self, name: str) -> str:
        return name or next(iter(self.scanners))


def evaluate(model: RiskModel, portfolio: Portfolio) -> tuple[AccountResult, ...]:
    """Every account of a portfolio, in its order. Model and portfolio must have been checked."""
    evaluator = Evaluator(model, portfolio)
    return tuple(evaluator.account(account) for account in portfolio.accounts)


def _alternatives(term: Term) -> set[str]:
    """The terms that count through this one only."""
    listed = term.alternatives if isinstance(term, LesserTerm) else ()
    return {name for alternative in listed for name in alternative.terms}


def _weight_at(term: Term, level: str) -> Fraction:
    """The factor of a term at a level: as stated; 0 where it names other levels only, 1 where it names none."""
    if not term.weights:
        return Fraction(1)
    return next((exact_rational(weight.weight) for weight in term.weights if weight.level == level), ZERO)


def _selected_exposures(
    select: Selection, exposures: Mapping[str, InstrumentExposure]
) -> dict[str, InstrumentExposure]:
    """The books that a selection is about, ordered."""
    return {instrument: book for instrument, book in sorted(exposures.items()) if select.has(book.quote.contract)}


def _per_position(
    term: MarginFraction | Slippage | OptionFormula | PerSize | Convex, exposures: list[InstrumentExposure]
) -> TermResult:
    by_group: dict[str, Fraction] = {}
    parts: list[Detail] = []
    kind = str(type(term).__struct_config__.tag)
    for group, part in charges.position_amounts(term, exposures):
        parts.append(part)
        by_group[group] = by_group.get(group, ZERO) + part.amount
    return TermResult(term.name, kind, sum(by_group.values(), ZERO), by_group, tuple(parts))


def _collateral_charge(term: CollateralCharge, account: PortfolioAccount) -> TermResult:
    held = sum(
        (exact_rational(holding.amount) for holding in account.collateral if holding.collateral == term.collateral),
        ZERO,
    )
    lines = [exact_rational(secant.slope) * held + exact_rational(secant.intercept) for secant in term.secants]
    amount = max(*lines, ZERO) if held else ZERO
    part = charges.SizeAmount(term.collateral, held, amount / held if held else ZERO, amount)
    return TermResult(term.name, "collateral_charge", amount, {}, (part,))


def _scan_parts(name: str, results: Mapping[str, TermResult]) -> list[ScanResult]:
    return [part for part in results[name].parts if isinstance(part, ScanResult)]


def _sizes(exposures: Mapping[str, InstrumentExposure]) -> dict[str, Fraction]:
    return {instrument: book.size for instrument, book in exposures.items()}
