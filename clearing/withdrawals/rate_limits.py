"""Rate limits: how much of an asset may leave in a window of blocks, per owner and in total, and what is delayed.

Rule: windows are counted in blocks, so nobody can stretch one. An owner is the key that signs for the money, so
accounts with one key count together. A cancellation in the same window reduces the count. It moves no money.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.base.units import MONEY_MAX
from clearing.context.block_context import BlockContext
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.records.withdrawals import WithdrawalVolumeRecord
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits


def withdrawal_limits(context: BlockContext, asset: int) -> AssetWithdrawalLimits | None:
    """The limits on an asset, where genesis has any."""
    return next((limits for limits in context.terms.genesis.crisis.gates.assets if limits.asset == asset), None)


def _limit_window(context: BlockContext) -> int:
    """The number of this block's window."""
    return context.block.height // context.terms.market.epoch_blocks


def usage_in_window(window: int, usage: WithdrawalVolumeRecord | None) -> WithdrawalVolumeRecord:
    """The record, if it is of this window; otherwise an empty one."""
    return usage if usage is not None and usage.window == window else WithdrawalVolumeRecord(window, 0)


def owner_usage(context: BlockContext, asset: int, owner: bytes) -> WithdrawalVolumeRecord:
    """What an owner withdrew of an asset in this window."""
    return usage_in_window(_limit_window(context), context.state.owner_withdrawal_volumes.get((asset, owner)))


def _total_usage(context: BlockContext, asset: int) -> WithdrawalVolumeRecord:
    """What all withdrew of an asset in this window."""
    return usage_in_window(_limit_window(context), context.state.total_withdrawal_volumes.get(asset))


def in_genesis_units(context: BlockContext, asset: Asset, units: int) -> int:
    """Limits are in the units of genesis, also for a token that left its group and has coarser units."""
    return units * (asset.base_units // context.terms.assets[asset.id].base_units)


def check_withdrawal_rate(
    context: BlockContext, at: str, limits: AssetWithdrawalLimits, owner: bytes, units: int
) -> Rejected | None:
    """Whether `units` more may be withdrawn in this window."""
    rules = (
        ("owner", limits.owner_units_max, owner_usage(context, limits.asset, owner).units),
        ("all", limits.window_units_max, _total_usage(context, limits.asset).units),
    )
    for of, limit, used in rules:
        if limit and used + units > limit:
            opens = (_limit_window(context) + 1) * context.terms.market.epoch_blocks
            return reject(
                ClearingCode.RATE_LIMIT, at, of=of, asset=limits.asset, units=units, used=used, limit=limit, opens=opens
            )
    return None


def must_be_delayed(context: BlockContext, limits: AssetWithdrawalLimits, owner: bytes, units: int) -> bool:
    """Whether these units would raise the owner's undelayed withdrawals above the threshold."""
    if not limits.delay_blocks:
        return False
    return owner_usage(context, limits.asset, owner).undelayed_units + units > limits.delay_above_units


def record_usage(
    context: BlockContext, limits: AssetWithdrawalLimits, owner: bytes, units: int, *, prompt: bool
) -> None:
    """Count an accepted withdrawal."""
    own, whole = owner_usage(context, limits.asset, owner), _total_usage(context, limits.asset)
    prompt_units = own.undelayed_units + (units if prompt else 0)
    counted = WithdrawalVolumeRecord(own.window, min(own.units + units, MONEY_MAX), min(prompt_units, MONEY_MAX))
    context.state.owner_withdrawal_volumes.put((limits.asset, owner), counted)
    context.state.total_withdrawal_volumes.put(
        limits.asset, WithdrawalVolumeRecord(whole.window, min(whole.units + units, MONEY_MAX))
    )


def cancel_usage(context: BlockContext, limits: AssetWithdrawalLimits, owner: bytes, units: int, window: int) -> None:
    """Uncount a withdrawal accepted in `window` and refunded, while that window lasts."""
    if window != _limit_window(context):
        return
    own, whole = owner_usage(context, limits.asset, owner), _total_usage(context, limits.asset)
    context.state.owner_withdrawal_volumes.put(
        (limits.asset, owner), msgspec.structs.replace(own, units=max(own.units - units, 0))
    )
    context.state.total_withdrawal_volumes.put(
        limits.asset, msgspec.structs.replace(whole, units=max(whole.units - units, 0))
    )


def drop_past_usage(context: BlockContext) -> None:
    """At the start of a window, delete the owners' usage of earlier windows."""
    if context.block.height % context.terms.market.epoch_blocks:
        return
    window = _limit_window(context)
    for key in [key for key, used in context.state.owner_withdrawal_volumes.ordered() if used.window != window]:
        context.state.owner_withdrawal_volumes.remove(key)
