"""What genesis says about the default fund: sizing, contributions, calls.

Rule: data only, integers, and every default is "off": a genesis that leaves these fields out behaves as if they were
not there. It must not know balances or prices.
"""

from collections.abc import Iterator
from enum import IntEnum

from clearing.base.codec import U32, U63, Wire
from clearing.base.units import PPM
from clearing.collateral.terms import Check

MICROS_MAX = 2**60
"""A cash group's tokens are capped below this (`clearing.genesis.CASH_MICROS_MAX`)."""
LOOKBACK_MAX = 64
BLOCKS_MAX = 2**31


class Sizing(IntEnum):
    """What the fund must be able to bear in every stress scenario, of what members lack."""

    COVER_TWO = 0
    """The two largest together."""
    LARGEST_OR_NEXT_TWO = 1
    """The largest alone, or the second and the third together, whichever is more."""


class FundTerms(Wire, frozen=True):
    """Of the default fund that members contribute to. Off while `cash_group` is 0."""

    cash_group: U32 = 0
    """Contributions are cash of this group."""
    sizing: Sizing = Sizing.COVER_TWO
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
    yield "call_blocks", terms.call_blocks, 1 <= terms.call_blocks <= BLOCKS_MAX
    yield "grace_blocks", terms.grace_blocks, terms.grace_blocks <= BLOCKS_MAX
    yield "reduce_blocks", terms.reduce_blocks, terms.reduce_blocks <= BLOCKS_MAX
    yield "exposure_memory_ppm", terms.exposure_memory_ppm, terms.exposure_memory_ppm < PPM
    yield "return_blocks", terms.return_blocks, 1 <= terms.return_blocks <= BLOCKS_MAX


def fund_fits(terms: FundTerms, cash_groups: set[int], stresses: int, without_house_account: int) -> Iterator[Check]:
    """Whether a fund can be had with this listing; the last two count scenarios, and members who could not pay."""
    if terms.enabled:
        yield "cash_group", terms.cash_group, terms.cash_group in cash_groups
        yield "stress scenarios", stresses, stresses > 0
        yield "members without an account of their own", without_house_account, not without_house_account
