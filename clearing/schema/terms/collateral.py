"""Terms of collateral: haircuts, yield, scenarios, the depeg guard, skew, interest, cash calls and soft credit.

Rule: data only, in integers. Every default means "off": a genesis that leaves these fields out switches nothing on. It
must not know balances or prices.
"""

from collections.abc import Iterator
from typing import TypeAlias

from clearing.base.codec import U8, U32, U63, Wire
from clearing.base.units import PPM, YEAR_MS

SKEW_RATE_MAX_PPM = 250_000
"""Steepest slope of one token's part of the skew potential: a movement then costs less than half of itself."""
RATE_MAX_PPM = 10 * PPM
STEP_MAX_PPM = PPM

Check: TypeAlias = tuple[str, int, bool]
"""(field, value, whether it is within its range)."""

SILENCE_PER_BLOCK_MS = 10_000
"""Largest growth of a chain's silence in one block: during our own outage nobody could observe the chain."""


class HaircutTerms(Wire, frozen=True):
    """Additions to an asset's base haircut. With all parts at zero the base alone counts and never changes."""

    range_share_ppm: U32 = 0
    """Fraction of the price scan range in force of the risk group on the asset's feed: the part that follows
    volatility."""
    volatility_ppm: U32 = 0
    """Replaces the range where no risk group is on the feed."""
    liquidity_ppm: U32 = 0
    """Cost of selling it."""
    finality_ppm: U32 = 0
    """For the risk that its chain reverts a final block."""
    confidence_share_ppm: U32 = 0
    """Multiple of the feed's own uncertainty, as a fraction of its price."""
    outage_ms: U63 = 0
    """How long the asset's chain may be silent without effect; 0: silence never counts."""
    outage_step_ms: U63 = 60_000
    outage_step_ppm: U32 = 100_000
    """Added for every step of silence begun beyond `outage_ms`."""
    step_ppm: U32 = 1
    """The sum is rounded up to a multiple of this, so that it does not change with every report."""

    @property
    def is_dynamic(self) -> bool:
        """Whether the haircut can differ from the base."""
        parts = (self.range_share_ppm, self.volatility_ppm, self.liquidity_ppm, self.finality_ppm)
        return any(parts) or self.confidence_share_ppm > 0 or self.outage_ms > 0


