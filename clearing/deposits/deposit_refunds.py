"""Refunds of stray deposits: the vault pays a depositor back in the token's exact base units.

Rule:

1. The strays of one depositor in one token at one vault are one refund, until it is released.
2. A refund that reaches the asset's smallest refund gets a place in its vault's queue. In each block a bounded number
   is released per vault, in order of the queue: as ordinary withdrawals, which no account has.
3. When the vault did not pay one in time, and more than two thirds of the power attest so, it gets a new place. It is
   never released again before that, so it is never paid twice.
4. A vault that is being detached, is detached, or whose chain is silent, is sent nothing: its refunds stay strays.

So a depositor has one place however many deposits it makes, and a leaf of the withdrawals tree costs at least a
deposit of the smallest refund.
"""

import msgspec

from clearing.base.codec import u256
from clearing.base.units import MONEY_MAX
from clearing.collateral.cash_tokens import current_asset
from clearing.context.block_context import BlockContext
from clearing.schema.facts import DepositSeen
from clearing.schema.receipts.collateral import DepositRefundDue, DepositsRefunded
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.records.collateral import FlowAmounts
from clearing.schema.records.stray_deposits import (
    DepositRefundRecord,
    OpenRefundRecord,
    QueuedRefundRecord,
    RefundedDepositRecord,
    RefundQueueRecord,
    RefundStage,
)
from clearing.state.asset_flows import change_flow
from clearing.state.ledger import STRAY_ACCOUNT
from clearing.state.state import State
from clearing.validators.chain_attestations import is_chain_live
from clearing.withdrawals.detached_vaults import is_detaching
from clearing.withdrawals.inflow_delay import hold_refund, is_refund_held
from clearing.withdrawals.release import release_withdrawal

RELEASED_PER_BLOCK_MAX = 16
"""Limit of refunds that one vault is sent in one block."""
Vault = tuple[int, bytes]
"""(chain id, address)."""


def owe_refund(context: BlockContext, deposit: DepositSeen, reason_code: int) -> None:
    """Add a stray deposit to its depositor's refund."""
    state, vault = context.state, (deposit.chain_id, deposit.vault)
    amount = int.from_bytes(deposit.amount, "big")
    number, refund = _open_refund(state, deposit)
    refund = msgspec.structs.replace(
        refund, amount=u256(int.from_bytes(refund.amount, "big") + amount), deposits=refund.deposits + 1
    )
    if refund.stage is RefundStage.BELOW_MINIMUM and int.from_bytes(refund.amount, "big") >= smallest_refund(
        state, refund.asset
    ):
        refund = _queued(state, vault, number, refund)
    state.deposit_refunds.put((*vault, number), refund)
    state.open_refunds.put((*vault, deposit.token, deposit.depositor), OpenRefundRecord(number))
    state.refunded_deposits.put(
        (*vault, deposit.nonce), RefundedDepositRecord(reason_code, deposit.account, deposit.amount, number)
    )
    listed = state.terms.assets_by_token.get((*vault, deposit.token))
    asset = current_asset(state, listed) if listed is not None else None
    hold_refund(context, (*vault, number), deposit.depositor, asset, amount)
    context.receipts.append(DepositRefundDue(*vault, deposit.nonce, number))


def smallest_refund(state: State, asset: int) -> int:
    """Token base units; 1 for a token that is not listed or has no minimum."""
    for limits in state.terms.genesis.crisis.gates.assets:
        if limits.asset == asset:
            return max(state.terms.assets[asset].to_amount(limits.refund_units_min), 1)
    return 1


def _open_refund(state: State, deposit: DepositSeen) -> tuple[int, DepositRefundRecord]:
    """(number, refund) that this deposit becomes part of; a new one where none is open or the sum would not fit."""
    vault = deposit.chain_id, deposit.vault
    opened = state.open_refunds.get((*vault, deposit.token, deposit.depositor))
    if opened is not None:
        refund = state.deposit_refunds[*vault, opened.refund]
        if int.from_bytes(refund.amount, "big") + int.from_bytes(deposit.amount, "big") < 2**256:
            return opened.refund, refund
    queue = state.refund_queues.get(vault) or RefundQueueRecord()
    state.refund_queues.put(vault, msgspec.structs.replace(queue, refunds=queue.refunds + 1))
    asset = state.terms.assets_by_token.get((*vault, deposit.token))
    return queue.refunds + 1, DepositRefundRecord(
        asset=asset.id if asset else 0,
        token=deposit.token,
        depositor=deposit.depositor,
        amount=u256(0),
        deposits=0,
        stage=RefundStage.BELOW_MINIMUM,
    )


