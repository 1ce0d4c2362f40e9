"""Exact numbers of risk models: how they are written, read, rounded and printed.

Rule: every number is a rational; nothing is a float but what Black-76 gives, and that is quantised at once. A rounding
always has a name and a number of decimals. It must not know what is computed.
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Literal, TypeAlias

import msgspec

from clearing.base.codec import I64

NUMBER_PATTERN = r"^-?[0-9]{1,40}(\.[0-9]{1,30}|/0*[1-9][0-9]{0,29})?$"
NUMBER_CHARACTERS_MAX = 80

Number = I64 | Annotated[str, msgspec.Meta(pattern=NUMBER_PATTERN, max_length=NUMBER_CHARACTERS_MAX)]
"""An integer, a decimal in a string ("0.25") or a ratio in a string ("1/3")."""

Rounding: TypeAlias = Literal["exact", "up", "down", "away", "towards_zero", "half_even"]
"""`up` is towards plus infinity (what is owed), `down` towards minus infinity (what is given)."""
DECIMALS_MAX = 30
DENOMINATOR_BITS_MAX = 3_000
"""Of a result. Ratios of many different denominators, added up exactly, would grow to any length."""

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+|/0*[1-9][0-9]*)?")
_SCIENTIFIC = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?[eE]([+-]?[0-9]{1,3})")
EXPONENT_MAX = 60


@lru_cache(maxsize=1 << 16)
def exact_rational(number: int | str) -> Fraction:
    """The rational that a number writes, of any length. Raises ValueError for a string of another form."""
    if isinstance(number, str) and not _NUMBER.fullmatch(number):
        raise ValueError(f"not a number: {number[:NUMBER_CHARACTERS_MAX]}")
    return Fraction(number)


def plain_decimal(literal: str) -> str:
    """A literal with an exponent ("1e-06") as a decimal without one; others, and exponents beyond 60, as they are."""
    matched = _SCIENTIFIC.fullmatch(literal)
    if matched is None or abs(int(matched[4])) > EXPONENT_MAX:
        return literal
    sign, whole, part, exponent = matched[1], matched[2], matched[3] or "", int(matched[4])
    digits, point = whole + part, len(whole) + exponent
    digits, point = "0" * max(1 - point, 0) + digits, max(point, 1)
    digits = digits.ljust(point, "0")
    below = digits[point:].rstrip("0")
    return sign + (digits[:point].lstrip("0") or "0") + (f".{below}" if below else "")


def rounded(value: Fraction, decimals: int, rounding: Rounding) -> Fraction:
    """`value` at so many decimals."""
    if rounding == "exact":
        return value
    scale = 10**decimals
    return Fraction(_integer(value * scale, rounding), scale)


def in_units(value: Fraction, decimals: int, rounding: Rounding) -> int:
    """`value` in units of 10^-decimals; what `exact` leaves over is refused with ValueError."""
    if rounding == "exact" and (value * 10**decimals).denominator != 1:
        raise ValueError(f"{printed(value)} has more than {decimals} decimals")
    return _integer(value * 10**decimals, "down" if rounding == "exact" else rounding)


def _integer(value: Fraction, rounding: Rounding) -> int:
    below = value.numerator // value.denominator
    if value.denominator == 1 or rounding == "down":
        return below
    if rounding == "up":
        return below + 1
    if rounding == "half_even":
        return round(value)
    towards = below if value > 0 else below + 1
    return towards if rounding == "towards_zero" else (below + 1 if value > 0 else below)


def from_float(value: float, decimals: int) -> Fraction:
    """A float at so many decimals, half to even; the float itself is taken exactly."""
    return rounded(Fraction(value), decimals, "half_even")


def require_short(denominator: int) -> None:
    """Raises OverflowError for a common denominator too long to go on with."""
    if denominator.bit_length() > DENOMINATOR_BITS_MAX:
        raise OverflowError(f"a common denominator of more than {DENOMINATOR_BITS_MAX} bits")


def printed(value: Fraction) -> str:
    """The decimal if it ends, else the ratio: reading it again gives the same number.

    Raises OverflowError for a denominator of more than `DENOMINATOR_BITS_MAX`.
    """
    require_short(value.denominator)
    twos = (value.denominator & -value.denominator).bit_length() - 1
    fives, rest = 0, value.denominator >> twos
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    decimals = max(twos, fives)
    digits = str(abs(value.numerator) * 10**decimals // value.denominator).rjust(decimals + 1, "0")
    sign = "-" if value < 0 else ""
    return sign + (f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits)
