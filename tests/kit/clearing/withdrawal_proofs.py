"""The root that a withdrawal's proof leads to, as the vault contract computes it."""

from clearing.base.hashing import keccak256
from clearing.base.ids import Hash32


def withdrawals_root_from_proof(leaf: bytes, nonce: int, proof: tuple[bytes, ...]) -> Hash32:
    """The root above `leaf` by its siblings from the leaf up."""
    current = leaf
    for level, sibling in enumerate(proof):
        current = keccak256(sibling + current if nonce >> level & 1 else current + sibling)
    return Hash32(current)
