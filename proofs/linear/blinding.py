"""The blinders of one proof, all from one key: wherever and however often a share is computed, it is the same.

Rule: a key is 32 bytes of OS randomness for one proof, is never stored, and dies with the process that joins the
shares. It is bound to the statement, so that even a key drawn twice uses no blinder for two statements. A shard
gets the keys of its own accounts only. So a share whose process died can be computed again with the same bytes, and one
that was returned can be compared with its recomputation. As hiding as OS randomness, if SHA-256 under a key is a
pseudorandom function.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from clearing.base.codec import u256
from clearing.base.errors import LocalFault
from clearing.base.hashing import tagged_hash
from proofs.algebra.field import ORDER, scalar_bytes
from proofs.errors import ProofCode
from proofs.linear.statement import LinearStatement

KEY_TAG = "crossclear/proofs/session-key/v1"
ACCOUNT_TAG = "crossclear/proofs/session-key/account/v1"
TABLE_TAG = "crossclear/proofs/session-key/table/v1"
JOINED_TAG = "crossclear/proofs/session-key/joined/v1"
KEY_BYTES = 32


def new_key() -> bytes:
    """A key for one proof, from the operating system."""
    return secrets.token_bytes(KEY_BYTES)


class KeyedScalars:
    """A sequence of uniform scalars (but for 2^-257) out of a 32-byte key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._drawn = 0

    def __call__(self) -> int:
        """The next."""
        seed = self._key + self._drawn.to_bytes(8, "big")
        self._drawn += 1
        wide = hashlib.sha256(seed + b"\x00").digest() + hashlib.sha256(seed + b"\x01").digest()
        return int.from_bytes(wide, "big") % ORDER


@dataclass(frozen=True)
class ShardKeys:
    """What a shard draws its blinders from: a key for each of its accounts, and the table's where it carries that."""

    accounts: tuple[bytes, ...]
    table: bytes = b""


class ProofKeys:
    """The keys of one proof about one statement. Raises LocalFault BAD_LENGTH for a key that is not 32 bytes."""

    def __init__(self, key: bytes, statement: LinearStatement) -> None:
        if len(key) != KEY_BYTES:
            raise LocalFault(ProofCode.BAD_LENGTH, "session key", bytes=len(key))
        bound = statement.transcript().challenge("session")
        self._root = tagged_hash(KEY_TAG, key, scalar_bytes(bound))

    def of_accounts(self, first: int, count: int) -> ShardKeys:
        """For the shard of so many accounts from this place on; the one with account 0 carries the table."""
        keys = tuple(tagged_hash(ACCOUNT_TAG, self._root, u256(first + k)) for k in range(count))
        return ShardKeys(keys, tagged_hash(TABLE_TAG, self._root) if first == 0 else b"")

    def of_joined(self) -> Callable[[], int]:
        """For what is drawn once a proof: S and t."""
        return KeyedScalars(tagged_hash(JOINED_TAG, self._root))
