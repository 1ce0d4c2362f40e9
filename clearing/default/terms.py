"""What genesis says about default: declaration, auction, porting, the waterfall's shares and caps.

Rule: data only, integers, and every default is "off": a genesis that leaves these fields out behaves as if they were
not there. It must not know balances or prices.
"""

from collections.abc import Iterator

from clearing.base.codec import U32, U63, Wire
from clearing.base.units import PPM
from clearing.collateral.terms import Check

BLOCKS_MAX = 1_000_000
"""No part of a default takes longer."""
SLICES_MAX = 10_000
STEPS_PER_BLOCK = 4
"""A block closes or ends so many defaults; others wait for the next."""


class DefaultTerms(Wire, frozen=True):
    """Of default: declaration, auction, porting, the waterfall's shares and caps."""

    enabled: bool = False
    """Off: the house's capital covers every deficit at once."""
    house_capital_micros: U63 = 0
    """What the house's own cash bears of one default before the survivors do, as far as it is there."""
    assessment_ppm: U32 = 0
    """Of what a member has to contribute to the fund: the most that it is assessed in one period."""
    assessment_period_blocks: U32 = 100_000
    assessment_blocks: U32 = 0
    """How long members have to bring what they are assessed; then it is taken."""
    auction_blocks: U32 = 0
    """How long bids for a defaulter's portfolio are taken; 0: there is no auction."""
    auction_slices: U32 = 100
    """A portfolio is sold in so many equal slices."""
    auction_worst_ppm: U32 = PPM
    """The most that may be asked for a slice, of its initial margin."""
    auction_tolerance_ppm: U32 = 100_000
    """Who asks so much more than the dearest bid filled, of a slice's initial margin, still bid well."""
    porting_blocks: U32 = 0
    """How long clients may be ported before they are closed out."""
    halt_blocks: U32 = 0
    """How much longer a portfolio waits for prices that are not open, before it ends at the last mark."""
    replenishment_blocks: U32 = 0
    """How long survivors have to bring what was used of their contributions; 0: they are not called."""


def default_checks(terms: DefaultTerms) -> Iterator[Check]:
    """Every bounded field: its name, its value, and whether it is within its range."""
    for field in ("assessment_blocks", "auction_blocks", "porting_blocks", "halt_blocks", "replenishment_blocks"):
        yield field, getattr(terms, field), getattr(terms, field) <= BLOCKS_MAX
    period = terms.assessment_period_blocks
    yield "assessment_period_blocks", period, 0 < period <= 100 * BLOCKS_MAX
    yield "assessment_ppm", terms.assessment_ppm, terms.assessment_ppm <= 10 * PPM
    yield "auction_slices", terms.auction_slices, 0 < terms.auction_slices <= SLICES_MAX
    yield "auction_worst_ppm", terms.auction_worst_ppm, terms.auction_worst_ppm <= 10 * PPM
    yield "auction_tolerance_ppm", terms.auction_tolerance_ppm, terms.auction_tolerance_ppm <= 10 * PPM
    yield "house_capital_micros", terms.house_capital_micros, terms.house_capital_micros < 2**60


def blocks_max(terms: DefaultTerms, before: int = 0) -> int:
    """A default has ended so many blocks after its declaration, whatever happens. `before`: those under way then.

    Each has two steps that look at all accounts, and a block takes `STEPS_PER_BLOCK` of them, in order of declaration.
    """
    own = max(terms.auction_blocks, terms.porting_blocks) + terms.halt_blocks + terms.assessment_blocks + 1
    return own + -(-2 * before // STEPS_PER_BLOCK)
