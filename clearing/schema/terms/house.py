"""Terms of the house as a principal: its ring-fenced capital, its inventory, its own default, and recoveries.

Rule: data only, in integers. Every default means "off": a genesis that leaves these fields out switches nothing on.
"""

from collections.abc import Iterator

from clearing.base.codec import U32, U63, Wire
from clearing.schema.terms.collateral import Check

HOUSE_BLOCKS_MAX = 1_000_000
"""Upper bound of a disposal and of the time of a recovery."""
DISPOSAL_PPM_MAX = 500_000
HOUSE_MICROS_MAX = 2**60


class HouseTerms(Wire, frozen=True):
    """What the house keeps apart, how much it may take over, how it sells that, and what it gives back."""

    capital_micros: U63 = 0
    """The stated capital, ring-fenced: the house keeps it above the initial margin of its inventory, or the sum of
    `crisis.default.house_capital_micros` over open defaults where that is more. 0: nothing is ring-fenced."""
    covers_margin: bool = False
    """Whether the house takes over no more than leaves it at its own initial margin and its ring-fenced capital."""
    inventory_margin_max: U63 = 0
    """Largest initial margin of the house's positions after it takes over; 0: no limit."""
    inventory_notional_max: U63 = 0
    """Largest notional of the house's positions after it takes over; 0: no limit."""
    disposal_blocks: U32 = 0
    """For how many blocks members may buy the house's inventory; then the rest is closed. 0: the house keeps it."""
    disposal_end_ppm: U32 = 0
    """Discount of the last block, a fraction of the notional. It rises from 0, and all discounts together are at most
    the penalties that the house received for what it took over."""
    own_default: bool = False
    """Whether a house below its own maintenance margin is in default."""
    recovery_blocks: U32 = 0
    """For how many blocks after the end of a default what comes in from it goes back to those who paid; 0: never."""


def house_checks(terms: HouseTerms) -> Iterator[Check]:
    """Every bounded field: its name, its value, and whether it is within its range."""
    for field in ("capital_micros", "inventory_margin_max", "inventory_notional_max"):
        yield field, getattr(terms, field), getattr(terms, field) < HOUSE_MICROS_MAX
    for field in ("disposal_blocks", "recovery_blocks"):
        yield field, getattr(terms, field), getattr(terms, field) <= HOUSE_BLOCKS_MAX
    yield "disposal_end_ppm", terms.disposal_end_ppm, terms.disposal_end_ppm <= DISPOSAL_PPM_MAX
