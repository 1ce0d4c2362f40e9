"""Terms of withdrawal controls: rate limits, delays and the deficit reserve.

Rule: data only, in integers. Every default means "off": a genesis that leaves these fields out switches nothing on. It
must not know balances or prices.
"""

from collections.abc import Iterator
from itertools import pairwise

from clearing.base.codec import U32, U63, Wire
from clearing.schema.terms.collateral import Check

DELAYED_WITHDRAWALS_MAX = 4_096
"""Every block iterates over all delayed withdrawals."""
DELAY_BLOCKS_MAX = 2**31
"""Numbers of blocks are added to heights: the sum stays far inside 63 bits."""


class AssetWithdrawalLimits(Wire, frozen=True):
    """Limits on one asset, in its clearing units of genesis, each for a window of `market.epoch_blocks` blocks.

    An owner is the key that signs for the money. Accounts with the same key count as one, or more accounts would mean a
    higher limit.
    """

    asset: U32
    owner_units_max: U63 = 0
    """Limit of one owner in a window; 0: no limit."""
    window_units_max: U63 = 0
    """Limit of all together in a window; 0: no limit."""
    delay_above_units: U63 = 0
    """What one owner may withdraw in a window without delay. A withdrawal beyond it is delayed."""
    delay_blocks: U32 = 0
    """Length of the delay; 0: nothing is delayed."""
    refund_units_min: U63 = 0
    """Smallest refund of stray deposits. A smaller one waits for more strays of the same depositor; 0: none waits."""


class WithdrawalControlTerms(Wire, frozen=True):
    """Terms of withdrawal controls: rate limits, delays, deficits."""

    assets: tuple[AssetWithdrawalLimits, ...] = ()
    """Ordered by asset."""
    waiting_max: U32 = 1_024
    """Limit of delayed withdrawals at a time, over all owners."""
    waiting_per_owner_max: U32 = 16
    waiting_grace_blocks: U32 = 1_000
    """For how long after its time a delayed withdrawal that is refused is tried again; then it is refunded."""
    deficit_reserve: bool = False
    """Whether a withdrawal must leave the account's share of what unresolved deficits may still cost."""
    give_back_expired: bool = False
    """Whether withdrawals that the vault did not pay in time are refunded, on the agreed fact that it did not."""
    deposit_hold_blocks: U32 = 0
    """For how many blocks from an epoch's boundary deposits not yet covered by custody evidence are postponed, so that
    the epoch can close under a stream of deposits; 0: none are."""
    stray_blocks: U32 = 0
    """For how many blocks a deposit that could not be credited waits for room or for its account; then it is refunded.
    0: it is refunded at once."""


INFLOW_STEPS_MAX = 8


class InflowStep(Wire, frozen=True):
    """A delay for inflow above a sum of value, in micros after haircut."""

    above_micros: U63
    delay_blocks: U32


class InflowDelayTerms(Wire, frozen=True):
    """How long large inflow waits before it may leave the network. Sums are those of a window of blocks."""

    window_blocks: U32 = 0
    """0: nothing waits."""
    owner_steps: tuple[InflowStep, ...] = ()
    """For what one owner brings in over all chains. Sums and delays rise from step to step."""
    chain_steps: tuple[InflowStep, ...] = ()
    """For what all owners together bring in over one chain."""


def inflow_delay_checks(terms: InflowDelayTerms) -> Iterator[Check]:
    """Every bounded field: its name, its value, and whether it is within its range."""
    yield "window_blocks", terms.window_blocks, terms.window_blocks <= DELAY_BLOCKS_MAX
    for name, steps in (("owner_steps", terms.owner_steps), ("chain_steps", terms.chain_steps)):
        rising = all(a.above_micros < b.above_micros and a.delay_blocks < b.delay_blocks for a, b in pairwise(steps))
        yield name, len(steps), len(steps) <= INFLOW_STEPS_MAX and rising
        yield f"{name}.window_blocks", terms.window_blocks, not steps or terms.window_blocks > 0
        for step in steps:
            yield f"{name}.delay_blocks", step.delay_blocks, 1 <= step.delay_blocks <= DELAY_BLOCKS_MAX


def withdrawal_control_checks(terms: WithdrawalControlTerms) -> Iterator[Check]:
    """Every bounded field: its name, its value, and whether it is within its range."""
    ids = [asset.asset for asset in terms.assets]
    yield "assets", len(ids), all(a < b for a, b in pairwise(ids))
    for asset in terms.assets:
        yield f"assets.{asset.asset}.delay_blocks", asset.delay_blocks, asset.delay_blocks <= DELAY_BLOCKS_MAX
    yield "waiting_max", terms.waiting_max, 1 <= terms.waiting_max <= DELAYED_WITHDRAWALS_MAX
    yield "waiting_per_owner_max", terms.waiting_per_owner_max, terms.waiting_per_owner_max >= 1
    yield "waiting_grace_blocks", terms.waiting_grace_blocks, 1 <= terms.waiting_grace_blocks <= DELAY_BLOCKS_MAX
    yield "deposit_hold_blocks", terms.deposit_hold_blocks, terms.deposit_hold_blocks <= DELAY_BLOCKS_MAX
    yield "stray_blocks", terms.stray_blocks, terms.stray_blocks <= DELAY_BLOCKS_MAX
