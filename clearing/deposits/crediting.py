"""Crediting: whether a deposit can be credited to the account that it names, and the transfer that credits it.

Rule: the account must exist, and the asset's cap leave room. A deposit is credited in whole clearing units, rounded
down, and pays or receives the skew fee. This module must not know how a deposit was agreed on, nor how long it waited.
"""

from clearing.collateral.skew import settle_skew_fee, skew_fee
from clearing.context.block_context import BlockContext
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import DepositSeen
from clearing.schema.receipts.collateral import DepositCredited
from clearing.schema.terms.assets import Asset
from clearing.schema.transfers import TransferCode
from clearing.state.asset_halts import is_asset_halted
from clearing.state.ledger import can_hold, currency_of, external_account, inventory_units
from clearing.withdrawals.inflow_delay import record_inflow
from clearing.withdrawals.refunds import refundable_units


def deposit_units(asset: Asset, deposit: DepositSeen) -> tuple[int, int]:
    """(clearing units, dust in base units) of a deposit of this asset."""
    return asset.to_units(int.from_bytes(deposit.amount, "big"))


def deposit_room(context: BlockContext, asset: Asset) -> int:
    """Clearing units that deposits may still add under the asset's cap. Negative where a vote lowered the cap, and 0
    while the asset is halted."""
    if is_asset_halted(context.state, asset.id):
        return 0
    return asset.cap_units - inventory_units(context.state, asset) - refundable_units(context, asset)


def why_not_credited(context: BlockContext, asset: Asset, deposit: DepositSeen) -> ClearingCode | None:
    """Why an asset's deposit cannot be credited now, or None."""
    if not can_hold(context.state, deposit.account):
        return ClearingCode.DEPOSIT_TO_UNKNOWN_ACCOUNT
    if is_asset_halted(context.state, asset.id):
        return ClearingCode.ASSET_HALTED
    if deposit_units(asset, deposit)[0] > deposit_room(context, asset):
        return ClearingCode.DEPOSIT_ABOVE_CAP
    return None


def credit_deposit(context: BlockContext, asset: Asset, deposit: DepositSeen) -> None:
    """Credit a deposit, with a receipt. The caller has checked it."""
    account, (units, dust) = deposit.account, deposit_units(asset, deposit)
    fee = skew_fee(context, asset, units) if asset.is_cash else 0
    context.journal.transfer(
        external_account(asset.id), account, currency_of(asset), units, TransferCode.DEPOSIT, deposit.nonce
    )
    context.touched_accounts.add(account)
    context.receipts.append(
        DepositCredited(deposit.chain_id, deposit.vault, deposit.nonce, asset.id, account, units, dust, deposit.source)
    )
    settle_skew_fee(context, account, asset, units, fee, deposit.nonce)
    record_inflow(context, account, deposit.chain_id, asset, units)
