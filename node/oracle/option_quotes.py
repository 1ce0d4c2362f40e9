"""Option quotes of a venue: what a parser of them returns.

Rule: numbers are float64, finite and bounded; whether they make sense is the guard's to judge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Protocol

from clearing.base.errors import RemoteFault
from node.oracle.events import HttpAnswer
from node.oracle.source import OracleCode

ROWS_MAX = 5_000
"""Of one answer."""
ANSWER_BYTES_MAX = 4 << 20
FIGURE_MAX = 1e15
EXPIRY_HOUR = 8
"""Of the day in UTC, at the venues here."""
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OptionQuote:
    """One option. Volatilities are fractions a year, prices in the chain's unit; None is what the venue leaves out."""

    expiry_ms: int
    strike: float
    is_call: bool
    forward: float | None = None
    """As the venue states it."""
    mark_volatility: float | None = None
    bid_volatility: float | None = None
    ask_volatility: float | None = None
    bid: float | None = None
    ask: float | None = None


@dataclass(frozen=True, slots=True)
class FutureQuote:
    """One dated future's best prices."""

    expiry_ms: int
    bid: float | None
    ask: float | None


@dataclass(frozen=True, slots=True)
class OptionChain:
    """All options of one underlying at one venue. `is_inverse`: prices are in the underlying itself."""

    time_ms: int
    index: float | None
    is_inverse: bool
    options: tuple[OptionQuote, ...]
    futures: tuple[FutureQuote, ...] = ()


class ChainParser(Protocol):
    """Of one underlying at one venue."""

    paths: tuple[str, ...]
    """Under the venue's address; all are asked, one after the other."""

    def read(self, answers: Sequence[HttpAnswer]) -> OptionChain:
        """Of an answer for each path. Raises RemoteFault VENUE_MALFORMED, VENUE_REFUSED, VENUE_RATE_LIMITED."""
        ...


def figure(number: Decimal | str | None, at: str) -> float | None:
    """None for what is absent or an empty text. Raises RemoteFault VENUE_MALFORMED: no number, or an endless one."""
    if number is None or number == "":
        return None
    if isinstance(number, str) and (len(number) > 80 or not number.isascii()):
        raise _not_a_number(number, at)
    try:
        value = float(number)
    except (ValueError, OverflowError):
        raise _not_a_number(number, at) from None
    if not isfinite(value) or abs(value) > FIGURE_MAX:
        raise _not_a_number(number, at)
    return value


def _not_a_number(number: Decimal | str, at: str) -> RemoteFault:
    return RemoteFault(OracleCode.VENUE_MALFORMED, at, why=f"not a number: {str(number)[:40]!r}")


def expiry_of(day: int, month: int, year: int) -> int | None:
    """In ms; None for a day that no calendar has."""
    try:
        time = datetime(2000 + year, month, day, EXPIRY_HOUR, tzinfo=UTC)
    except ValueError:
        return None
    return (time - _EPOCH) // timedelta(milliseconds=1)


def month_of(name: str) -> int:
    """1 for JAN; 0 for what is no month."""
    return _MONTHS.index(name) + 1 if name in _MONTHS else 0
