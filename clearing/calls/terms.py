"""What genesis says about margin calls: deadlines and early calls.

Rule: data only, integers, and every default is "off": a genesis that leaves these fields out behaves as if they were
not there. It must not know balances or prices.
"""

from collections.abc import Iterator

from clearing.base.codec import Wire
from clearing.collateral.terms import Check


class CallTerms(Wire, frozen=True):
    """Of margin calls: deadlines and early calls."""


def calls_checks(terms: CallTerms) -> Iterator[Check]:
    """Every bounded field: its name, its value, and whether it is within its range."""
    yield from ()