def stepped_haircut(whole_ppm: int, step_ppm: int) -> int:
    """A sum of components rounded up to a multiple of the step, at most 100 %."""
    return min(-(-whole_ppm // step_ppm) * step_ppm, PPM)


class YieldTerms(Wire, frozen=True):
    """A token that is worth its shares times a rate, such as a staking receipt. Off while `feed` is 0."""

    feed: U32 = 0
    """Feed of the rate."""
    unit_ticks: U63 = PPM
    """Ticks of that feed that mean one underlying token a share."""
    haircut_ppm: U32 = 0
    """Haircut on the rate. The asset's own haircut applies to the price."""


FALL_SHARE_MAX_PPM = 3 * PPM


class ScenarioTerms(Wire, frozen=True):
    """How a token moves in the scenarios of one risk group. Off while `group` is 0."""

    group: U32 = 0
    """The risk group in whose scenarios it moves."""
    haircut_ppm: U32 = 0
    """Replaces the base haircut: what no scenario covers, such as liquidity, depeg and basis."""
    fall_share_ppm: U32 = 0
    """0: the token is the group's underlying and moves with it both ways. Otherwise a token on another feed, which
    falls by this share of the underlying's relative fall and never rises with it."""


class DepegTerms(Wire, frozen=True):
    """When a cash token leaves its group, and what it becomes. Off while `feed` is 0."""

    feed: U32 = 0
    """Price feed of `feed_tokens` whole tokens. No token is 1.0 by definition."""
    feed_tokens: U32 = 1
    band_ppm: U32 = 20_000
    """Largest tolerated distance from par."""
    blocks: U32 = 10
    """The token leaves after this many consecutive blocks outside the band."""
    halt_ms: U63 = 0
    """The token leaves after this silence of its chain; 0: silence alone never makes it leave."""
    unit_decimals: U8 = 2
    """Clearing units of the resulting collateral; coarse, so that one unit is worth many micros."""
    haircut_ppm: U32 = 100_000
    """Base haircut of the resulting collateral."""

    @property
    def par_ticks(self) -> int:
        """The feed's value at par: a tick is a hundredth."""
        return 100 * self.feed_tokens


class SkewTerms(Wire, frozen=True):
    """The fee for unbalancing a cash group's inventory. Off while `rate_ppm` is 0."""

    rate_ppm: U32 = 0
    """Slope of the potential beyond `band_micros + depth_micros` of skew."""
    depth_micros: U63 = PPM
    """Skew over which the slope rises from zero to the rate."""
    band_micros: U63 = 0
    """Skew without a fee."""
    weights: tuple[tuple[U32, U32], ...] = ()
    """(asset, weight) of the target balance, ordered; an asset not listed has weight 1."""


class InterestTerms(Wire, frozen=True):
    """Interest on settlement cash. Off while `interval_ms` is 0."""

    interval_ms: U63 = 0
    debit_ppm: U32 = 0
    """Annual rate on what an account owes; rounded up."""
    credit_ppm: U32 = 0
    """Annual rate on what an account has; rounded down."""


class CashCallTerms(Wire, frozen=True):
    """What happens when an account owes more cash than the limit. With `deadline_blocks` 0 the house buys at once."""

    deadline_blocks: U32 = 0
    """How long the account has to bring cash."""
    auction_blocks: U32 = 0
    """How long its collateral is then for sale among members, at a price that falls to the value after haircut."""
    slice_ppm: U32 = 250_000
    """Largest purchase of one bid, as a fraction of what settles the call."""


class SoftCreditTerms(Wire, frozen=True):
    """Limits of loans against deposits that are not final. Off while `house_ppm` is 0."""

    house_ppm: U32 = 0
    """Largest sum of all loans, as a fraction of the house's own cash in the group."""
    account_micros_max: U63 = 0
    """Largest loan to one account."""
    sight_depth: U32 = 1
    """Depth below its chain's head at which a deposit is attested before it is final."""
    recall_blocks: U32 = 16
    """How many blocks the chain's final block may be past the deposit's before the loan is recalled."""
    restriction_blocks: U32 = 1_000
    """How long an account is restricted after its deposit was reverted."""


def check_haircut(terms: HaircutTerms) -> Iterator[Check]:
    """Ranges of one asset's haircut terms."""
    for field in ("range_share_ppm", "volatility_ppm", "liquidity_ppm", "finality_ppm", "confidence_share_ppm"):
        value: int = getattr(terms, field)
        yield field, value, value <= RATE_MAX_PPM
    yield "outage_step_ms", terms.outage_step_ms, terms.outage_step_ms >= 1
    yield "outage_step_ppm", terms.outage_step_ppm, 1 <= terms.outage_step_ppm <= PPM
    yield "step_ppm", terms.step_ppm, 1 <= terms.step_ppm <= STEP_MAX_PPM


def check_yield(terms: YieldTerms) -> Iterator[Check]:
    """Ranges of one asset's yield terms."""
    yield "unit_ticks", terms.unit_ticks, 1 <= terms.unit_ticks <= 2**40
    yield "haircut_ppm", terms.haircut_ppm, terms.haircut_ppm <= PPM


def check_scenarios(terms: ScenarioTerms) -> Iterator[Check]:
    """Ranges of one asset's scenario terms."""
    yield "haircut_ppm", terms.haircut_ppm, terms.haircut_ppm <= PPM
    yield "fall_share_ppm", terms.fall_share_ppm, terms.fall_share_ppm <= FALL_SHARE_MAX_PPM
    yield "group", terms.group, terms.group > 0 or terms == ScenarioTerms()


def check_depeg(terms: DepegTerms) -> Iterator[Check]:
    """Ranges of one asset's depeg terms."""
    yield "feed_tokens", terms.feed_tokens, 1 <= terms.feed_tokens <= 10**9
    yield "band_ppm", terms.band_ppm, terms.band_ppm < PPM
    yield "blocks", terms.blocks, terms.blocks >= 1
    yield "haircut_ppm", terms.haircut_ppm, terms.haircut_ppm <= PPM


def check_group(skew: SkewTerms, interest: InterestTerms, call: CashCallTerms) -> Iterator[Check]:
    """Ranges of one cash group's terms."""
    yield "skew.rate_ppm", skew.rate_ppm, skew.rate_ppm <= SKEW_RATE_MAX_PPM
    yield "skew.depth_micros", skew.depth_micros, 1 <= skew.depth_micros < 2**60
    yield "skew.band_micros", skew.band_micros, skew.band_micros < 2**60
    named = [asset for asset, _ in skew.weights]
    yield "skew.weights", len(named), named == sorted(set(named)) and all(weight >= 1 for _, weight in skew.weights)
    yield "interest.interval_ms", interest.interval_ms, interest.interval_ms <= YEAR_MS
    yield "interest.debit_ppm", interest.debit_ppm, interest.credit_ppm <= interest.debit_ppm <= RATE_MAX_PPM
    yield "call.auction_blocks", call.auction_blocks, call.auction_blocks == 0 or call.deadline_blocks > 0
    yield "call.slice_ppm", call.slice_ppm, 1 <= call.slice_ppm <= PPM


def check_soft_credit(terms: SoftCreditTerms) -> Iterator[Check]:
    """Ranges of the network's soft credit."""
    yield "house_ppm", terms.house_ppm, terms.house_ppm <= PPM
    yield "sight_depth", terms.sight_depth, 1 <= terms.sight_depth <= 1024
    yield "recall_blocks", terms.recall_blocks, terms.recall_blocks >= 1
