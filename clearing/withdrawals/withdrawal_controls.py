"""Withdrawal controls: a delayed withdrawal is released in time, cancelled by its owner, or called back.

Rule: at its time a withdrawal must pass the same checks as a new one, but for its size, with initial margin covered.
One that fails is tried again for as long as genesis says, and then refunded. While it waits, an account that falls
below initial margin gets back what it needs, the newest first, before it is called; an account of a defaulter gets
back everything. A token beyond its price band comes back only once it is judged, except in a default.
"""

from clearing.base.codec import u256
from clearing.base.errors import Rejected
from clearing.collateral.cash_tokens import current_asset, is_beyond_band, is_cash_group_suspended
from clearing.context.block_context import BlockContext
from clearing.context.member_status import check_member_leaving, is_in_default
from clearing.context.request_checks import check_request, use_nonce
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.withdrawals import RefundReason, WithdrawalReleased
from clearing.schema.records.withdrawals import DelayedWithdrawalRecord
from clearing.schema.requests.withdrawals import WithdrawalCancellation
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, is_certainly_margined
from clearing.state.ledger import can_hold, currency_of
from clearing.validators.observed_chains import is_chain_live
from clearing.withdrawals.deficit_reserve import (
    check_deficit_reserve,
    drop_value_withdrawn,
    equity_and_total,
    record_value_returned,
)
from clearing.withdrawals.delayed_withdrawals import remove_delayed
from clearing.withdrawals.detached_vaults import is_detaching
from clearing.withdrawals.rate_limits import drop_past_usage
from clearing.withdrawals.refunds import refund, refund_expired
from clearing.withdrawals.requests import check_can_leave

AT = "withdrawal_cancellation"


def cancel_withdrawal(context: BlockContext, _: int, request: WithdrawalCancellation) -> Rejected | None:
    """Give a withdrawal that waits back to its account, at its owner's word."""
    refusal = check_request(context, AT, request)
    if refusal is not None:
        return refusal
    waiting = context.state.delayed_withdrawals.get(request.number)
    if waiting is None or waiting.account != request.account:
        return reject(ClearingCode.NO_SUCH_WAITING_WITHDRAWAL, AT, account=request.account, number=request.number)
    if is_beyond_band(context.state, waiting.asset):
        return reject(ClearingCode.CASH_GROUP_SUSPENDED, AT, asset=waiting.asset)
    use_nonce(context, request.account, request.nonce)
    _refund_waiting(context, request.number, waiting, RefundReason.CANCELLED)
    return None


def recall_withdrawals(context: BlockContext) -> None:
    """Before calls: what waits of accounts below initial margin comes back, the newest first, until it is covered."""
    by_account: dict[int, list[tuple[int, DelayedWithdrawalRecord]]] = {}
    for number, waiting in context.state.delayed_withdrawals.ordered():
        if is_in_default(context.state, waiting.account):
            _refund_waiting(context, number, waiting, RefundReason.DEFAULT)
        elif not is_beyond_band(context.state, waiting.asset):
            by_account.setdefault(waiting.account, []).append((number, waiting))
    for account in sorted(by_account):
        queue = by_account[account]
        while queue and not _is_covered(context, account):
            _refund_waiting(context, *queue.pop(), RefundReason.MARGIN)


def recall_account_withdrawals(context: BlockContext, accounts: tuple[int, ...]) -> None:
    """Give everything back that waits of these accounts: one of them has just failed."""
    for number, waiting in list(context.state.delayed_withdrawals.ordered()):
        if waiting.account in accounts:
            _refund_waiting(context, number, waiting, RefundReason.DEFAULT)


def recall_vault_withdrawals(context: BlockContext, chain_id: int, vault: bytes) -> None:
    """Give everything back that waits for a vault which is about to pay nothing more; it was never promised there.

    A token beyond its band stays what its owner asked for: its loss is not the group's.
    """
    for number, waiting in list(context.state.delayed_withdrawals.ordered()):
        asset = context.terms.assets[waiting.asset]
        if (asset.chain_id, asset.vault) == (chain_id, vault) and not is_beyond_band(context.state, asset.id):
            _refund_waiting(context, number, waiting, RefundReason.LAPSED, int(ClearingCode.VAULT_LEAVES))


def process_delayed_withdrawals(context: BlockContext) -> None:
    """Before releases: what was not paid comes back, what has waited long enough is let go, old counts are dropped."""
    refund_expired(context)
    drop_past_usage(context)
    drop_value_withdrawn(context)
    let_go, grace = [], context.terms.genesis.crisis.gates.waiting_grace_blocks
    for number, waiting in list(context.state.delayed_withdrawals.ordered()):
        if context.block.height < waiting.due_height:
            continue
        refusal = check_withdrawal_controls(context, waiting)
        if refusal is None:
            remove_delayed(context, number, waiting, taken_back=False)
            let_go.append(_release_receipt(context, waiting))
        elif context.block.height >= waiting.due_height + grace and not is_beyond_band(context.state, waiting.asset):
            _refund_waiting(context, number, waiting, RefundReason.LAPSED, int(refusal.code))
    context.accepted_withdrawals[:0] = let_go


def check_withdrawal_controls(context: BlockContext, withdrawal: DelayedWithdrawalRecord) -> Rejected | None:
    """The gates of a withdrawal that has left its account already."""
    at, account = "withdrawal", withdrawal.account
    asset = current_asset(context.state, context.terms.assets[withdrawal.asset])
    if not can_hold(context.state, account):
        return reject(ClearingCode.UNKNOWN_ACCOUNT, at, account=account)
    if asset.is_cash and is_cash_group_suspended(context.state, asset.cash_group):
        return reject(ClearingCode.CASH_GROUP_SUSPENDED, at, cash_group=asset.cash_group)
    if not is_chain_live(context, context.terms.chains[asset.chain_id]):
        return reject(ClearingCode.CHAIN_SILENT, at, chain_id=asset.chain_id)
    if is_detaching(context.state, asset.chain_id, asset.vault):
        return reject(ClearingCode.VAULT_LEAVES, at, chain_id=asset.chain_id, vault=asset.vault)
    return (
        check_member_leaving(context, at, account)
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
    remove_delayed(context, number, withdrawal, taken_back=True)
    amount = int.from_bytes(withdrawal.amount, "big")
    before, _ = equity_and_total(context, withdrawal.account)
    refund(context, number, withdrawal.account, withdrawal.asset, amount, reason, code)
    record_value_returned(context, withdrawal.account, before, withdrawal.accepted_height)


def _release_receipt(context: BlockContext, withdrawal: DelayedWithdrawalRecord) -> WithdrawalReleased:
    asset = current_asset(context.state, context.terms.assets[withdrawal.asset])
    amount = int.from_bytes(withdrawal.amount, "big")
    return WithdrawalReleased(
        nonce=0,
        account=withdrawal.account,
        asset=asset.id,
        units=asset.to_units(amount)[0],
        chain_id=asset.chain_id,
        vault=asset.vault,
        token=asset.token,
        to=withdrawal.to,
        amount=u256(amount),
        not_after_s=(context.time_ms + context.terms.market.withdrawal_valid_ms) // 1000,
    )
