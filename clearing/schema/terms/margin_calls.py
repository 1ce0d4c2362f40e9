"""Terms of margin calls and liquidation: deadlines, early calls, steps, auctions, the backstop and penalties.

Rule: data only, in integers. Every default means "off": a genesis that leaves these fields out switches nothing on.
"""

from collections.abc import Iterator

from clearing.base.codec import U32, U63, Wire
from clearing.base.units import DAY_MS, PPM
from clearing.schema.terms.collateral import Check

DEADLINE_BLOCKS_MAX = 100_000

CONGESTION_STEPS_MAX = 1_000

EARLY_PPM_MIN = 1_000
"""Smaller probabilities are told apart too coarsely to act on."""


class CallTerms(Wire, frozen=True):
    """Of margin calls: deadlines, early calls, congestion."""

    deadline_blocks: U32 = 0
    """So many blocks an account below its trigger has to mend it before it is liquidated; 0: none."""
    urgent_ppm: U32 = 500_000
    """Of maintenance margin: an account with less equity than this has no time."""
    early_ppm: U32 = 0
    """An account is called early where maintenance is breached within the horizon with this probability; 0: never."""
    early_release_ppm: U32 = 0
    """An early call is taken back where the probability falls below this; above 0, at most `early_ppm`."""
    early_blocks: U32 = 20
    """So many blocks an early call gives."""
    early_horizon_ms: U63 = 3_600_000
    """How far ahead a breach is looked for; lateness of chains and oracles is added, capped as for ranges."""
    congestion_ms: U63 = 0
    """An observed inclusion delay up to this is normal."""
    congestion_step_ms: U63 = 60_000
    """Every begun step of delay beyond the normal widens deadlines and triggers by what follows."""
    congestion_step_blocks: U32 = 0
    """Longer a deadline by so many blocks a step."""
    congestion_step_ppm: U32 = 0
    """Higher a trigger by so much of maintenance margin a step, never above the initial margin; only with deadlines."""
    congestion_steps_max: U32 = 10
    early_leaves_blocks: U32 = DEADLINE_BLOCKS_MAX
    """Where an early call came before, a margin call lasts as long as that one would have, but at least so many blocks,
    and never longer than without it. By default nobody who was warned has less time than who was not."""


def calls_checks(terms: CallTerms) -> Iterator[Check]:
    """Every bounded field: its name, its value, and whether it is within its range."""
    yield "deadline_blocks", terms.deadline_blocks, terms.deadline_blocks <= DEADLINE_BLOCKS_MAX
    yield "urgent_ppm", terms.urgent_ppm, terms.urgent_ppm <= PPM
    yield "early_ppm", terms.early_ppm, not terms.early_ppm or EARLY_PPM_MIN <= terms.early_ppm < PPM
    released = 1 <= terms.early_release_ppm <= terms.early_ppm
    yield "early_release_ppm", terms.early_release_ppm, released or not terms.early_ppm
    yield "early_blocks", terms.early_blocks, 1 <= terms.early_blocks <= DEADLINE_BLOCKS_MAX
    yield "early_horizon_ms", terms.early_horizon_ms, 1 <= terms.early_horizon_ms <= 30 * DAY_MS
    yield "congestion_step_ms", terms.congestion_step_ms, terms.congestion_step_ms >= 1
    yield "congestion_step_blocks", terms.congestion_step_blocks, terms.congestion_step_blocks <= DEADLINE_BLOCKS_MAX
    yield "congestion_step_ppm", terms.congestion_step_ppm, terms.congestion_step_ppm <= PPM
    yield "congestion_steps_max", terms.congestion_steps_max, terms.congestion_steps_max <= CONGESTION_STEPS_MAX
    yield "early_leaves_blocks", terms.early_leaves_blocks, terms.early_leaves_blocks <= DEADLINE_BLOCKS_MAX


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
