"""What genesis says about what holds back withdrawals: rates, delays, deficits.

Rule: data only, integers, and every default is "off": a genesis that leaves these fields out behaves as if they were
not there. It must not know balances or prices.
"""

from collections.abc import Iterator
from itertools import pairwise

from clearing.base.codec import U32, U63, Wire
from clearing.schema.terms.collateral import Check

DELAYED_WITHDRAWALS_MAX = 4_096
"""Every block looks at all withdrawals that wait."""

DELAY_BLOCKS_MAX = 2**31
"""Spans in blocks are added to heights: the sum stays far inside 63 bits."""


class AssetWithdrawalLimits(Wire, frozen=True):
    """Limits on one asset, in its clearing units of genesis, each for a window of `market.epoch_blocks` blocks.

    An owner is whoever's key signs for the money: accounts with the same key count as one, or a limit could be had as
    often as there are accounts.
    """

    asset: U32
    owner_units_max: U63 = 0
    """What one owner may withdraw in a window; 0: no limit."""
    window_units_max: U63 = 0
    """What all may withdraw in a window; 0: no limit."""
    delay_above_units: U63 = 0
    """What one owner may withdraw in a window without a delay: what goes beyond it waits."""
    delay_blocks: U32 = 0
    """How long; 0: nothing waits."""


class WithdrawalControlTerms(Wire, frozen=True):
    """Of what holds back withdrawals: rates, delays, deficits."""

    assets: tuple[AssetWithdrawalLimits, ...] = ()
    """Ordered by asset."""
    waiting_max: U32 = 1_024
    """Withdrawals that wait at a time, of all."""
    waiting_per_owner_max: U32 = 16
    waiting_grace_blocks: U32 = 1_000
    """For how long after its time a withdrawal that does not pass its gates is tried; then it is given back."""
    deficit_reserve: bool = False
    """Whether who withdraws has to leave its part of what deficits may still cost."""
    give_back_expired: bool = False
    """Whether withdrawals that the vault did not pay in time are given back, on the agreed fact that it did not."""
    deposit_hold_blocks: U32 = 0
    """For how many blocks from an epoch's boundary on deposits wait that custody evidence has not reached, so that the
    epoch can close under a stream of deposits; 0: none wait."""


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
