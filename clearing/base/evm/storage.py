"""Storage locations that custody proofs read: the vault's counters and the tokens' balances.

Rule: the vault's locations follow from its source as solc lays it out (a test compares them with the compiler's own
table). A token's location is listed in genesis, because a contract does not report where it stores balances.
"""

from enum import IntEnum

from clearing.base.codec import U32, Bytes32, Wire, u256
from clearing.base.hashing import keccak256

VAULT_DEPOSITED = 9
"""Storage slot of `Vault.deposited`, a mapping from token to base units."""
VAULT_WITHDRAWN = 10
"""Storage slot of `Vault.withdrawn`, likewise."""


class BalanceOrder(IntEnum):
    """How the storage key of a mapping entry is hashed."""

    UNKNOWN = 0
    """Unknown layout: the balance cannot be proven."""
    KEY_FIRST = 1
    """keccak(key ‖ slot): Solidity."""
    SLOT_FIRST = 2
    """keccak(slot ‖ key): Vyper."""


class BalanceLocation(Wire, frozen=True):
    """Where a token stores an owner's balance: the low `bits` of an entry of the mapping at `slot`."""

    order: BalanceOrder = BalanceOrder.UNKNOWN
    slot: Bytes32 = bytes(32)
    bits: U32 = 256
    """Fewer where the word contains other data too, such as 255 beside a blacklist flag."""

    @property
    def is_known(self) -> bool:
        """Whether a storage proof can prove a balance."""
        return self.order is not BalanceOrder.UNKNOWN

    def place(self, owner: bytes) -> bytes:
        """The storage key of an owner's entry."""
        key = owner.rjust(32, b"\0")
        return keccak256(self.slot + key if self.order is BalanceOrder.SLOT_FIRST else key + self.slot)

    def balance_in(self, word: int) -> int:
        """The balance in a storage word."""
        return word & ((1 << self.bits) - 1)


def vault_storage_key(mapping: int, token: bytes) -> bytes:
    """The storage key of a token's entry in one of the vault's mappings."""
    return keccak256(token.rjust(32, b"\0") + u256(mapping))
