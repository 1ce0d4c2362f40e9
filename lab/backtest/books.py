"""Books: positions derived from a seed, fixed before any price is read.

Rule: a book is a function of its seed and of how many underlyings there are, by SHA-256 alone, so that anybody can make
the same ones anywhere; none is ever left out.

Seed s has form s mod 4: 0 the first underlying alone, 1 the last alone, 2 all of them on one side, 3 all of them on
alternating sides. Its first side is long where s div 4 is even, otherwise short. Its holding of underlying u is worth
10,000 + (h mod 990,001) settlement units when the book is opened, h the first eight bytes of
SHA-256("crossclear/book/<s>/<u>"), big-endian; in lots of a thousandth of the underlying, rounded up. Every book is
opened again at its worth each `REOPEN` observations, or four years of rising prices would leave one leg of each.
"""

import hashlib
from collections.abc import Sequence

REOPEN = 720

FORMS = ("first alone", "last alone", "all on one side", "alternating sides")

MICROS_PER_TICK = 10
"""A lot is a thousandth of the underlying: a tick, 10^-2 of the settlement unit, is 10 micros a lot."""

TICK_LOTS_PER_UNIT = 100_000
"""One settlement unit is this many ticks of one lot."""


def form_of(seed: int) -> str:
    """What kind of book a seed is."""
    return FORMS[seed % len(FORMS)]


def worth_of(seed: int, underlyings: int) -> tuple[int, ...]:
    """Signed settlement units of every underlying."""
    form, side = seed % len(FORMS), 1 if seed // len(FORMS) % 2 == 0 else -1
    worth = []
    for at in range(underlyings):
        drawn = hashlib.sha256(f"crossclear/book/{seed}/{at}".encode()).digest()
        units = 10_000 + int.from_bytes(drawn[:8], "big") % 990_001
        in_book = (at == 0, at == underlyings - 1, True, True)[form]
        turned = form == 3 and at % 2 == 1
        worth.append((units if not turned else -units) * side if in_book else 0)
    return tuple(worth)


def lots_of(worth: Sequence[int], ticks: Sequence[int]) -> list[int]:
    """Lots that are worth at least so much at these prices."""
    sizes = (-(-abs(units) * TICK_LOTS_PER_UNIT // price) for units, price in zip(worth, ticks, strict=True))
    return [size if units >= 0 else -size for size, units in zip(sizes, worth, strict=True)]