def _queued(state: State, vault: Vault, number: int, refund: DepositRefundRecord) -> DepositRefundRecord:
    """The refund with the last place of its vault's queue."""
    queue = state.refund_queues.get(vault) or RefundQueueRecord()
    state.queued_refunds.put((*vault, queue.next_place), QueuedRefundRecord(number))
    state.refund_queues.put(vault, msgspec.structs.replace(queue, next_place=queue.next_place + 1))
    return msgspec.structs.replace(refund, stage=RefundStage.QUEUED, place=queue.next_place)


def release_refunds(context: BlockContext) -> None:
    """Phase 12, after the withdrawals of accounts: release the first refunds of every vault that can pay."""
    for chain in context.terms.chains.values():
        vault = chain.chain_id, chain.vault
        if is_chain_live(context, chain) and not is_detaching(context.state, *vault):
            for _ in range(RELEASED_PER_BLOCK_MAX):
                queue = context.state.refund_queues.get(vault)
                if queue is None or queue.first_place == queue.next_place or _is_first_held(context, vault, queue):
                    break
                _release_first(context, vault, queue)


def _is_first_held(context: BlockContext, vault: Vault, queue: RefundQueueRecord) -> bool:
    """Whether the first refund of the queue waits as large inflow. Those behind it came later, and wait with it."""
    number = context.state.queued_refunds[*vault, queue.first_place].refund
    return is_refund_held(context, (*vault, number))


def _release_first(context: BlockContext, vault: Vault, queue: RefundQueueRecord) -> None:
    state, place = context.state, (*vault, queue.first_place)
    number = state.queued_refunds[place].refund
    state.queued_refunds.remove(place)
    state.refund_queues.put(vault, msgspec.structs.replace(queue, first_place=queue.first_place + 1))
    refund = state.deposit_refunds[*vault, number]
    nonce = release_withdrawal(context, _withdrawal(context, vault, refund), deposit_refund=number)
    state.deposit_refunds.put(
        (*vault, number), msgspec.structs.replace(refund, stage=RefundStage.RELEASED, withdrawal=nonce)
    )
    opened = state.open_refunds.get((*vault, refund.token, refund.depositor))
    if opened is not None and opened.refund == number:
        state.open_refunds.remove((*vault, refund.token, refund.depositor))
    amount = int.from_bytes(refund.amount, "big")
    change_flow(state, (*vault, refund.token), FlowAmounts(released=amount, stray=-amount, refunding=amount))
    context.receipts.append(
        DepositsRefunded(
            chain_id=vault[0],
            vault=vault[1],
            refund=number,
            token=refund.token,
            depositor=refund.depositor,
            amount=refund.amount,
            deposits=refund.deposits,
            withdrawal=nonce,
        )
    )


def _withdrawal(context: BlockContext, vault: Vault, refund: DepositRefundRecord) -> WithdrawalReleased:
    """What the vault is to pay; the nonce is given at the release."""
    asset, amount = context.terms.assets.get(refund.asset), int.from_bytes(refund.amount, "big")
    return WithdrawalReleased(
        nonce=0,
        account=STRAY_ACCOUNT,
        asset=refund.asset,
        units=min(asset.to_units(amount)[0], MONEY_MAX) if asset else 0,
        chain_id=vault[0],
        vault=vault[1],
        token=refund.token,
        to=refund.depositor,
        amount=refund.amount,
        not_after_s=(context.time_ms + context.terms.market.withdrawal_valid_ms) // 1000,
    )


def confirm_refund(state: State, nonce: int) -> None:
    """A withdrawal was paid: where it refunds deposits, the refund is over."""
    released = state.withdrawals[nonce]
    if released.deposit_refund:
        key = released.chain_id, released.vault, released.deposit_refund
        state.deposit_refunds.put(key, msgspec.structs.replace(state.deposit_refunds[key], stage=RefundStage.PAID))
        amount = int.from_bytes(released.amount, "big")
        change_flow(state, (released.chain_id, released.vault, released.token), FlowAmounts(refunding=-amount))


def queue_refund_again(state: State, nonce: int) -> None:
    """A withdrawal was not and will not be paid: deposits that it refunds are strays again, with a new place."""
    released = state.withdrawals[nonce]
    if released.deposit_refund:
        vault, number = (released.chain_id, released.vault), released.deposit_refund
        state.deposit_refunds.put(
            (*vault, number), _queued(state, vault, number, state.deposit_refunds[*vault, number])
        )
        state.unpaid_withdrawals.remove(nonce)
        amount = int.from_bytes(released.amount, "big")
        change_flow(state, (*vault, released.token), FlowAmounts(released=-amount, stray=amount, refunding=-amount))
