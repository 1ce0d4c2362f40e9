"""Orders of the network to a vault: another key takes the place of its guardian, who may pause it.

Rule: an order is a leaf of the withdrawals tree with the next number. It pays nothing, so it is no open withdrawal, is
never refunded and never expires. The vault follows only orders later than the last one that it followed: of a vault's
orders the newest counts.
"""

from clearing.base.errors import Rejected
from clearing.base.withdrawal_leaves import guardian_order_leaf_hash
from clearing.context.block_context import BlockContext
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.governance import GuardianOrdered
from clearing.schema.records.withdrawals import GuardianOrderRecord
from clearing.schema.requests.governance import GuardianOrder
from clearing.state.state import State
from clearing.validators.chain_attestations import is_detached
from clearing.withdrawals.release import append_leaf, withdrawals_count


def check_guardian_order(state: State, order: GuardianOrder) -> Rejected | None:
    """Whether this vault can be given this guardian."""
    chain = state.terms.chains.get(order.chain_id)
    listed = chain is not None and chain.vault == order.vault
    if not listed or is_detached(state, order.chain_id, order.vault) or not any(order.guardian):
        return reject(
            ClearingCode.GUARDIAN_ORDER_REFUSED,
            "guardian",
            chain_id=order.chain_id,
            vault=order.vault,
            guardian=order.guardian,
        )
    return None


def release_guardian_order(context: BlockContext, order: GuardianOrder) -> None:
    """Append the order to the tree, with its receipt. The caller has checked it."""
    nonce = withdrawals_count(context.state)
    leaf = guardian_order_leaf_hash(order.chain_id, order.vault, nonce, order.guardian)
    record = GuardianOrderRecord(order.chain_id, order.vault, order.guardian, leaf, context.block.height)
    context.state.guardian_orders.put(nonce, record)
    append_leaf(context.state, leaf)
    context.receipts.append(GuardianOrdered(nonce, order.chain_id, order.vault, order.guardian))


def newest_guardian_orders(state: State) -> dict[tuple[int, bytes], tuple[int, GuardianOrderRecord]]:
    """(nonce, order) of the newest order to each vault that has one."""
    return {(order.chain_id, order.vault): (nonce, order) for nonce, order in state.guardian_orders.ordered()}
