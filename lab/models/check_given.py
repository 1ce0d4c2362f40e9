"""The prices, volatilities and expiries that a portfolio must state: those that a model uses.

Rule: nothing that is used defaults to zero. A missing number is refused with its path, like any other required field.
An instrument with a scanning array of its own needs none of them, except for terms that price it. Zero must be stated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clearing.base.errors import BaseCode, RemoteFault
from lab.models.net_terms import BasisCharge, NetCharge
from lab.models.numbers import exact_rational
from lab.models.portfolio import Contract, Group, Portfolio
from lab.models.scan_terms import Scan
from lab.models.sensitivity_terms import Sensitivities
from lab.models.terms import (
    Calendar,
    Convex,
    GroupCredit,
    MarginFraction,
    MinimumTerm,
    OptionFormula,
    PerSize,
    RiskModel,
    Slippage,
    Term,
)

OPTIONS = ("call", "put")
DATED = ("future", "forward")


@dataclass(frozen=True, slots=True)
class _Use:
    """What is computed of one instrument."""

    index: bool
    """Its group's price."""
    value: bool
    """The price of an option by Black-76, or its delta."""
    expiry: bool


def check_given(model: RiskModel, portfolio: Portfolio, at: str = "portfolio") -> None:
    """Every number that is used is stated. Raises RemoteFault MALFORMED with the path of the first that is missing."""
    for path, why in _missing(model, portfolio):
        raise RemoteFault(BaseCode.MALFORMED, f"{at}.{path}", why=f"missing: {why}")


def _missing(model: RiskModel, portfolio: Portfolio) -> Iterator[tuple[str, str]]:
    groups = {group.id: (number, group) for number, group in enumerate(portfolio.groups)}
    for number, contract in enumerate(portfolio.instruments):
        place, group = groups[contract.group]
        use = _use(model.terms, contract, group)
        if use.index and group.price is None:
            yield f"groups[{place}].price", f"{contract.id} is priced by it"
        if (use.value or use.expiry) and contract.seconds_to_expiry is None:
            yield f"instruments[{number}].seconds_to_expiry", f"{contract.id} has no price, tier or expiry without it"
        if use.value and contract.seconds and not _has_volatility(contract, group):
            yield f"instruments[{number}].volatility", f"{contract.id} has no price without it, and its group has none"


def _has_volatility(contract: Contract, group: Group) -> bool:
    return contract.volatility is not None or group.volatility is not None or bool(group.smiles)


def _use(terms: Sequence[Term], contract: Contract, group: Group) -> _Use:
    option = contract.kind in OPTIONS
    scanned = any(isinstance(term, Scan) and term.select.has(contract) for term in terms)
    by_delta = contract.delta is None and any(_needs_delta(term, contract) for term in terms)
    sensed = any(
        isinstance(term, Sensitivities | NetCharge | BasisCharge) and term.select.has(contract) for term in terms
    )
    value = option and (by_delta or sensed or (not contract.scanning and (contract.mark is None or scanned)))
    carried = contract.kind in DATED and contract.forward is None and exact_rational(group.rate) != 0
    return _Use(
        index=value or not contract.scanning or any(_prices(term, contract) for term in terms),
        value=value,
        expiry=(carried and not contract.scanning) or any(_needs_expiry(term, contract) for term in terms),
    )


def _needs_delta(term: Term, contract: Contract) -> bool:
    if isinstance(term, GroupCredit):
        return any(leg.of == contract.group for spread in term.spreads for leg in spread.legs)
    return isinstance(term, Calendar) and term.group == contract.group


def _needs_expiry(term: Term, contract: Contract) -> bool:
    """Whether a term counts by expiry."""
    if isinstance(term, Calendar):
        dated = contract.kind in (*OPTIONS, *DATED)
        return term.group == contract.group and dated and not contract.tier
    if isinstance(term, PerSize) and term.count == "naked_short":
        return contract.kind in OPTIONS and term.select.has(contract)
    if isinstance(term, BasisCharge):
        return contract.kind in (*OPTIONS, *DATED) and term.select.has(contract)
    return False


def _prices(term: Term, contract: Contract) -> bool:
    """Whether a term multiplies by the index, or by a mark that is not stated."""
    if isinstance(term, MinimumTerm):
        in_group = not term.groups or contract.group in term.groups
        return contract.kind in OPTIONS and exact_rational(term.fraction) != 0 and in_group
    if isinstance(term, OptionFormula):
        return contract.kind in OPTIONS and term.select.has(contract)
    if isinstance(term, PerSize):
        by_price = exact_rational(term.fraction) != 0 and term.price != "strike"
        stated = term.price == "mark" and contract.mark is not None
        return by_price and not stated and term.select.has(contract)
    if isinstance(term, Sensitivities):
        return term.select.has(contract)
    if isinstance(term, NetCharge | BasisCharge):
        return (contract.kind in OPTIONS or contract.mark is None) and term.select.has(contract)
    if isinstance(term, MarginFraction | Slippage) or (isinstance(term, Convex) and term.of == "notional"):
        return contract.mark is None and term.select.has(contract)
    return False
