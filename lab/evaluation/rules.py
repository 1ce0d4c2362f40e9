"""Rules around a margin: how much to liquidate, in which steps to dispose, at which price an account is worth nothing.

Rule: small and exact, each with its inputs in it and its rounding named; one that looks at an account uses the same
evaluation as its margin, never a second formula.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import msgspec

from clearing.base.codec import U8, U32, Wire
from clearing.base.errors import RemoteFault
from clearing.schema.codes import ClearingCode
from lab.evaluation.evaluate import AccountResult, Evaluator, LevelResult
from lab.evaluation.values import ONE, ZERO
from lab.models.numbers import DECIMALS_MAX, Number, Rounding, exact_rational, in_units, rounded
from lab.models.portfolio import Name, PortfolioAccount
from lab.models.scan_terms import Reference

STEPS_MAX = 1000


class LiquidationSize(Wire, frozen=True, tag_field="kind", tag="liquidation_size"):
    """How much to close to end a shortage: shortage / (price * quote * (ratio - fee) - price * fund fee).

    What is closed frees `ratio` of its value as margin and costs the fees; unbounded where it frees nothing.
    """

    name: Name
    ratio: Number
    """Margin that a unit of notional frees."""
    price: Number
    quote: Number = 1
    """Price of the settlement token."""
    shortage: Number | None = None
    account: Reference = ""
    """Whose shortage at `level`, where none is given."""
    level: Reference = "maintenance"
    liquidation_fee: Number = 0
    """Of the notional, to the liquidator."""
    fund_fee: Number = 0
    """Of the price, to the insurance fund."""
    decimals: U8 = 9
    rounding: Rounding = "down"


class DisposalRule(Wire, frozen=True, tag_field="kind", tag="disposal_steps"):
    """A position is disposed of in steps: a fraction each time, all once small, never more than the market takes."""

    name: Name
    size: Number
    fraction: Number
    """Of what is left, each step."""
    whole_at: Number = 0
    """Up to this size everything is closed in one step."""
    available: Number | None = None
    """What the market would take in a step."""
    available_fraction: Number = 1
    """No more of what is available than this."""
    steps: U32 = 100
    """Stop after so many."""
    decimals: U8 = 0
    rounding: Rounding = "up"
    """Of a fraction; what the market takes rounds down."""


class BankruptcyPrice(Wire, frozen=True, tag_field="kind", tag="bankruptcy_price"):
    """What closing a position must bring, so that nothing is left and nothing is owed.

    The change of value it undoes, less the account's equity in proportion to the margin that closing frees.
    """

    name: Name
    account: Name
    instrument: Name
    close: Number | None = None
    """How much to close, unsigned; default: all."""
    level: Reference = "maintenance"
    decimals: U8 = 6
    rounding: Rounding = "up"


class FillablePrice(Wire, frozen=True, tag_field="kind", tag="fillable_price"):
    """The price a liquidation order may trade at: further from the mark the less equity covers maintenance.

    (value - b * spread * margin of the position) / size, b = adjustment * (1 - equity / requirement) within 0 and 1.
    """

    name: Name
    account: Name
    instrument: Name
    adjustment: Number = 1
    spread: Number = 1
    """Most that may be lost, of the position's own margin."""
    level: Reference = "maintenance"
    decimals: U8 = 6
    rounding: Rounding = "exact"


Rule: TypeAlias = LiquidationSize | DisposalRule | BankruptcyPrice | FillablePrice


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The result of a rule, with its inputs."""

    name: str
    kind: str
    value: Fraction | None
    """None: unbounded."""
    units: int | None
    """The value in units of its decimals."""
    steps: tuple[Fraction, ...]
    inputs: Mapping[str, Fraction]


def apply_rule(rule: Rule, evaluator: Evaluator, results: Mapping[str, AccountResult], at: str) -> RuleResult:
    """Evaluate one rule. Raises RemoteFault BAD_STEP with the path where its numbers make no sense."""
    _check_rule(rule, at)
    if isinstance(rule, LiquidationSize):
        return _liquidation_size(rule, results, at)
    if isinstance(rule, DisposalRule):
        return _disposal(rule)
    if isinstance(rule, BankruptcyPrice):
        return _bankruptcy_price(rule, evaluator, results, at)
    return _fillable_price(rule, evaluator, results, at)


def _check_rule(rule: Rule, at: str) -> None:
    """Ranges of a rule's own numbers. Raises RemoteFault BAD_STEP."""
    for name in rule.__struct_fields__:
        value = getattr(rule, name)
        if name not in _TEXT_FIELDS and value is not None:
            most = _FIELD_MAX.get(name, 10**24)
            _require(0 <= exact_rational(value) <= most, f"{at}.{name}", str(value))


_TEXT_FIELDS = ("name", "account", "instrument", "level", "rounding")
_FIELD_MAX = {"decimals": DECIMALS_MAX, "steps": STEPS_MAX, "fraction": 1, "available_fraction": 1}


