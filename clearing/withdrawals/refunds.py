"""Refunds of withdrawals: cancelled and refused ones, and expired ones that their vault did not pay.

Rule: a refund is the exact reverse of acceptance: the ledger owes again, in the asset's present units, rounded down,
and the skew fee is that of a deposit. A vault pays nothing after a withdrawal's deadline: its not-after, and what
pauses of the vault add to it, which the vault alone knows. The money is refunded, once, only when more than two thirds
of the power attest that it was not paid. Time alone refunds nothing. The first agreed fact, executed or not executed,
excludes the other.
"""

from collections.abc import Iterable, Iterator

import msgspec

from clearing.base.errors import Bug
from clearing.collateral.cash_tokens import current_asset, is_beyond_band
from clearing.collateral.skew import settle_skew_fee, skew_fee
from clearing.context.block_context import BlockContext
from clearing.schema.facts import EXECUTED, NOT_EXECUTED, WithdrawalNotExecuted, fact_key
from clearing.schema.receipts.withdrawals import RefundReason, WithdrawalExpired, WithdrawalRefunded
from clearing.schema.records.collateral import Attestation, FlowAmounts
from clearing.schema.records.withdrawals import ExpiredWithdrawalRecord, RefundDueRecord
from clearing.schema.terms.assets import Asset
from clearing.schema.transfers import TransferCode
from clearing.state.asset_flows import asset_flow, change_flow
from clearing.state.ledger import SUSPENSE_ACCOUNT, can_hold, currency_of, external_account, inventory_units
from clearing.state.state import State
from clearing.validators.chain_attestations import add_attestation, agreed_power


def count_released_amount(context: BlockContext, asset: Asset, amount: int) -> None:
    """Count `amount` base units released to the vault; negative: refunded."""
    token = asset.chain_id, asset.vault, asset.token
    if asset_flow(context.state, token).released + amount < 0:
        raise Bug(f"more of asset {asset.name} came back than was ever released")
    change_flow(context.state, token, FlowAmounts(released=amount))


def _has_cap_room(context: BlockContext, asset: Asset, units: int) -> bool:
    """Whether the ledger may owe this much more of an asset."""
    return inventory_units(context.state, asset) + units <= asset.cap_units


