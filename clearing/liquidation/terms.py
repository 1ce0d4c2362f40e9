"""What genesis says about liquidation: steps, auctions, the backstop, caps, penalties.

Rule: data only, integers, and every default is "off": a genesis that leaves these fields out behaves as if they were
not there. It must not know balances or prices.
"""

from collections.abc import Iterator

from clearing.base.codec import U32, U63, Wire
from clearing.base.units import PPM
from clearing.collateral.terms import Check

AUCTION_BLOCKS_MAX = 100_000
DISCOUNT_MAX_PPM = 500_000
STEPS_MAX = 1_000


class LiquidationTerms(Wire, frozen=True):
    """Of liquidation: an auction of slices among members, then a backstop account, then the house, in steps."""

    auction_blocks: U32 = 0
    """For so many blocks slices of the portfolio are for sale among members; 0: no auction."""
    start_ppm: U32 = 0
    """Discount of the first block, of the notional, which the account pays to the bidder."""
    end_ppm: U32 = 20_000
    """Discount of the last block; in between it rises evenly, rounded down."""
    slice_max_ppm: U32 = PPM
    """No bid takes a larger share of the positions."""
    bidder_share_ppm: U32 = 0
    """Of the penalty, what the bidder gets; the rest is the backstop's, or the house's where there is none."""
    backstop_account: U63 = 0
    """Account that takes over at the mark what no bid took, as far as it stays at initial margin; 0: none."""
    step_ppm: U32 = PPM
    """Of what is to be taken over by backstop and house, the most in one step."""
    whole_notional: U63 = 0
    """So little is taken over whole."""
    step_notional_max: U63 = 0
    """No step takes over more than this; 0: any."""
    steps_max: U32 = 20
    """After so many steps all that is needed is taken at once, within the caps of the block."""
    cooldown_blocks: U32 = 0
    """So many blocks pass between two steps on one account."""
    block_notional_max: U63 = 0
    """No block liquidates more than this by auction, backstop and house together; 0: any."""
    block_loss_max: U63 = 0
    """No block takes more than this as deficits; 0: any. The first deficit of a block is always taken."""
    insolvent_to_default: bool = False
    """What a member's own account holds when its equity is gone stays for the auction of its default."""


def liquidation_checks(terms: LiquidationTerms) -> Iterator[Check]:
    """Every bounded field: its name, its value, and whether it is within its range."""
    yield "auction_blocks", terms.auction_blocks, terms.auction_blocks <= AUCTION_BLOCKS_MAX
    yield "start_ppm", terms.start_ppm, terms.start_ppm <= terms.end_ppm
    yield "end_ppm", terms.end_ppm, terms.end_ppm <= DISCOUNT_MAX_PPM
    yield "slice_max_ppm", terms.slice_max_ppm, 1 <= terms.slice_max_ppm <= PPM
    yield "bidder_share_ppm", terms.bidder_share_ppm, terms.bidder_share_ppm <= PPM
    yield "step_ppm", terms.step_ppm, 1 <= terms.step_ppm <= PPM
    yield "steps_max", terms.steps_max, 1 <= terms.steps_max <= STEPS_MAX
    yield "cooldown_blocks", terms.cooldown_blocks, terms.cooldown_blocks <= AUCTION_BLOCKS_MAX
