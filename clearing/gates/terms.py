"""What genesis says about what holds back withdrawals: rates, delays, deficits.

Rule: data only, integers, and every default is "off": a genesis that leaves these fields out behaves as if they were
not there. It must not know balances or prices.
"""

from collections.abc import Iterator

from clearing.base.codec import Wire
from clearing.collateral.terms import Check


class GateTerms(Wire, frozen=True):
    """Of what holds back withdrawals: rates, delays, deficits."""


def gates_checks(terms: GateTerms) -> Iterator[Check]:
    """Every bounded field: its name, its value, and whether it is within its range."""
    yield from ()
