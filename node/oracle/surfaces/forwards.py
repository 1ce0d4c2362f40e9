"""Forward and rate of one expiry out of a venue's quotes.

Rule: three ways to a forward, the best first: the dated future, put-call parity, what the venue states. Of three the
median counts, of two the better one, so that one wrong quote of a future does not move a surface.

Parity, with C - P of one strike K: prices in money give C - P = D (F - K), prices in the underlying C - P = 1 - K / F
(the coin itself pays no interest).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np

from node.oracle.option_quotes import FutureQuote, OptionQuote

STRIKES = 7
"""Pairs that are nearest to the money."""
PAIRS_MIN = 4
"""Without as many pairs in money no discount is read from parity."""
DISCOUNT_MIN, DISCOUNT_MAX = 0.5, 1.1
SPREAD_MAX = 0.02
"""Of a future's best prices, to their middle."""

Way = Literal["future", "parity", "stated"]


@dataclass(frozen=True, slots=True)
class Forward:
    """In the venue's unit of money. `discount`: as parity implies it, None where it does not."""

    price: float
    way: Way
    discount: float | None = None


def forward_of(
    options: Sequence[OptionQuote], futures: Sequence[FutureQuote], index: float, *, is_inverse: bool
) -> Forward | None:
    """Of the options and futures of one expiry; None without any way to it."""
    pairs = _pairs(options, index)
    discount = None if is_inverse else _implied_discount(pairs)
    found: list[Forward] = []
    for way, price in (
        ("future", _of_futures(futures)),
        ("parity", _of_parity(pairs, index, discount, is_inverse=is_inverse)),
        ("stated", _stated(options)),
    ):
        if price is not None:
            found.append(Forward(price, way, discount))  # type: ignore[arg-type]  # one of the three
    if len(found) < 3:
        return found[0] if found else None
    return sorted(found, key=lambda each: each.price)[1]


def _of_futures(futures: Sequence[FutureQuote]) -> float | None:
    for quote in futures:
        if quote.bid is not None and quote.ask is not None and 0.0 < quote.bid < quote.ask:
            middle = (quote.bid + quote.ask) / 2.0
            if quote.ask - quote.bid <= SPREAD_MAX * middle:
                return middle
    return None


def _stated(options: Sequence[OptionQuote]) -> float | None:
    found = [quote.forward for quote in options if quote.forward is not None and quote.forward > 0.0]
    return median(found) if found else None


def _pairs(options: Sequence[OptionQuote], index: float) -> list[tuple[float, float]]:
    """(strike, C - P) of the middles, nearest to the index first."""
    middles: dict[tuple[float, bool], float] = {}
    for quote in options:
        if quote.bid is not None and quote.ask is not None and 0.0 < quote.bid < quote.ask:
            middles[quote.strike, quote.is_call] = (quote.bid + quote.ask) / 2.0
    found = [
        (strike, middle - middles[strike, False])
        for (strike, is_call), middle in middles.items()
        if is_call and (strike, False) in middles
    ]
    return sorted(found, key=lambda pair: (abs(pair[0] - index), pair[0]))[:STRIKES]


def _implied_discount(pairs: Sequence[tuple[float, float]]) -> float | None:
    """The median slope between two strikes (Theil and Sen), which one wrong quote does not move."""
    if len(pairs) < PAIRS_MIN:
        return None
    slopes = [(near[1] - far[1]) / (far[0] - near[0]) for at, near in enumerate(pairs) for far in pairs[at + 1 :]]
    found = float(np.median(slopes))
    return found if DISCOUNT_MIN <= found <= DISCOUNT_MAX else None


def _of_parity(
    pairs: Sequence[tuple[float, float]], index: float, discount: float | None, *, is_inverse: bool
) -> float | None:
    if is_inverse:
        found = [strike / (1.0 - value) for strike, value in pairs if value < 0.5]
    elif discount is not None:
        found = [strike + value / discount for strike, value in pairs]
    else:
        # Near the money the discount of the difference hardly counts.
        found = [strike + value for strike, value in pairs if abs(strike - index) <= 0.02 * index]
    return median(found) if found else None
