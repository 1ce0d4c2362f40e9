"""Delayed withdrawals: put in the queue, found, and dropped from it.

Rule: a delayed withdrawal has left its account, so it cannot be spent twice nor count as collateral. It is still owed
to the account: as released in custody terms, as the account's own in the exit tree. The queue is bounded, in all and
per owner, and no member's withdrawals keep out those of the others.
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
    """Whether one more withdrawal of this owner may wait.

    Half of the queue is kept for the members in equal parts: keys cost nothing, so a member with many clients could
    fill it, and nobody else's larger withdrawals would be taken in.
    """
    terms, accounts = context.terms.genesis.crisis.gates, context.state.accounts
    queue = [each for _, each in context.state.delayed_withdrawals.ordered()]
    own = sum(each.owner == owner for each in queue)
    members = Counter(accounts[each.account].member for each in queue if each.account in accounts)
    known = sum(1 for _ in context.state.members.ordered())
    fair = terms.waiting_max // (2 * known)
    mine = members.pop(accounts[account].member, 0)
    kept = fair * (known - 1) - sum(min(member, fair) for member in members.values())
    limit = terms.waiting_max if mine < fair else terms.waiting_max - kept
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
    """Let a withdrawal wait, with a receipt. Its money has left the account already."""
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


def remove_delayed(
    context: BlockContext, number: int, withdrawal: DelayedWithdrawalRecord, *, taken_back: bool
) -> None:
    """Drop a withdrawal from the queue; what is taken back no longer counts against the window's limits."""
    context.state.delayed_withdrawals.remove(number)
    gate = withdrawal_limits(context, withdrawal.asset)
    if taken_back and gate is not None:
        amount = int.from_bytes(withdrawal.amount, "big")
        units = amount // context.terms.assets[withdrawal.asset].base_units
        window = withdrawal.accepted_height // context.terms.market.epoch_blocks
        cancel_usage(context, gate, withdrawal.owner, units, window)


def delayed_withdrawals_of(state: State, account: int) -> tuple[tuple[int, DelayedWithdrawalRecord], ...]:
    """(number, withdrawal) of what waits of one account, in order of acceptance."""
    return tuple((number, each) for number, each in state.delayed_withdrawals.ordered() if each.account == account)


def delayed_amounts(state: State) -> dict[tuple[int, int], int]:
    """Token base units that wait, by account and asset."""
    found: dict[tuple[int, int], int] = {}
    for _, each in state.delayed_withdrawals.ordered():
        key = (each.account, each.asset)
        found[key] = found.get(key, 0) + int.from_bytes(each.amount, "big")
    return found
