"""Release of withdrawals: into the withdrawals tree at the end of the block, confirmed when the vault has paid.

Rule: a withdrawal gets its nonce when it is released, in the order of acceptance. This module must not know why it was
accepted.
"""

import msgspec

from clearing.base.ids import Hash32
from clearing.base.withdrawal_leaves import withdrawal_leaf_hash
from clearing.context.block_context import BlockContext
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.records.withdrawals import ReleasedWithdrawalRecord
from clearing.state.state import State
from clearing.state.withdrawals_tree import append_withdrawal


def release_withdrawals(context: BlockContext) -> None:
    """Phase 12: accepted withdrawals enter the tree, in order of acceptance."""
    for accepted in context.accepted_withdrawals:
        release_withdrawal(context, accepted)


def release_withdrawal(context: BlockContext, accepted: WithdrawalReleased, deposit_refund: int = 0) -> int:
    """Append one withdrawal to the tree, with its receipt. Returns its nonce.

    `deposit_refund`: the refund of its vault that it pays; 0: it left an account.
    """
    nonce = withdrawals_count(context.state)
    leaf = withdrawal_leaf_hash(
        accepted.chain_id,
        accepted.vault,
        nonce,
        accepted.account,
        accepted.token,
        accepted.to,
        int.from_bytes(accepted.amount, "big"),
        accepted.not_after_s,
    )
    released = ReleasedWithdrawalRecord(
        account=accepted.account,
        asset=accepted.asset,
        units=accepted.units,
        chain_id=accepted.chain_id,
        vault=accepted.vault,
        token=accepted.token,
        to=accepted.to,
        amount=accepted.amount,
        not_after_s=accepted.not_after_s,
        leaf=leaf,
        deposit_refund=deposit_refund,
    )
    context.state.withdrawals.put(nonce, released)
    context.state.unpaid_withdrawals.put(nonce, accepted.asset)
    append_leaf(context.state, leaf)
    context.receipts.append(msgspec.structs.replace(accepted, nonce=nonce))
    return nonce


def append_leaf(state: State, leaf: Hash32) -> None:
    """Append the next leaf to the tree and count it."""
    nonce = withdrawals_count(state)
    append_withdrawal(state, nonce, leaf)
    state.clock.put(0, msgspec.structs.replace(state.now, withdrawals_released=nonce + 1))


def withdrawals_count(state: State) -> int:
    """How many withdrawals and orders to vaults were released so far: the nonce of the next."""
    return state.now.withdrawals_released


def confirm_withdrawal(state: State, nonce: int) -> None:
    """Record that a released withdrawal was observed as executed."""
    state.withdrawals.put(nonce, msgspec.structs.replace(state.withdrawals[nonce], executed=True))
    state.unpaid_withdrawals.remove(nonce)
