"""The withdrawals tree: an append-only Keccak tree of depth 32, against which the vault contracts verify proofs.

Rule: leaf number n is withdrawal n, or an order to a vault with this number, counted from 0 over all chains. Nothing
is ever changed or removed.
"""

from collections.abc import Sequence

from clearing.base.errors import Bug
from clearing.base.hashing import keccak256
from clearing.base.ids import Hash32
from clearing.base.withdrawal_leaves import DEPTH, empty_subtree_root
from clearing.state.state import State


def _withdrawals_node(state: State, level: int, index: int) -> Hash32:
    """A node of the tree; leaves are at level 0."""
    return state.withdrawals_nodes.get((level, index)) or empty_subtree_root(level)


def append_withdrawal(state: State, nonce: int, leaf: Hash32) -> None:
    """Append leaf `nonce`, which must be the next one, and rehash its path: 32 hashes."""
    state.withdrawals_nodes.put((0, nonce), leaf)
    for level in range(DEPTH):
        nonce >>= 1
        pair = _withdrawals_node(state, level, 2 * nonce) + _withdrawals_node(state, level, 2 * nonce + 1)
        state.withdrawals_nodes.put((level + 1, nonce), keccak256(pair))


def withdrawals_root(state: State) -> Hash32:
    """Root over all withdrawals so far."""
    return _withdrawals_node(state, DEPTH, 0)


def earlier_withdrawals_root(state: State, count: int) -> Hash32:
    """Root over the first `count` withdrawals, as a header certified it when there were no more."""
    return _last_nodes(state, count)[DEPTH]


def withdrawal_proof(state: State, nonces: Sequence[int], count: int) -> tuple[Hash32, ...]:
    """The siblings that prove withdrawals under `earlier_withdrawals_root` of `count`.

    `nonces` ascending, each below `count`. The siblings are those that the withdrawals do not give each other: level by
    level from the leaves up, and in each level from left to right; of one withdrawal all 32. Raises Bug for other
    nonces.
    """
    if not nonces or sorted(set(nonces)) != list(nonces) or nonces[-1] >= count:
        raise Bug(f"withdrawals {nonces} have no common proof under the first {count}")
    last = _last_nodes(state, count)
    indices, siblings = list(nonces), list[Hash32]()
    for level in range(DEPTH):
        present, end = set(indices), (count - 1) >> level
        for index in indices:
            if (beside := index ^ 1) not in present:
                # Nodes to the left of the last one are complete: withdrawals that came later did not change them.
                node = _withdrawals_node(state, level, beside) if beside < end else empty_subtree_root(level)
                siblings.append(last[level] if beside == end else node)
        indices = sorted({index >> 1 for index in indices})
    return tuple(siblings)


def _last_nodes(state: State, count: int) -> list[Hash32]:
    """By level: the node above withdrawal `count - 1` in the tree of the first `count`."""
    if not count:
        return [empty_subtree_root(level) for level in range(DEPTH + 1)]
    nodes, index = [_withdrawals_node(state, 0, count - 1)], count - 1
    for level in range(DEPTH):
        last, empty = nodes[-1], empty_subtree_root(level)
        nodes.append(keccak256(_withdrawals_node(state, level, index - 1) + last if index & 1 else last + empty))
        index >>= 1
    return nodes


def rebuild_withdrawals_tree(state: State) -> None:
    """Fill the tree of an imported state: about two hashes a leaf, level by level."""
    leaves = {nonce: released.leaf for nonce, released in state.withdrawals.ordered()}
    leaves |= {nonce: order.leaf for nonce, order in state.guardian_orders.ordered()}
    row = [leaves[nonce] for nonce in sorted(leaves)]
    for level in range(DEPTH + 1):
        for index, value in enumerate(row):
            state.withdrawals_nodes.put((level, index), Hash32(value))
        if not row or level == DEPTH:
            break
        padded = [*row, empty_subtree_root(level)] if len(row) % 2 else row
        row = [keccak256(padded[at] + padded[at + 1]) for at in range(0, len(padded), 2)]
