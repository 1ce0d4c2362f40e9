"""Open orders need a term that margins them.

Rule: an order that no term counts is refused, so that none is free. Spreads are formed from the deltas of positions;
fills could break them up, so an order in a group of a spread term is refused too.
"""

from collections.abc import Sequence

from clearing.base.errors import RemoteFault
from clearing.schema.codes import ClearingCode
from lab.models.portfolio import Contract, Portfolio
from lab.models.scan_terms import Scan
from lab.models.terms import (
    Calendar,
    Convex,
    GroupCredit,
    MarginFraction,
    OptionFormula,
    PerSize,
    RiskModel,
    Slippage,
    Term,
)


def check_orders(model: RiskModel, portfolio: Portfolio, at: str = "portfolio") -> None:
    """Each order is margined. Raises RemoteFault ORDER_NOT_MARGINED with the path of the first that is not."""
    if not any(account.orders for account in portfolio.accounts):
        return
    contracts = {contract.id: contract for contract in portfolio.instruments}
    verdicts = {name: _refusal(model.terms, contract) for name, contract in contracts.items()}
    for number, account in enumerate(portfolio.accounts):
        stated = {risk.group for risk in account.given}
        for place, order in enumerate(account.orders):
            group = contracts[order.instrument].group
            why = f"the risk of {group} is given" if group in stated else verdicts[order.instrument]
            if why:
                path = f"{at}.accounts[{number}].orders[{place}]"
                raise RemoteFault(ClearingCode.ORDER_NOT_MARGINED, path, instrument=order.instrument, why=why)


def _refusal(terms: Sequence[Term], contract: Contract) -> str:
    """Why an order for this instrument has no margin; empty if it has."""
    spread = [term.name for term in terms if _forms_spreads(term, contract)]
    if spread:
        return f"{spread[0]} counts the deltas of positions only"
    return "" if any(_counts(term, contract) for term in terms) else "no term counts it"


def _counts(term: Term, contract: Contract) -> bool:
    if isinstance(term, Scan):
        return term.orders == "worst" and term.select.has(contract)
    if isinstance(term, MarginFraction):
        return term.with_orders and term.select.has(contract)
    if isinstance(term, OptionFormula):
        return contract.kind in ("call", "put") and term.select.has(contract)
    return isinstance(term, Slippage | PerSize | Convex) and term.select.has(contract)


def _forms_spreads(term: Term, contract: Contract) -> bool:
    if isinstance(term, GroupCredit):
        return any(leg.of == contract.group for spread in term.spreads for leg in spread.legs)
    return isinstance(term, Calendar) and term.group == contract.group
