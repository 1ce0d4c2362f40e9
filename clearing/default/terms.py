"""What genesis says about default: declaration, auction, porting, the waterfall's shares and caps.

Rule: data only, integers, and every default is "off": a genesis that leaves these fields out behaves as if they were
not there. It must not know balances or prices.
"""

from collections.abc import Iterator

from clearing.base.codec import Wire
from clearing.collateral.terms import Check


class DefaultTerms(Wire, frozen=True):
    """Of default: declaration, auction, porting, the waterfall's shares and caps."""


def default_checks(terms: DefaultTerms) -> Iterator[Check]:
    """Every bounded field: its name, its value, and whether it is within its range."""
    yield from ()