def refundable_units(context: BlockContext, asset: Asset) -> int:
    """Units debited from the ledger that may be refunded: deposits may not use this room under the asset's cap.

    Delayed withdrawals; where expired withdrawals are refunded, everything that the vault was not observed to have
    paid, except for refunds of deposits, which do not come back to the ledger. Rounded up.
    """
    if context.terms.genesis.crisis.gates.give_back_expired:
        flow = asset_flow(context.state, (asset.chain_id, asset.vault, asset.token))
        custody = context.state.custody.get(asset.id)
        paid = int.from_bytes(custody.counters.withdrawn, "big") if custody else 0
        return -(-max(flow.released - flow.refunding - paid, 0) // asset.base_units)
    waiting = sum(
        int.from_bytes(withdrawal.amount, "big")
        for _, withdrawal in context.state.delayed_withdrawals.ordered()
        if withdrawal.asset == asset.id
    )
    return -(-waiting // asset.base_units)


def refund(
    context: BlockContext, number: int, account: int, asset_id: int, amount: int, reason: RefundReason, code: int = 0
) -> WithdrawalRefunded:
    """Credit `amount` base units again, with a receipt."""
    asset = current_asset(context.state, context.terms.assets[asset_id])
    units, remainder = asset.to_units(amount)
    known = can_hold(context.state, account)
    credited = account if known else SUSPENSE_ACCOUNT
    fee = skew_fee(context, asset, units) if asset.is_cash else 0
    transfer = TransferCode.UNPAID_GIVEN_BACK if reason is RefundReason.NOT_PAID else TransferCode.WAITING_GIVEN_BACK
    count_released_amount(context, asset, -amount)
    context.journal.transfer(external_account(asset_id), credited, currency_of(asset), units, transfer, number)
    settle_skew_fee(context, credited, asset, units, fee if known else max(fee, 0), number)
    context.touched_accounts.add(credited)
    receipt = WithdrawalRefunded(number, account, credited, asset_id, units, remainder, reason, code)
    context.receipts.append(receipt)
    return receipt


REFUNDS_PER_BLOCK = 64


def is_withdrawal_open(state: State, nonce: int) -> bool:
    """Whether the outcome of a released withdrawal is still unknown."""
    released = state.withdrawals.get(nonce)
    return released is not None and not released.executed and nonce not in state.expired_withdrawals


def open_withdrawals(state: State) -> Iterator[int]:
    """Nonces of the released withdrawals whose outcome is still unknown, ascending.

    Linear in the unpaid ones: not for block processing.
    """
    return (nonce for nonce, _ in state.unpaid_withdrawals.ordered() if is_withdrawal_open(state, nonce))


def may_expire(state: State, nonce: int) -> bool:
    """Whether a withdrawal comes back when its vault does not pay in time: by genesis, and always to a depositor."""
    return state.terms.genesis.crisis.gates.give_back_expired or bool(state.withdrawals[nonce].deposit_refund)


def expired_withdrawals(state: State, chain_id: int, nonces: Iterable[int]) -> Iterator[tuple[int, int]]:
    """(nonce, not-after in seconds) of a chain's open withdrawals that may come back, and whose not-after has passed in
    block time."""
    for nonce in nonces:
        released = state.withdrawals[nonce]
        expired = released.not_after_s * 1000 < state.now.time_ms
        if released.chain_id == chain_id and expired and is_withdrawal_open(state, nonce) and may_expire(state, nonce):
            yield nonce, released.not_after_s


def is_expiry_attestable(state: State, fact: WithdrawalNotExecuted) -> bool:
    """Whether an attestation of this fact counts: an open withdrawal of this vault, and a block after its not-after."""
    if not is_withdrawal_open(state, fact.nonce) or not may_expire(state, fact.nonce):
        return False
    released = state.withdrawals[fact.nonce]
    ours = (released.chain_id, released.vault, released.not_after_s)
    return ours == (fact.chain_id, fact.vault, fact.not_after_s) and fact.block_time_s > released.not_after_s


def count_expiry_attestation(context: BlockContext, attestation: Attestation, fact: WithdrawalNotExecuted) -> bool:
    """Store one validator's attestation. True when a quorum now agrees: the withdrawal was not and will not be paid.

    One that left an account is due for a refund to it. The caller queues the refund of a deposit again.
    """
    if not is_expiry_attestable(context.state, fact):
        return False
    key = fact_key(fact)
    attestations = add_attestation(context.state.fact_attestations.get(key), attestation)
    if agreed_power(attestations, fact) * 3 <= context.block.total_power * 2:
        context.state.fact_attestations.put(key, attestations)
        return False
    drop_withdrawal_attestations(context, fact.chain_id, fact.vault, fact.nonce)
    agreed = ExpiredWithdrawalRecord(fact.block_number, fact.block_hash, fact.block_time_s, context.block.height)
    context.state.expired_withdrawals.put(fact.nonce, agreed)
    released = context.state.withdrawals[fact.nonce]
    if not released.deposit_refund:
        context.state.refunds_due.put(fact.nonce, RefundDueRecord(released.asset))
    context.receipts.append(
        WithdrawalExpired(
            nonce=fact.nonce,
            chain_id=fact.chain_id,
            vault=fact.vault,
            not_after_s=fact.not_after_s,
            block_number=fact.block_number,
            block_hash=fact.block_hash,
            block_time_s=fact.block_time_s,
        )
    )
    return True


def drop_withdrawal_attestations(context: BlockContext, chain_id: int, vault: bytes, nonce: int) -> None:
    """Once either fact on a withdrawal is agreed, delete the attestations of both."""
    for kind in (EXECUTED, NOT_EXECUTED):
        if (kind, chain_id, vault, nonce) in context.state.fact_attestations:
            context.state.fact_attestations.remove((kind, chain_id, vault, nonce))


def refund_expired(context: BlockContext) -> None:
    """Refund what is due, oldest first, a bounded number per block.

    A token beyond its price band waits until it is back or has left. A refund without room under its asset's cap waits
    for room.
    """
    refunded = 0
    for nonce, due in context.state.refunds_due.ordered():
        if refunded == REFUNDS_PER_BLOCK:
            return
        released, asset = (
            context.state.withdrawals[nonce],
            current_asset(context.state, context.terms.assets[due.asset]),
        )
        amount = int.from_bytes(released.amount, "big")
        if is_beyond_band(context.state, asset.id) or not _has_cap_room(context, asset, asset.to_units(amount)[0]):
            continue
        refunded += 1
        context.state.refunds_due.remove(nonce)
        agreed = context.state.expired_withdrawals[nonce]
        context.state.expired_withdrawals.put(
            nonce, msgspec.structs.replace(agreed, refunded_height=context.block.height)
        )
        context.state.unpaid_withdrawals.remove(nonce)
        refund(context, nonce, released.account, asset.id, amount, RefundReason.NOT_PAID)
