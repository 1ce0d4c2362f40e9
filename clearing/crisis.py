"""What happens when somebody cannot pay, and who may change the rules: the parameters of it, part by part.

Rule: data only. Every part belongs to the package it is named after, and is off by default.
"""

from collections.abc import Iterator

from clearing.base.codec import Wire
from clearing.calls.terms import CallTerms, calls_checks
from clearing.collateral.terms import Check
from clearing.default.terms import DefaultTerms, default_checks
from clearing.fund.terms import FundTerms, fund_checks
from clearing.gates.terms import GateTerms, gates_checks
from clearing.governance.terms import GovernanceTerms, governance_checks
from clearing.liquidation.terms import LiquidationTerms, liquidation_checks


class CrisisParameters(Wire, frozen=True):
    """In the order in which they come into play."""

    calls: CallTerms = CallTerms()
    liquidation: LiquidationTerms = LiquidationTerms()
    default: DefaultTerms = DefaultTerms()
    fund: FundTerms = FundTerms()
    gates: GateTerms = GateTerms()
    governance: GovernanceTerms = GovernanceTerms()


def crisis_checks(terms: CrisisParameters) -> Iterator[Check]:
    """Every bounded field of every part, by its path."""
    yield from _under("calls", calls_checks(terms.calls))
    yield from _under("liquidation", liquidation_checks(terms.liquidation))
    yield from _under("default", default_checks(terms.default))
    yield from _under("fund", fund_checks(terms.fund))
    yield from _under("gates", gates_checks(terms.gates))
    yield from _under("governance", governance_checks(terms.governance))


def _under(part: str, checks: Iterator[Check]) -> Iterator[Check]:
    for field, value, good in checks:
        yield f"{part}.{field}", value, good
