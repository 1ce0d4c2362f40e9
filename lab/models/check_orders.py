"""Open orders need a term that margins them.

Rule: an order that no term counts is refused, so that none is free. Spreads are formed from the deltas of positions;
fills could break them up, so an order in a group of a spread term is refused too, and one of what sensitivities or
net charges select.
"""

from collections.abc import Sequence

from clearing.base.errors import RemoteFault
from clearing.schema.codes import ClearingCode
from lab.models.net_terms import BasisCharge, NetCharge, NetRows
from lab.models.portfolio import Contract, Portfolio
from lab.models.scan_terms import Scan
from lab.models.sensitivity_terms import Sensitivities
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

OPTIONS = ("call", "put")


def check_orders(model: RiskModel, portfolio: Portfolio, at: str = "portfolio") -> None:
    """Each order is margined. Raises RemoteFault ORDER_NOT_MARGINED with the path of the first that is not."""
    if not any(account.orders for account in portfolio.accounts):
        return
    contracts = {contract.id: contract for contract in portfolio.instruments}
    verdicts = {
        (name, side): _refusal(model.terms, contract, side)
        for name, contract in contracts.items()
        for side in ("buy", "sell")
    }
    for number, account in enumerate(portfolio.accounts):
        stated = {risk.group for risk in account.given}
        for place, order in enumerate(account.orders):
            group = contracts[order.instrument].group
            why = f"the risk of {group} is given" if group in stated else verdicts[order.instrument, order.side]
            if why:
                path = f"{at}.accounts[{number}].orders[{place}]"
                raise RemoteFault(ClearingCode.ORDER_NOT_MARGINED, path, instrument=order.instrument, why=why)


def _refusal(terms: Sequence[Term], contract: Contract, side: str) -> str:
    """Why an order for this instrument has no margin; empty if it has."""
    spread = [term.name for term in terms if _forms_spreads(term, contract)]
    if spread:
        return f"{spread[0]} counts the deltas of positions only"
    return "" if any(_counts(term, contract, side) for term in terms) else f"no term counts a {side} order of it"


def _counts(term: Term, contract: Contract, side: str) -> bool:
    """Whether the order's fill can raise what the term requires; formulas of shorts count no order that buys."""
    if isinstance(term, Scan):
        return term.orders == "worst" and term.select.has(contract)
    if isinstance(term, MarginFraction):
        return term.with_orders and term.select.has(contract)
    if isinstance(term, OptionFormula):
        return side == "sell" and contract.kind in OPTIONS and term.select.has(contract)
    if isinstance(term, PerSize) and term.count == "naked_short":
        return side == "sell" and contract.kind in OPTIONS and term.select.has(contract)
    if isinstance(term, PerSize) and term.count != "gross":
        return side == ("buy" if term.count == "long" else "sell") and term.select.has(contract)
    return isinstance(term, Slippage | PerSize | Convex) and term.select.has(contract)


def _forms_spreads(term: Term, contract: Contract) -> bool:
    if isinstance(term, GroupCredit):
        return any(leg.of == contract.group for spread in term.spreads for leg in spread.legs)
    if isinstance(term, Sensitivities | NetCharge | BasisCharge):
        return term.select.has(contract)
    if isinstance(term, NetRows):
        return term.group == contract.group
    return isinstance(term, Calendar) and term.group == contract.group
