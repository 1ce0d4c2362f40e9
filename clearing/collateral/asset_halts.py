"""Halts of an asset: the vault was proven to have less of the token than it accounts for.

Rule: the trouble of one token stays that token's.

1. The halt begins when more than two thirds of the power agree on counters that the vault's balance does not cover.
2. Meanwhile no deposit of the asset is credited, no loan is made against one, and no withdrawal of it is accepted or
   released. Every other asset goes on, at the same vault and in the same cash group.
3. Existing rules bear the loss, in the block of the counters. A cash token with a depeg guard leaves its group, so that
   speed does not decide who is left with it. A collateral token loses the missing share of its value by its haircut.
4. The halt never ends by itself. A vote ends it, once newer counters are covered.

This module must not know how counters were observed.
"""

from clearing.base.errors import Rejected
from clearing.collateral.cash_tokens import has_left_cash_group, leave_cash_group
from clearing.collateral.haircut_rates import chain_silence_ms, take_shortage
from clearing.context.block_context import BlockContext
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.facts import CustodySeen
from clearing.schema.receipts.collateral import AssetHalted, AssetReleased
from clearing.schema.records.collateral import AssetHaltRecord
from clearing.schema.terms.assets import Asset
from clearing.state.asset_halts import is_asset_halted, missing_amount
from clearing.state.state import State


def judge_counters(context: BlockContext, listed: Asset, counters: CustodySeen) -> None:
    """Halt an asset of genesis on newly agreed counters that its vault's balance does not cover; of a halted one, count
    what is missing by them."""
    if missing_amount(counters) and not is_asset_halted(context.state, listed.id):
        _halt(context, listed, counters)
    if is_asset_halted(context.state, listed.id):
        take_shortage(context, listed.id)


def _halt(context: BlockContext, listed: Asset, counters: CustodySeen) -> None:
    context.state.asset_halts.put(listed.id, AssetHaltRecord(context.block.height, counters))
    context.receipts.append(
        AssetHalted(listed.id, counters.block_number, counters.deposited, counters.withdrawn, counters.balance)
    )
    if listed.has_depeg_guard and not has_left_cash_group(context.state, listed.id):
        leave_cash_group(context, listed, 0, chain_silence_ms(context.state, listed.chain_id))


def check_not_halted(state: State, at: str, asset: int) -> Rejected | None:
    """Whether an asset is not halted."""
    halt = state.asset_halts.get(asset)
    if halt is None:
        return None
    missing = missing_amount(state.custody[asset].counters)
    return reject(ClearingCode.ASSET_HALTED, at, asset=asset, since_height=halt.since_height, missing=missing)


def check_release(state: State, at: str, asset: int) -> Rejected | None:
    """Whether a vote may release the asset: it is halted, and its newest agreed counters are covered."""
    if not is_asset_halted(state, asset):
        return reject(ClearingCode.HALT_REFUSED, at, asset=asset, why="it is not halted")
    if missing := missing_amount(state.custody[asset].counters):
        return reject(ClearingCode.HALT_REFUSED, at, asset=asset, missing=missing)
    return None


def release_asset(context: BlockContext, asset: int) -> None:
    """End the halt of an asset. The caller has checked it."""
    context.state.asset_halts.remove(asset)
    context.receipts.append(AssetReleased(asset))
