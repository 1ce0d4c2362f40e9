"""Leaves and empty subtrees of the withdrawals tree, as the vault contract computes them.

leaf = keccak(keccak(chain id, vault, nonce, account, token, to, amount, not-after in seconds)), each a 32-byte word,
hashed twice so that no inner node (64 bytes) can pass for a leaf; node = keccak(left, right); an empty leaf is 32 zero
bytes.

An order to a vault is a leaf of the same tree: keccak(keccak(tag, chain id, vault, nonce, guardian)). Its tag stands
where a withdrawal has its chain, and it is shorter, so neither can pass for the other.
"""

from functools import cache

from clearing.base.codec import u256
from clearing.base.hashing import keccak256
from clearing.base.ids import ZERO_HASH, Hash32

DEPTH = 32
GUARDIAN_ORDER_TAG = keccak256(b"crossclear/vault-order/guardian/v1")


@cache
def empty_subtree_root(level: int) -> Hash32:
    """Root of an empty subtree; level 0 is a leaf."""
    return ZERO_HASH if level == 0 else keccak256(empty_subtree_root(level - 1) * 2)


def withdrawal_leaf_hash(
    chain_id: int, vault: bytes, nonce: int, account: int, token: bytes, to: bytes, amount: int, not_after_s: int
) -> Hash32:
    """The leaf of one withdrawal. `amount` in token base units; `account`: whose money it was in the ledger."""
    place = u256(chain_id) + vault.rjust(32, b"\0") + u256(nonce) + u256(account)
    payment = token.rjust(32, b"\0") + to.rjust(32, b"\0") + u256(amount) + u256(not_after_s)
    return keccak256(keccak256(place + payment))


def guardian_order_leaf_hash(chain_id: int, vault: bytes, nonce: int, guardian: bytes) -> Hash32:
    """The leaf by which the network gives the place of a vault's guardian to another key."""
    words = (GUARDIAN_ORDER_TAG, u256(chain_id), vault.rjust(32, b"\0"), u256(nonce), guardian.rjust(32, b"\0"))
    return keccak256(keccak256(b"".join(words)))
