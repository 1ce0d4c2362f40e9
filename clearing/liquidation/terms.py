"""What genesis says about liquidation: steps, auctions, caps, penalties.

Rule: data only, integers, and every default is "off": a genesis that leaves these fields out behaves as if they were
not there. It must not know balances or prices.
"""

from collections.abc import Iterator

from clearing.base.codec import Wire
from clearing.collateral.terms import Check


class LiquidationTerms(Wire, frozen=True):
    """Of liquidation: steps, auctions, caps, penalties."""


def liquidation_checks(terms: LiquidationTerms) -> Iterator[Check]:
    """Every bounded field: its name, its value, and whether it is within its range."""
    yield from ()
