"""What checks of models and portfolios share: their limits, and the form of a finding.

Rule: every limit bounds time and memory, for both may come from anywhere.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TypeAlias

from clearing.base.errors import Detail, RemoteFault
from clearing.codes import ClearingCode
from clearing.models.numbers import NUMBER_CHARACTERS_MAX, Number, exact

TERMS_MAX = 256
LEVELS_MAX = 16
POINTS_MAX = 256
SECANTS_MAX = 64
JOINT_MAX = 1024
ENTRIES_MAX = 2048
"""Of groups, instruments, collateral tokens and accounts each."""
POSITIONS_MAX = 16_384
"""Of all accounts, orders and collateral holdings included."""
OPTION_VALUES_MAX = 50_000
"""Options times scenarios."""
SCAN_ENTRIES_MAX = 500_000
"""Positions times scenarios and terms; likewise joint scenarios times groups times accounts."""
VALUE_MAX = Fraction(10**24)
"""No price, size, amount or factor is larger."""
SMALLEST = Fraction(1, 10**24)
SECONDS_MAX = 100 * 365 * 86_400
VOLATILITY_MAX = Fraction(1000)

Finding: TypeAlias = tuple[str, Detail, bool]
"""(path, value, whether it is in order)."""


def refuse(code: ClearingCode, findings: Iterator[Finding], at: str) -> None:
    """Raise RemoteFault at the first finding that is not in order."""
    for path, value, good in findings:
        if not good:
            shown = value if not isinstance(value, str) else value[:NUMBER_CHARACTERS_MAX]
            raise RemoteFault(code, f"{at}.{path}", value=shown)


def size_of(path: str, number: Number, least: int | Fraction | None = None) -> Iterator[Finding]:
    """A number from `least`, and no larger than `VALUE_MAX`."""
    value = exact(number)
    yield path, str(number), abs(value) <= VALUE_MAX and (least is None or value >= least)


def unique(path: str, names: Sequence[str]) -> Iterator[Finding]:
    """No name appears twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    yield path, twice[0] if twice else "", not twice
