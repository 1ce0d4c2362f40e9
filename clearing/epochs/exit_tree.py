"""The exit tree of a state: built when an epoch closes; its root is in the state and in each header.

Rule: a function of the state at which the epoch closes. It promises no more than the inventory. A second call in the
same block returns the same tree.
"""

import hmac

from clearing.base.codec import u256
from clearing.base.errors import Bug
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32
from clearing.collateral.cash_tokens import current_assets
from clearing.context.request_checks import owner_key
from clearing.epochs.exit_close_out import Payout, close_out
from clearing.schema.records.withdrawals import ExitLeaf, ExitRecord, ExitTree
from clearing.state.ledger import inventory_units
from clearing.state.state import State
from clearing.withdrawals.delay_queue import delayed_amounts

NO_EXITS = tagged_hash("crossclear/exit-tree/v1/empty")
"""The root while no epoch has closed."""
_SALT_TAG = b"crossclear/exit-tree/v1/salt"


def exit_tree(state: State) -> ExitTree:
    """The exit tree of a state at which an epoch closes."""
    now = state.now
    return ExitTree(
        now.epoch, now.snapshot_height, tuple(_exit_leaf(state, now.epoch, payout) for payout in close_out(state))
    )


def store_exit_tree(state: State) -> None:
    """Store the tree's root in the state at which an epoch closes. Raises Bug when it promises more than
    the inventory."""
    tree = exit_tree(state)
    promised: dict[int, int] = {}
    for leaf in tree.leaves:
        promised[leaf.asset] = promised.get(leaf.asset, 0) + leaf.amount
    waiting: dict[int, int] = {}
    for (_, asset_id), amount in delayed_amounts(state).items():
        waiting[asset_id] = waiting.get(asset_id, 0) + amount
    for asset in current_assets(state):
        if promised.get(asset.id, 0) > asset.to_amount(inventory_units(state, asset)) + waiting.get(asset.id, 0):
            raise Bug(
                f"exits promise {promised[asset.id]} of asset {asset.name}, "
                f"the inventory is {inventory_units(state, asset)} units"
            )
    state.exits.put(0, ExitRecord(tree.epoch, tree.height, len(tree.leaves), tree.root))
    state.exit_tree = tree


def closed_exit_tree(state: State) -> ExitTree:
    """The tree of the epoch that closed at this state; rebuilt where another process closed it.

    Raises Bug when its root is not the one in the state.
    """
    built = state.exit_tree
    tree = built or exit_tree(state)
    record = state.exits.get(0)
    stated = record and (record.epoch, record.height, record.leaves)
    # The root of a tree in memory needs no check: the stored root was computed from it.
    if stated != (tree.epoch, tree.height, len(tree.leaves)) or (
        built is None and tree.root != stored_exit_root(state)
    ):
        raise Bug(f"exits of epoch {tree.epoch} are not those of height {state.now.height}")
    return tree


def stored_exit_root(state: State) -> Hash32:
    """The exit root in the header of this state."""
    found = state.exits.get(0)
    return Hash32(found.root) if found else NO_EXITS


def _exit_leaf(state: State, epoch: int, payout: Payout) -> ExitLeaf:
    asset = state.terms.assets[payout.asset]
    key = _SALT_TAG + u256(epoch) + u256(payout.account) + u256(payout.asset)
    return ExitLeaf(
        account=payout.account,
        asset=payout.asset,
        chain_id=asset.chain_id,
        vault=asset.vault,
        token=asset.token,
        to=owner_key(state, payout.account),
        amount=payout.amount,
        salt=hmac.digest(state.salt, key, "sha256"),
    )
