"""Delayed withdrawals: each is released in time, cancelled by its owner, or recalled.

Rule:

1. At its time a withdrawal must pass the checks of a new one, except for its size, with initial margin covered. One
   that fails is tried again for the grace period of genesis, and then refunded.
2. While it is delayed, an account that falls below initial margin is refunded what it needs, newest first, before it is
   called. An account of a defaulter is refunded everything.
3. A token beyond its price band is refunded only when it is back or has left, except in a default.
"""

from clearing.base.errors import Rejected
from clearing.collateral.cash_tokens import current_asset, is_beyond_band
from clearing.context.block_context import BlockContext
from clearing.context.member_status import check_member_leaving, is_in_default
from clearing.context.request_checks import check_request, use_nonce
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.withdrawals import RefundReason, WithdrawalReleased
from clearing.schema.records.withdrawals import DelayedWithdrawalRecord
from clearing.schema.requests.withdrawals import WithdrawalCancellation
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, is_certainly_margined
from clearing.state.ledger import can_hold, currency_of
from clearing.withdrawals.deficit_reserve import (
    check_deficit_reserve,
    drop_value_withdrawn,
    equity_and_total,
    record_value_returned,
)
from clearing.withdrawals.delay_queue import remove_delayed
from clearing.withdrawals.inflow_delay import drop_ended_inflows
from clearing.withdrawals.permission import check_can_leave, check_way_out, release_receipt
from clearing.withdrawals.rate_limits import drop_past_usage
from clearing.withdrawals.refunds import refund, refund_expired

AT = "withdrawal_cancellation"


def cancel_withdrawal(context: BlockContext, _: int, request: WithdrawalCancellation) -> Rejected | None:
    """Cancel a delayed withdrawal and refund it to its account, at its owner's request."""
    refusal = check_request(context, AT, request)
    if refusal is not None:
        return refusal
    withdrawal = context.state.delayed_withdrawals.get(request.number)
    if withdrawal is None or withdrawal.account != request.account:
        return reject(ClearingCode.NO_SUCH_WAITING_WITHDRAWAL, AT, account=request.account, number=request.number)
    if is_beyond_band(context.state, withdrawal.asset):
        return reject(ClearingCode.CASH_GROUP_SUSPENDED, AT, asset=withdrawal.asset)
    use_nonce(context, request.account, request.nonce)
    _refund_waiting(context, request.number, withdrawal, RefundReason.CANCELLED)
    return None


def recall_withdrawals(context: BlockContext) -> None:
    """Before calls: refund delayed withdrawals of accounts below initial margin, newest first, until it is covered."""
    by_account: dict[int, list[tuple[int, DelayedWithdrawalRecord]]] = {}
    for number, withdrawal in context.state.delayed_withdrawals.ordered():
        if is_in_default(context.state, withdrawal.account):
            _refund_waiting(context, number, withdrawal, RefundReason.DEFAULT)
        elif not is_beyond_band(context.state, withdrawal.asset):
            by_account.setdefault(withdrawal.account, []).append((number, withdrawal))
    for account in sorted(by_account):
        queue = by_account[account]
        while queue and not _is_covered(context, account):
            _refund_waiting(context, *queue.pop(), RefundReason.MARGIN)


def recall_account_withdrawals(context: BlockContext, accounts: tuple[int, ...]) -> None:
    """Refund all delayed withdrawals of these accounts: one of them has just failed."""
    for number, withdrawal in list(context.state.delayed_withdrawals.ordered()):
        if withdrawal.account in accounts:
            _refund_waiting(context, number, withdrawal, RefundReason.DEFAULT)


def recall_cash_withdrawals(context: BlockContext, group: int) -> None:
    """Refund all delayed withdrawals of a cash group: its claims are about to be cut, and these are claims, too."""
    for number, withdrawal in list(context.state.delayed_withdrawals.ordered()):
        asset = current_asset(context.state, context.terms.assets[withdrawal.asset])
        if asset.is_cash and asset.cash_group == group:
            _refund_waiting(context, number, withdrawal, RefundReason.DEFAULT)


def recall_vault_withdrawals(context: BlockContext, chain_id: int, vault: bytes) -> None:
    """Refund all delayed withdrawals to a vault that is about to be detached; they were never released to it.

    A withdrawal of a token beyond its band is not refunded: its loss is not the group's.
    """
    for number, withdrawal in list(context.state.delayed_withdrawals.ordered()):
        asset = context.terms.assets[withdrawal.asset]
        if (asset.chain_id, asset.vault) == (chain_id, vault) and not is_beyond_band(context.state, asset.id):
            _refund_waiting(context, number, withdrawal, RefundReason.LAPSED, int(ClearingCode.VAULT_LEAVES))


def process_delayed_withdrawals(context: BlockContext) -> None:
    """Before releases: refund what was not paid, release what was delayed long enough, delete old usage."""
    refund_expired(context)
    drop_past_usage(context)
    drop_value_withdrawn(context)
    drop_ended_inflows(context)
    released, grace = [], context.terms.genesis.crisis.gates.waiting_grace_blocks
    for number, withdrawal in list(context.state.delayed_withdrawals.ordered()):
        if context.block.height < withdrawal.due_height:
            continue
        refusal = _check_withdrawal_controls(context, withdrawal)
        if refusal is None:
            remove_delayed(context, number, withdrawal, refunded=False)
            released.append(_release_receipt(context, withdrawal))
        elif context.block.height >= withdrawal.due_height + grace and not is_beyond_band(
            context.state, withdrawal.asset
        ):
            _refund_waiting(context, number, withdrawal, RefundReason.LAPSED, int(refusal.code))
    context.accepted_withdrawals[:0] = released


def _check_withdrawal_controls(context: BlockContext, withdrawal: DelayedWithdrawalRecord) -> Rejected | None:
    """The checks of a withdrawal that has left its account already."""
    at, account = "withdrawal", withdrawal.account
    asset = current_asset(context.state, context.terms.assets[withdrawal.asset])
    if not can_hold(context.state, account):
        return reject(ClearingCode.UNKNOWN_ACCOUNT, at, account=account)
    return (
        check_way_out(context, at, asset)
        or check_member_leaving(context, at, account)
        or check_can_leave(context, at, account, currency_of(asset), 0)
        or check_deficit_reserve(context, at, account)
    )


def _is_covered(context: BlockContext, account: int) -> bool:
    holdings, arrays = current_holdings(context.state, account), current_arrays(context.state)
    if not any(holdings.lots) and all(claim >= 0 for claim in holdings.cash):
        return True
    return is_certainly_margined(arrays, holdings) or holdings_margin(arrays, holdings).initial_ok


def _refund_waiting(
    context: BlockContext, number: int, withdrawal: DelayedWithdrawalRecord, reason: RefundReason, code: int = 0
) -> None:
    remove_delayed(context, number, withdrawal, refunded=True)
    amount = int.from_bytes(withdrawal.amount, "big")
    before, _ = equity_and_total(context, withdrawal.account)
    refund(context, number, withdrawal.account, withdrawal.asset, amount, reason, code)
    record_value_returned(context, withdrawal.account, before, withdrawal.accepted_height)


def _release_receipt(context: BlockContext, withdrawal: DelayedWithdrawalRecord) -> WithdrawalReleased:
    asset = current_asset(context.state, context.terms.assets[withdrawal.asset])
    amount = int.from_bytes(withdrawal.amount, "big")
    return release_receipt(context, asset, withdrawal.account, asset.to_units(amount)[0], withdrawal.to, amount)
