"""What a seed stands for beside its book: how much it has paid in, what it can bring, and how fast.

Rule: a function of the seed, by SHA-256 alone; made before any price is looked at.
"""

import hashlib
from dataclasses import dataclass

from clearing.base.units import PPM
from lab.backtest.walk import worth_of

CLIENTS = 5
"""Each fifth member has a client too, with the book of the seed + SEEDS_MAX."""
SEEDS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Means:
    """Ratios are of the initial margin with which the book is opened."""

    cushion_ppm: int
    """Paid in beyond the initial margin; 0 to 1."""
    reserve_ppm: int
    """What it can bring when called, in all: a quarter of the members nothing, the others up to four times."""
    delay_blocks: int
    """From the call to its cash, final: five minutes to three hours."""
    is_prudent: bool
    """Whether it sells a quarter of its book when called and without cash to bring: every second one."""


def means_of(seed: int) -> Means:
    """The means of one seed."""
    reserve = draw(seed, "reserve", 4 * PPM + 1) if draw(seed, "none", 4) else 0
    return Means(draw(seed, "cushion", PPM + 1), reserve, 1 + draw(seed, "delay", 36), draw(seed, "prudent", 2) == 1)


def book_of_seed(seed: int) -> tuple[int, ...]:
    """Signed settlement units of BTC and ETH."""
    return worth_of(seed, 2)


def has_client(seed: int) -> bool:
    """Whether the member of this seed clears for a client too."""
    return draw(seed, "client", CLIENTS) == 0


def draw(seed: int, what: str, below: int) -> int:
    """The seed's number of this name."""
    drawn = hashlib.sha256(f"crossclear/march2020/{seed}/{what}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") % below
