"""Amounts as a member writes and reads them: decimal text of units for integers of 10^-decimals.

Rule: exact both ways. More decimals than the integer has are refused, never rounded.
"""

import re

MICROS_DECIMALS = 6
PERCENT_DECIMALS = 4
"""Of a percentage that is counted in millionths."""
DIGITS_MAX = 40
_AMOUNT = re.compile(r"([+-]?)([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.([0-9]+))?")


def parse_amount(text: str, decimals: int) -> int:
    """Decimal text, as `in_units` writes it or without commas, as an integer of 10^-decimals.

    Raises ValueError for what is no number, has more decimals, or has more than `DIGITS_MAX` digits.
    """
    match = _AMOUNT.fullmatch(text.strip()) if text.isascii() else None
    if match is None or len(text) > DIGITS_MAX:
        raise ValueError(f"expected a number such as 1250.5, got {text[:DIGITS_MAX]!r}")
    sign, whole, fraction = match.group(1), match.group(2).replace(",", ""), (match.group(3) or "").rstrip("0")
    if len(fraction) > decimals:
        raise ValueError(f"{text.strip()} has more than {decimals} decimals")
    value = int(whole + fraction.ljust(decimals, "0"))
    return -value if sign == "-" else value


def parse_percent(text: str) -> int:
    """A percentage, with or without its sign, in millionths. Raises ValueError as `parse_amount`."""
    return parse_amount(text.strip().removesuffix("%"), PERCENT_DECIMALS)


def split_amount(text: str) -> tuple[str, str]:
    """`250.5 USDC` as number and symbol. Raises ValueError for another number of words."""
    words = text.split()
    if len(words) != 2:
        raise ValueError(f'expected an amount with its token as one argument, such as "250.5 USDC", got {text[:80]!r}')
    return words[0], words[1]


def in_units(amount: str | int, decimals: int = MICROS_DECIMALS) -> str:
    """A whole number of 10^-decimals as decimal text, exactly, with commas between thousands; two digits at least."""
    value = int(amount)
    whole, rest = divmod(abs(value), 10**decimals)
    digits = f"{rest:0{decimals}d}".rstrip("0") if decimals else ""
    digits = digits.ljust(min(2, decimals), "0")
    return ("-" if value < 0 else "") + f"{whole:,}" + (f".{digits}" if digits else "")


def share(part: str | int, whole: str | int) -> str:
    """A part in per cent of a whole, rounded to a tenth; a dash where the whole is not positive."""
    of = int(whole)
    if of <= 0:
        return "-"
    tenths = (2_000 * int(part) + of) // (2 * of)
    sign = "-" if tenths < 0 else ""
    return f"{sign}{abs(tenths) // 10}.{abs(tenths) % 10} %"


def percent(ppm: int) -> str:
    """Millionths in per cent, exactly."""
    return f"{in_units(ppm, PERCENT_DECIMALS)} %"
