"""Tagged SHA-256: the same bytes under two tags never have the same hash.

Rule: `tagged_hash(tag, data)` is SHA-256(SHA-256(tag) || data). Every use has its own tag, defined in its module. Data
that Solidity recomputes is a sequence of 32-byte words whose first word is the hash of the tag. Keccak-256 is only for
what Solidity maintains itself (withdrawals tree, `depositsHash`) and for EIP-712.
"""

import hashlib
from functools import lru_cache

import sha3

from clearing.base.ids import Hash32


def sha256(data: bytes) -> Hash32:
    """Plain SHA-256."""
    return Hash32(hashlib.sha256(data).digest())


@lru_cache(maxsize=256)
def tag_prefix(tag: str) -> bytes:
    """The first 32-byte word of a tagged message: SHA-256 of the tag's ASCII bytes."""
    return hashlib.sha256(tag.encode("ascii")).digest()


def tagged_hash(tag: str, *parts: bytes) -> Hash32:
    """SHA-256(tag_prefix(tag) || parts…). Each part has a fixed length, or there is one canonical encoding."""
    state = hashlib.sha256(tag_prefix(tag))
    for part in parts:
        state.update(part)
    return Hash32(state.digest())


def keccak256(data: bytes) -> Hash32:
    """Ethereum's Keccak-256."""
    return Hash32(sha3.keccak_256(data).digest())
