"""Books of perpetuals and options, fixed before any price is looked at, and the contracts that they are in.

Rule: a book is a function of its name or seed alone, by SHA-256; none is left out. A leg of size 1 is worth
`UNIT_WORTH` settlement units of the underlying when it is opened.

At each opening every underlying has a perpetual, and calls and puts at 90, 100 and 110 % of the index with 7, 30 and
90 days. The eight textbook portfolios are those of `benchmarks.textbook`, once for each underlying. Random book s is in
the first underlying, the last, or all of them (s mod 3). In each it has 2 + h mod 4 legs, leg l being contract h1 mod
19 with the size (h2 mod 200 - 100, or one more from 0 on) / 100; h, h1 and h2 are the first eight bytes, big-endian, of
SHA-256 of "crossclear/option-book/<s>/<u>", ".../<u>/<l>/contract" and ".../<u>/<l>/size".
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from clearing.base.units import DAY_MS
from clearing.schema.terms.instruments import Instrument, InstrumentKind

MICROS_PER_TICK = 10
"""A lot is a thousandth of the underlying; a tick is 10^-2 of the settlement unit."""
TICK_LOTS_PER_UNIT = 100_000
UNIT_WORTH = 100_000
DAYS = (7, 30, 90)
STRIKES_PERCENT = (90, 100, 110)


@dataclass(frozen=True, slots=True)
class ContractTerms:
    """A contract relative to the index at opening."""

    kind: InstrumentKind
    strike_percent: int = 0
    days: int = 0


PERPETUAL = ContractTerms(InstrumentKind.PERPETUAL)
LISTED: tuple[ContractTerms, ...] = (
    PERPETUAL,
    *(
        ContractTerms(kind, percent, days)
        for days in DAYS
        for percent in STRIKES_PERCENT
        for kind in (InstrumentKind.CALL, InstrumentKind.PUT)
    ),
)
"""Of each underlying, in the order of their numbers."""


def _call(percent: int, days: int) -> ContractTerms:
    return ContractTerms(InstrumentKind.CALL, percent, days)


def _put(percent: int, days: int) -> ContractTerms:
    return ContractTerms(InstrumentKind.PUT, percent, days)


Legs = tuple[tuple[ContractTerms, Fraction], ...]

TEXTBOOK: dict[str, tuple[tuple[ContractTerms, int], ...]] = {
    "covered call": ((PERPETUAL, 1), (_call(110, 30), -1)),
    "collar": ((PERPETUAL, 1), (_put(90, 30), 1), (_call(110, 30), -1)),
    "calendar": ((_call(100, 30), -1), (_call(100, 90), 1)),
    "butterfly": ((_call(90, 30), 1), (_call(100, 30), -2), (_call(110, 30), 1)),
    "box": ((_call(90, 30), 1), (_put(90, 30), -1), (_call(110, 30), -1), (_put(110, 30), 1)),
    "cash-and-carry": ((PERPETUAL, 1), (_call(100, 90), -1), (_put(100, 90), 1)),
    "risk reversal": ((_call(110, 30), 1), (_put(90, 30), -1)),
    "short strangle": ((_call(110, 30), -1), (_put(90, 30), -1)),
}


@dataclass(frozen=True, slots=True)
class OptionBook:
    """One book."""

    name: str
    legs: tuple[Legs, ...]
    """Of each underlying."""

    @property
    def is_textbook(self) -> bool:
        """One of the eight portfolios."""
        return not self.name.startswith("random")


def option_books(underlyings: Sequence[str], seeds: int) -> tuple[OptionBook, ...]:
    """The textbook portfolios in each underlying, then the random books 0 to `seeds` - 1."""
    count = len(underlyings)
    textbook = [
        OptionBook(
            f"{name} {underlying}",
            tuple(tuple((of, Fraction(size)) for of, size in legs) if at == place else () for at in range(count)),
        )
        for place, underlying in enumerate(underlyings)
        for name, legs in TEXTBOOK.items()
    ]
    return (*textbook, *(random_book(seed, count) for seed in range(seeds)))


def random_book(seed: int, underlyings: int) -> OptionBook:
    """A book out of its seed."""
    form = seed % 3
    chosen = [(at == 0, at == underlyings - 1, True)[form] for at in range(underlyings)]
    return OptionBook(
        f"random {seed}", tuple(_random_legs(f"{seed}/{at}") if chosen[at] else () for at in range(underlyings))
    )


def listed_contracts(
    underlyings: Sequence[str], index_ticks: Sequence[int], opened_ms: int
) -> tuple[tuple[Instrument, ...], ...]:
    """The contracts of each underlying as they are opened; numbers rise through all of them."""
    found = []
    for at, (underlying, ticks) in enumerate(zip(underlyings, index_ticks, strict=True)):
        first = 1 + at * len(LISTED)
        found.append(
            tuple(
                _instrument(first + place, underlying, at + 1, terms, ticks, opened_ms)
                for place, terms in enumerate(LISTED)
            )
        )
    return tuple(found)


def book_lots(book: OptionBook, index_ticks: Sequence[int]) -> list[int]:
    """Signed lots of every contract at opening, in the order of their numbers; sizes are rounded up, away from zero."""
    lots = [0] * (len(LISTED) * len(book.legs))
    for at, (legs, ticks) in enumerate(zip(book.legs, index_ticks, strict=True)):
        for terms, size in legs:
            worth = abs(size) * UNIT_WORTH * TICK_LOTS_PER_UNIT / ticks
            count = -(-worth.numerator // worth.denominator)
            lots[at * len(LISTED) + LISTED.index(terms)] += count if size > 0 else -count
    return lots


def _random_legs(seed: str) -> Legs:
    legs = []
    for leg in range(2 + _drawn(seed) % 4):
        terms = LISTED[_drawn(f"{seed}/{leg}/contract") % len(LISTED)]
        size = _drawn(f"{seed}/{leg}/size") % 200 - 100
        legs.append((terms, Fraction(size if size < 0 else size + 1, 100)))
    return tuple(legs)


def _drawn(of: str) -> int:
    return int.from_bytes(hashlib.sha256(f"crossclear/option-book/{of}".encode()).digest()[:8], "big")


def _instrument(
    number: int, underlying: str, group: int, terms: ContractTerms, index_ticks: int, opened_ms: int
) -> Instrument:
    if terms.kind is InstrumentKind.PERPETUAL:
        return Instrument(number, f"{underlying}-PERP", terms.kind, group, group, 1, MICROS_PER_TICK)
    strike = max((index_ticks * terms.strike_percent + 50) // 100, 1)
    name = f"{underlying}-{terms.days}D-{terms.strike_percent}-{terms.kind.name[0]}"
    expiry = opened_ms + terms.days * DAY_MS
    return Instrument(number, name, terms.kind, group, group, 1, MICROS_PER_TICK, expiry, strike)
