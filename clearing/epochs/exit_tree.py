"""The exit tree of a state: built where an epoch closes, its root kept in the state and carried by each header.

Rule: a function of the state that the epoch closes at; it promises no more than is there. A second use in the same
block gets the tree that was built.
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
from clearing.withdrawals.delayed_withdrawals import delayed_amounts

NO_EXITS = tagged_hash("crossclear/exit-tree/v1/empty")
"""The root while no epoch has closed."""

_SALT_TAG = b"crossclear/exit-tree/v1/salt"


def exit_tree(state: State) -> ExitTree:
    """The tree of a state at which an epoch closes."""
    now = state.now
    return ExitTree(
        now.epoch, now.snapshot_height, tuple(_exit_leaf(state, now.epoch, each) for each in close_out(state))
    )


def store_exit_tree(state: State) -> None:
    """Put the tree's root into the state at which an epoch closes. Raises Bug when it promises what is not there."""
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
                f"exits promise {promised[asset.id]} of asset {asset.name}, {inventory_units(state, asset)} units are held"
            )
    state.exits.put(0, ExitRecord(tree.epoch, tree.height, len(tree.leaves), tree.root))
    state.exit_tree = tree


def closed_exit_tree(state: State) -> ExitTree:
    """The tree of the epoch that closed at this very state; built anew where another process closed it.

    Raises Bug when it is not the one whose root the state holds.
    """
    built = state.exit_tree
    tree = built or exit_tree(state)
    held_root = state.exits.get(0)
    stated = held_root and (held_root.epoch, held_root.height, held_root.leaves)
    # The root of the one that was built is the very one held: it was computed for it.
    if stated != (tree.epoch, tree.height, len(tree.leaves)) or (
        built is None and tree.root != stored_exit_root(state)
    ):
        raise Bug(f"exits of epoch {tree.epoch} are not those of height {state.now.height}")
    return tree


def stored_exit_root(state: State) -> Hash32:
    """The root that the header of this state carries."""
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
