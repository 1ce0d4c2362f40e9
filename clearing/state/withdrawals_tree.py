"""The withdrawals tree: an append-only Keccak tree of depth 32, against which the vault contracts verify proofs.

Rule: leaf number n is withdrawal n, counted from 0 over all chains. Nothing is ever changed or removed.

leaf = keccak(keccak(chain id, vault, nonce, token, to, amount, not-after in seconds)), each a 32-byte word, hashed
twice so that no inner node (64 bytes) can pass for a leaf; node = keccak(left, right); an empty leaf is 32 zero bytes.
"""

from functools import cache

from clearing.base.codec import u256
from clearing.base.hashing import keccak256
from clearing.base.ids import ZERO_HASH, Hash32
from clearing.state.state import State

DEPTH = 32


@cache
def empty_subtree_root(level: int) -> Hash32:
    """Root of an empty subtree; level 0 is a leaf."""
    return ZERO_HASH if level == 0 else keccak256(empty_subtree_root(level - 1) * 2)


def withdrawal_leaf_hash(
    chain_id: int, vault: bytes, nonce: int, token: bytes, to: bytes, amount: int, not_after_s: int
) -> Hash32:
    """The leaf of one withdrawal. `amount` in token base units."""
    words = (u256(chain_id), vault.rjust(32, b"\0"), u256(nonce), token.rjust(32, b"\0"), to.rjust(32, b"\0"))
    return keccak256(keccak256(b"".join((*words, u256(amount), u256(not_after_s)))))


def withdrawals_node(state: State, level: int, index: int) -> Hash32:
    """A node of the tree; leaves are at level 0."""
    return state.withdrawals_nodes.get((level, index)) or empty_subtree_root(level)


def append_withdrawal(state: State, nonce: int, leaf: Hash32) -> None:
    """Append leaf `nonce`, which must be the next one, and rehash its path: 32 hashes."""
    state.withdrawals_nodes.put((0, nonce), leaf)
    for level in range(DEPTH):
        nonce >>= 1
        pair = withdrawals_node(state, level, 2 * nonce) + withdrawals_node(state, level, 2 * nonce + 1)
        state.withdrawals_nodes.put((level + 1, nonce), keccak256(pair))


def withdrawals_root(state: State) -> Hash32:
    """Root over all withdrawals so far."""
    return withdrawals_node(state, DEPTH, 0)


def withdrawal_siblings(state: State, nonce: int) -> tuple[Hash32, ...]:
    """The 32 siblings from the leaf up, against `withdrawals_root` of the same state."""
    return tuple(withdrawals_node(state, level, (nonce >> level) ^ 1) for level in range(DEPTH))


def rebuild_withdrawals_tree(state: State) -> None:
    """Fill the tree of an imported state: about two hashes a leaf, level by level."""
    row = [released.leaf for _, released in state.withdrawals.ordered()]
    for level in range(DEPTH + 1):
        for index, value in enumerate(row):
            state.withdrawals_nodes.put((level, index), Hash32(value))
        if not row or level == DEPTH:
            break
        padded = [*row, empty_subtree_root(level)] if len(row) % 2 else row
        row = [keccak256(padded[at] + padded[at + 1]) for at in range(0, len(padded), 2)]
