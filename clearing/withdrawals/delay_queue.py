"""The queue of delayed withdrawals: adding, finding and removing.

Rule: a delayed withdrawal has left its account, so it can neither be spent twice nor count as collateral. It is still
owed to the account: as released in custody terms, as the account's own in the exit tree. The queue is bounded, in total
and per owner, and one member's withdrawals cannot exclude those of others.
"""

from collections import Counter

from clearing.base.codec import u256
from clearing.base.errors import Rejected
from clearing.context.block_context import BlockContext
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.withdrawals import WithdrawalDelayed
from clearing.schema.records.withdrawals import DelayedWithdrawalCounter, DelayedWithdrawalRecord
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from clearing.state.state import State
from clearing.withdrawals.rate_limits import cancel_usage, owner_usage, withdrawal_limits


def check_delay_queue(context: BlockContext, at: str, account: int, owner: bytes) -> Rejected | None:
    """Whether the queue accepts one more withdrawal of this owner.

    Half of the queue is reserved for the members in equal parts. Keys cost nothing, so otherwise a member with many
    clients could fill it and exclude everybody else's larger withdrawals.
    """
    terms, accounts = context.terms.genesis.crisis.gates, context.state.accounts
    queue = [withdrawal for _, withdrawal in context.state.delayed_withdrawals.ordered()]
    own = sum(withdrawal.owner == owner for withdrawal in queue)
    members = Counter(accounts[withdrawal.account].member for withdrawal in queue if withdrawal.account in accounts)
    member_count = sum(1 for _ in context.state.members.ordered())
    fair_share = terms.waiting_max // (2 * member_count)
    own_member = members.pop(accounts[account].member, 0)
    reserved = fair_share * (member_count - 1) - sum(min(member, fair_share) for member in members.values())
    limit = terms.waiting_max if own_member < fair_share else terms.waiting_max - reserved
    if len(queue) >= limit or own >= terms.waiting_per_owner_max:
        return reject(
            ClearingCode.WITHDRAWALS_WAITING_FULL,
            at,
            waiting=len(queue),
            limit=limit,
            own=own,
            own_limit=terms.waiting_per_owner_max,
        )
    return None


def delay_withdrawal(
    context: BlockContext,
    limits: AssetWithdrawalLimits,
    owner: bytes,
    account: int,
    asset: Asset,
    units: int,
    to: bytes,
    nonce: int,
) -> None:
    """Add a withdrawal to the queue, with a receipt. Its money has left the account already."""
    clock = context.state.delayed_withdrawal_counter.get(0)
    number = clock.next_number if clock else 0
    due = context.block.height + limits.delay_blocks
    used = owner_usage(context, limits.asset, owner)
    context.state.delayed_withdrawal_counter.put(0, DelayedWithdrawalCounter(number + 1))
    context.state.delayed_withdrawals.put(
        number,
        DelayedWithdrawalRecord(
            account=account,
            asset=asset.id,
            units=units,
            to=to,
            amount=u256(asset.to_amount(units)),
            nonce=nonce,
            owner=owner,
            accepted_height=context.block.height,
            due_height=due,
        ),
    )
    context.receipts.append(
        WithdrawalDelayed(
            number=number,
            account=account,
            asset=asset.id,
            units=units,
            to=to,
            nonce=nonce,
            due_height=due,
            window=used.window,
            undelayed_units=used.undelayed_units,
            threshold=limits.delay_above_units,
        )
    )


def remove_delayed(context: BlockContext, number: int, withdrawal: DelayedWithdrawalRecord, *, refunded: bool) -> None:
    """Remove a withdrawal from the queue. A refunded one no longer counts against the window's limits."""
    context.state.delayed_withdrawals.remove(number)
    gate = withdrawal_limits(context, withdrawal.asset)
    if refunded and gate is not None:
        amount = int.from_bytes(withdrawal.amount, "big")
        units = amount // context.terms.assets[withdrawal.asset].base_units
        window = withdrawal.accepted_height // context.terms.market.epoch_blocks
        cancel_usage(context, gate, withdrawal.owner, units, window)


def delayed_withdrawals_of(state: State, account: int) -> tuple[tuple[int, DelayedWithdrawalRecord], ...]:
    """(number, withdrawal) of an account's delayed withdrawals, in order of acceptance."""
    return tuple(
        (number, withdrawal)
        for number, withdrawal in state.delayed_withdrawals.ordered()
        if withdrawal.account == account
    )


def delayed_amounts(state: State) -> dict[tuple[int, int], int]:
    """Token base units of delayed withdrawals, by account and asset."""
    found: dict[tuple[int, int], int] = {}
    for _, withdrawal in state.delayed_withdrawals.ordered():
        key = (withdrawal.account, withdrawal.asset)
        found[key] = found.get(key, 0) + int.from_bytes(withdrawal.amount, "big")
    return found
