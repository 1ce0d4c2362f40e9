"""What a source says about its market, and the exact numbers that it is made of.

Rule: prices are integers in units of 10^-18, read exactly from the digits that were sent. No float occurs, so that two
nodes that read the same bytes have the same price.
"""

from dataclasses import dataclass
from decimal import Decimal

from clearing.base.errors import RemoteFault
from node.oracle.source import OracleCode

E18 = 10**18
DECIMALS = 18
INTEGER_DIGITS_MAX = 24
"""Digits before the point. The price of anything in anything fits."""
PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """A price in units of 10^-18. `half_width_e18`: half of the spread, or the stated confidence.

    `bid_e18`, `ask_e18`: best prices where the source is an order book; 0 is an empty side. `time_ms`: as the source
    states it; None where it states none.
    """

    price_e18: int
    half_width_e18: int = 0
    bid_e18: int | None = None
    ask_e18: int | None = None
    time_ms: int | None = None


def of_book(bid_e18: int, ask_e18: int, time_ms: int | None) -> Reading:
    """The middle of the best prices, rounded down; half of the spread, rounded up. A side that is empty is 0."""
    return Reading((bid_e18 + ask_e18) // 2, max(0, -((bid_e18 - ask_e18) // 2)), bid_e18, ask_e18, time_ms)


def exact_e18(number: Decimal, at: str) -> int:
    """The number in units of 10^-18, exactly. Raises RemoteFault VENUE_MALFORMED: not finite, too long, too fine."""
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise RemoteFault(OracleCode.VENUE_MALFORMED, at, why=f"not a number: {exponent}")
    shift = exponent + DECIMALS
    if len(digits) + exponent > INTEGER_DIGITS_MAX or len(digits) > DECIMALS + INTEGER_DIGITS_MAX or shift > 64:
        raise RemoteFault(OracleCode.VENUE_MALFORMED, at, why="too many digits")
    value = int("".join(map(str, digits)))
    if shift >= 0:
        value *= 10**shift
    elif value:
        # Zeros after the eighteenth decimal place say nothing.
        if -shift > len(digits) or value % 10**-shift:
            raise RemoteFault(OracleCode.VENUE_MALFORMED, at, why="more than 18 decimal places")
        value //= 10**-shift
    return -value if sign else value


def scaled_e18(value: int, decimals: int) -> int:
    """An integer with so many decimals, 0 to 77, in units of 10^-18; what is finer is rounded down."""
    finer = decimals - DECIMALS
    return value // int(10**finer) if finer > 0 else value * int(10**-finer)