def _liquidation_size(rule: LiquidationSize, results: Mapping[str, AccountResult], at: str) -> RuleResult:
    if rule.shortage is not None:
        shortage = exact_rational(rule.shortage)
    else:
        shortage = max(-_level(results, rule.account, rule.level, at).excess, ZERO)
    price, quote = exact_rational(rule.price), exact_rational(rule.quote)
    freed = price * quote * (
        exact_rational(rule.ratio) - exact_rational(rule.liquidation_fee)
    ) - price * exact_rational(rule.fund_fee)
    inputs = {"shortage": shortage, "freed_per_unit": freed}
    return _result(rule, shortage / freed if freed > 0 else None, inputs)


def _disposal(rule: DisposalRule) -> RuleResult:
    left = exact_rational(rule.size)
    sizes: list[Fraction] = []
    most = None
    if rule.available is not None:
        most = rounded(exact_rational(rule.available) * exact_rational(rule.available_fraction), rule.decimals, "down")
    while left > 0 and len(sizes) < rule.steps:
        whole = left <= exact_rational(rule.whole_at)
        size = left if whole else min(rounded(left * exact_rational(rule.fraction), rule.decimals, rule.rounding), left)
        size = size if most is None else min(size, most)
        if size <= 0:
            break
        sizes.append(size)
        left -= size
    inputs = {"left": left} if most is None else {"left": left, "most_per_step": most}
    return _result(rule, sum(sizes, ZERO), inputs, tuple(sizes))


def _bankruptcy_price(
    rule: BankruptcyPrice, evaluator: Evaluator, results: Mapping[str, AccountResult], at: str
) -> RuleResult:
    level = _level(results, rule.account, rule.level, at)
    account, size = _position(rule.account, rule.instrument, evaluator, at)
    close = abs(size) if rule.close is None else exact_rational(rule.close)
    _require(0 < close <= abs(size), f"{at}.close", str(close))
    left = size - close if size > 0 else size + close
    after = evaluator.account(_with_size(account, rule.instrument, left)).level(rule.level)
    freed = level.requirement - after.requirement
    quote = evaluator.quotes[rule.instrument]
    undone = (left - size) * quote.multiplier * quote.mark
    _require(level.requirement > 0, f"{at}.level", str(level.requirement))
    value = -undone - level.equity * abs(freed) / level.requirement
    inputs = {
        "change_of_value": undone,
        "equity": level.equity,
        "margin_freed": freed,
        "requirement": level.requirement,
        "price": value / ((size - left) * quote.multiplier),
    }
    return _result(rule, value, inputs)


def _fillable_price(
    rule: FillablePrice, evaluator: Evaluator, results: Mapping[str, AccountResult], at: str
) -> RuleResult:
    level = _level(results, rule.account, rule.level, at)
    account, size = _position(rule.account, rule.instrument, evaluator, at)
    own = (
        level.requirement - evaluator.account(_with_size(account, rule.instrument, ZERO)).level(rule.level).requirement
    )
    _require(level.requirement > 0, f"{at}.level", str(level.requirement))
    rating = min(max(exact_rational(rule.adjustment) * (1 - level.equity / level.requirement), ZERO), ONE)
    quote = evaluator.quotes[rule.instrument]
    unit = size * quote.multiplier
    value = (unit * quote.mark - rating * exact_rational(rule.spread) * own) / unit
    inputs = {"bankruptcy_rating": rating, "position_margin": own, "equity": level.equity}
    return _result(rule, value, inputs)


def _result(
    rule: Rule, value: Fraction | None, inputs: Mapping[str, Fraction], steps: tuple[Fraction, ...] = ()
) -> RuleResult:
    kind = str(type(rule).__struct_config__.tag)
    if value is None:
        return RuleResult(rule.name, kind, None, None, steps, inputs)
    at_decimals = rounded(value, rule.decimals, rule.rounding)
    whole = (at_decimals * 10**rule.decimals).denominator == 1
    units = in_units(at_decimals, rule.decimals, "down") if whole else None
    return RuleResult(rule.name, kind, at_decimals, units, steps, inputs)


def _level(results: Mapping[str, AccountResult], account: str, level: str, at: str) -> LevelResult:
    _require(account in results, f"{at}.account", account)
    found = {level.level: level for level in results[account].levels}
    _require(level in found, f"{at}.level", level)
    return found[level]


def _position(account: str, instrument: str, evaluator: Evaluator, at: str) -> tuple[PortfolioAccount, Fraction]:
    found = next(listed for listed in evaluator.portfolio.accounts if listed.id == account)
    size = sum(
        (exact_rational(position.size) for position in found.positions if position.instrument == instrument), ZERO
    )
    _require(size != 0, f"{at}.instrument", instrument)
    return found, size


def _with_size(account: PortfolioAccount, instrument: str, size: Fraction) -> PortfolioAccount:
    """The account with one position of that instrument, of another size."""
    kept = tuple(position for position in account.positions if position.instrument != instrument)
    first = next(position for position in account.positions if position.instrument == instrument)
    changed = msgspec.structs.replace(first, size=f"{size.numerator}/{size.denominator}")
    return msgspec.structs.replace(account, positions=(*kept, changed) if size else kept)


def _require(good: bool, at: str, value: str) -> None:
    if not good:
        raise RemoteFault(ClearingCode.BAD_STEP, at, value=value)
