"""Terms of defaults and of the default fund: declaration, auction, waterfall, fund size and contributions.

Rule: data only, in integers. Every default means "off": a genesis that leaves these fields out switches nothing on.
"""

from collections.abc import Iterator
from enum import IntEnum

from clearing.base.codec import U32, U63, Wire
from clearing.base.units import PPM
from clearing.schema.terms.collateral import Check

DEFAULT_BLOCKS_MAX = 1_000_000
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
        yield field, getattr(terms, field), getattr(terms, field) <= DEFAULT_BLOCKS_MAX
    period = terms.assessment_period_blocks
    yield "assessment_period_blocks", period, 0 < period <= 100 * DEFAULT_BLOCKS_MAX
    yield "assessment_ppm", terms.assessment_ppm, terms.assessment_ppm <= 10 * PPM
    yield "auction_slices", terms.auction_slices, 0 < terms.auction_slices <= SLICES_MAX
    yield "auction_worst_ppm", terms.auction_worst_ppm, terms.auction_worst_ppm <= 10 * PPM
    yield "auction_tolerance_ppm", terms.auction_tolerance_ppm, terms.auction_tolerance_ppm <= 10 * PPM
    yield "house_capital_micros", terms.house_capital_micros, terms.house_capital_micros < 2**60


def default_blocks_max(terms: DefaultTerms, before: int = 0) -> int:
    """A default has ended so many blocks after its declaration, whatever happens. `before`: those under way then.

    Each has two steps that look at all accounts, and a block takes `STEPS_PER_BLOCK` of them, in order of declaration.
    """
    own = max(terms.auction_blocks, terms.porting_blocks) + terms.halt_blocks + terms.assessment_blocks + 1
    return own + -(-2 * before // STEPS_PER_BLOCK)


MICROS_MAX = 2**60
"""A cash group's tokens are capped below this (`clearing.genesis.checks.CASH_MICROS_MAX`)."""

LOOKBACK_MAX = 64

FUND_BLOCKS_MAX = 2**31


class FundSizing(IntEnum):
    """What the fund must be able to bear in every stress scenario, of what members lack."""

    COVER_TWO = 0
    """The two largest together."""
    LARGEST_OR_NEXT_TWO = 1
    """The largest alone, or the second and the third together, whichever is more."""


class FundTerms(Wire, frozen=True):
    """Of the default fund that members contribute to. Off while `cash_group` is 0."""

    cash_group: U32 = 0
    """Contributions are cash of this group."""
    sizing: FundSizing = FundSizing.COVER_TWO
    minimum_micros: U63 = 0
    """What every member contributes at least."""
    buffer_ppm: U32 = 0
    """On top of the size that the stress scenarios ask for."""
    lookback_epochs: U32 = 1
    """The fund is as large as the largest of so many epochs' sizes, this one's included."""
    step_micros: U63 = 1
    """What a member has to contribute is rounded up to a multiple of this, so that it does not change every epoch."""
    call_blocks: U32 = 1
    """How long a member has to pay what it is called for."""
    grace_blocks: U32 = 0
    """How much longer a member that has not paid is only restricted; then it is in default. 0: at once."""
    return_blocks: U32 = 1
    """How long what is beyond a member's part, or a former member's, stays in the fund."""
    exposure_memory_ppm: U32 = 0
    """Of a member's last exposure, what counts at least now: who holds little for a moment pays for what it held."""
    reduce_blocks: U32 = 0
    """After the grace, what is missing is debited down to maintenance margin and positions are sold for it, for so long
    before the member is in default. 0: it is at once."""

    @property
    def enabled(self) -> bool:
        """Whether members contribute to a fund."""
        return self.cash_group > 0


def fund_checks(terms: FundTerms) -> Iterator[Check]:
    """Every bounded field: its name, its value, and whether it is within its range."""
    yield "minimum_micros", terms.minimum_micros, terms.minimum_micros < MICROS_MAX
    yield "buffer_ppm", terms.buffer_ppm, terms.buffer_ppm <= 10 * PPM
    yield "lookback_epochs", terms.lookback_epochs, 1 <= terms.lookback_epochs <= LOOKBACK_MAX
    yield "step_micros", terms.step_micros, 1 <= terms.step_micros < MICROS_MAX
    yield "call_blocks", terms.call_blocks, 1 <= terms.call_blocks <= FUND_BLOCKS_MAX
    yield "grace_blocks", terms.grace_blocks, terms.grace_blocks <= FUND_BLOCKS_MAX
    yield "reduce_blocks", terms.reduce_blocks, terms.reduce_blocks <= FUND_BLOCKS_MAX
    yield "exposure_memory_ppm", terms.exposure_memory_ppm, terms.exposure_memory_ppm < PPM
    yield "return_blocks", terms.return_blocks, 1 <= terms.return_blocks <= FUND_BLOCKS_MAX


def fund_fits(terms: FundTerms, cash_groups: set[int], stresses: int, without_house_account: int) -> Iterator[Check]:
    """Whether a fund can be had with this listing; the last two count scenarios, and members who could not pay."""
    if terms.enabled:
        yield "cash_group", terms.cash_group, terms.cash_group in cash_groups
        yield "stress scenarios", stresses, stresses > 0
        yield "members without an account of their own", without_house_account, not without_house_account
