"""Terms of defaults and of the default fund: declaration, auction, waterfall, fund size and contributions.

Rule: data only, in integers. Every default means "off": a genesis that leaves these fields out switches nothing on.
"""

from collections.abc import Iterator
from enum import IntEnum

from clearing.base.codec import U32, U63, Wire
from clearing.base.units import PPM
from clearing.schema.terms.collateral import Check

DEFAULT_BLOCKS_MAX = 1_000_000
"""Upper bound of every phase of a default."""
SLICES_MAX = 10_000
STEPS_PER_BLOCK = 4
"""How many defaults one block closes or ends; others wait for the next."""


class DefaultTerms(Wire, frozen=True):
    """Terms of default: declaration, auction, porting, the waterfall's shares and caps."""

    enabled: bool = False
    """Off: the house's capital covers every deficit at once."""
    house_capital_micros: U63 = 0
    """What the house's own cash bears of one default before the survivors do, as far as it suffices."""
    assessment_ppm: U32 = 0
    """The cap on a member's assessments in one period, as a fraction of its required contribution."""
    assessment_period_blocks: U32 = 100_000
    assessment_blocks: U32 = 0
    """How long members have to pay an assessment; then it is debited."""
    auction_blocks: U32 = 0
    """How long bids for a defaulter's portfolio are accepted; 0: no auction."""
    auction_slices: U32 = 100
    """A portfolio is sold in this many equal slices."""
    auction_worst_ppm: U32 = PPM
    """Largest ask for a slice, as a fraction of its initial margin."""
    auction_tolerance_ppm: U32 = 100_000
    """An ask this much above the highest ask filled is still competitive, as a fraction of a slice's initial margin."""
    porting_blocks: U32 = 0
    """How long clients may be ported before they are closed out."""
    halt_blocks: U32 = 0
    """How much longer a portfolio waits for prices to open before its positions close at the last mark."""
    replenishment_blocks: U32 = 0
    """How long survivors have to replenish their used contributions; 0: they are not called."""
    hold_assessments: bool = False
    """From the declaration on a member keeps what it may be assessed, and bears by what was required of it then."""
    pool_affiliates: bool = False
    """Whether accounts of one owner and its affiliates count on one side in a default: affiliated clients' money is
    the member's, and what affiliates elsewhere gained bears the loss first."""
    reveal_blocks: U32 = 0
    """Bids are sealed: so many of the last `auction_blocks` only reveal bids that were committed to before; 0: bids
    are open."""
    auction_reserve_ppm: U32 = 0
    """Largest ask for the whole portfolio, as a fraction of its charges for liquidity and concentration; 0: no limit
    beside `auction_worst_ppm`."""
    auction_own_money: bool = False
    """Whether an ask is paid only with the defaulter's own money, however many bid. Off: with others' money, too, up
    to the limits above."""
    auction_duty_ppm: U32 = 0
    """Members with at least this fraction of all required contributions must bid for their share; 0: nobody must."""
    auction_absence_ppm: U32 = 0
    """What a member that must bid and does not, or does not reveal its bid, bears of the loss before any other
    survivor, as a fraction of its required contribution."""
    porting_at_maintenance: bool = False
    """Whether a client at maintenance margin may be ported, and is called for the rest. Off: at initial margin."""
    standby_porting: bool = False
    """Whether clients may name a standby member, to which they are ported when their member's default is declared."""


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
    sealed = not terms.reveal_blocks or not terms.auction_blocks or terms.reveal_blocks < terms.auction_blocks
    yield "reveal_blocks", terms.reveal_blocks, terms.reveal_blocks <= DEFAULT_BLOCKS_MAX and sealed
    yield "auction_reserve_ppm", terms.auction_reserve_ppm, terms.auction_reserve_ppm <= 100 * PPM
    for field in ("auction_duty_ppm", "auction_absence_ppm"):
        yield field, getattr(terms, field), getattr(terms, field) <= PPM
    yield "house_capital_micros", terms.house_capital_micros, terms.house_capital_micros < 2**60


def default_blocks_max(terms: DefaultTerms, before: int = 0) -> int:
    """Latest end of a default in blocks after its declaration. `before`: defaults under way at that time.

    Each has two steps that iterate over all accounts. A block takes `STEPS_PER_BLOCK` of them, in order of declaration.
    """
    own = max(terms.auction_blocks, terms.porting_blocks) + terms.halt_blocks + terms.assessment_blocks + 1
    return own + -(-2 * before // STEPS_PER_BLOCK)


MICROS_MAX = 2**60
"""A cash group's tokens are capped below this (`clearing.genesis.checks.CASH_MICROS_MAX`)."""
LOOKBACK_MAX = 64
FUND_BLOCKS_MAX = 2**31


class FundSizing(IntEnum):
    """Which of the members' shortfalls the fund must cover in every stress scenario."""

    COVER_TWO = 0
    """The two largest together."""
    LARGEST_OR_NEXT_TWO = 1
    """The largest alone, or the second and the third together, whichever is more."""


class FundTerms(Wire, frozen=True):
    """Terms of the default fund that members contribute to. Off while `cash_group` is 0."""

    cash_group: U32 = 0
    """Contributions are cash of this group."""
    sizing: FundSizing = FundSizing.COVER_TWO
    minimum_micros: U63 = 0
    """Smallest contribution of every member."""
    buffer_ppm: U32 = 0
    """On top of the size that the stress scenarios require."""
    lookback_epochs: U32 = 1
    """The fund is as large as the largest size of this many epochs, the current one included."""
    step_micros: U63 = 1
    """A required contribution is rounded up to a multiple of this, so that it does not change every epoch."""
    call_blocks: U32 = 1
    """How long a member has to pay a call."""
    grace_blocks: U32 = 0
    """How much longer a member that has not paid is only restricted; then it is in default. 0: at once."""
    return_blocks: U32 = 1
    """How long an excess contribution, or a former member's contribution, stays in the fund."""
    exposure_memory_ppm: U32 = 0
    """Fraction of a member's last exposure that counts at least now, so that a brief reduction does not
    cut its share."""
    reduce_blocks: U32 = 0
    """How long, after the grace period, what is missing is debited down to maintenance margin and positions are sold
    for it, before the member is in default. 0: the member is in default at once."""
    cover_growth: bool = False
    """Whether what a member lacks more in a stress scenario than at the last sizing must be covered by its own money
    at once. Off: the next sizing calls for it."""
    net_affiliates: bool = False
    """Whether a member's own accounts and its affiliated clients lack together what they fall below zero together,
    and affiliated members count as one."""

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
    """Whether these terms permit a fund. `stresses` counts scenarios, `without_house_account` members that could not
    pay."""
    if terms.enabled:
        yield "cash_group", terms.cash_group, terms.cash_group in cash_groups
        yield "stress scenarios", stresses, stresses > 0
        yield "members without an account of their own", without_house_account, not without_house_account
