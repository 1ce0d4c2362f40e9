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
"""Smaller probabilities are computed too coarsely to act on."""


class CallTerms(Wire, frozen=True):
    """Terms of margin calls: deadlines, early calls, congestion."""

    deadline_blocks: U32 = 0
    """How many blocks an account below its trigger has before it is liquidated; 0: none."""
    urgent_ppm: U32 = 500_000
    """Fraction of maintenance margin: an account with less equity than this is liquidated at once."""
    early_ppm: U32 = 0
    """An account is called early when a breach of maintenance within the horizon has this probability; 0: never."""
    early_release_ppm: U32 = 0
    """An early call is withdrawn when the probability falls below this; above 0, at most `early_ppm`."""
    early_blocks: U32 = 20
    """Deadline of an early call, in blocks."""
    early_horizon_ms: U63 = 3_600_000
    """Horizon of early calls. The delay of chains and oracles is added, capped as for ranges."""
    congestion_ms: U63 = 0
    """An observed inclusion delay up to this is normal."""
    congestion_step_ms: U63 = 60_000
    """Every begun step of delay beyond normal extends deadlines and raises triggers as follows."""
    congestion_step_blocks: U32 = 0
    """Blocks by which a step extends a deadline."""
    congestion_step_ppm: U32 = 0
    """Fraction of maintenance margin by which a step raises a trigger, never above initial margin; only
    with deadlines."""
    congestion_steps_max: U32 = 10
    early_leaves_blocks: U32 = DEADLINE_BLOCKS_MAX
    """After an early call, a margin call keeps the early call's deadline, but gets at least this many blocks, and never
    more than without the early call. By default an early call never shortens the time."""


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
    """Terms of liquidation: an auction of slices among members, then a backstop account, then the house, in steps."""

    auction_blocks: U32 = 0
    """For how many blocks slices of the portfolio are for sale among members; 0: no auction."""
    start_ppm: U32 = 0
    """Discount of the first block, a fraction of the notional, which the account pays to the bidder."""
    end_ppm: U32 = 20_000
    """Discount of the last block. In between it rises linearly, rounded down."""
    slice_max_ppm: U32 = PPM
    """Largest share of the positions that one bid takes."""
    bidder_share_ppm: U32 = 0
    """The bidder's fraction of the penalty. The backstop gets the rest, or the house where there is no backstop."""
    backstop_account: U63 = 0
    """Account that takes over at the mark what no bid took, as far as it stays at initial margin; 0: none."""
    step_ppm: U32 = PPM
    """Largest step by backstop and house, as a fraction of what is to be taken over."""
    whole_notional: U63 = 0
    """A notional up to this is taken over whole."""
    step_notional_max: U63 = 0
    """Largest notional of a step; 0: no limit."""
    steps_max: U32 = 20
    """After this many steps everything needed is taken at once, within the caps of the block."""
    cooldown_blocks: U32 = 0
    """Blocks between two steps on one account."""
    block_notional_max: U63 = 0
    """Largest notional that a block liquidates by auction, backstop and house together; 0: no limit."""
    block_loss_max: U63 = 0
    """Largest sum of deficits that a block accepts; 0: no limit. The first deficit of a block is always accepted."""
    insolvent_to_default: bool = False
    """Whether positions of a member's own account without equity are left for the auction of its default."""


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
