"""Where contracts keep what custody proofs read: the vault's counters and the tokens' balances.

Rule: the vault's places follow from its source as solc lays it out (a test compares them with the compiler's own
table); a token's are what genesis says, for a contract tells its balances to callers and not where it keeps them.
"""

from enum import IntEnum

from clearing.base.codec import U32, Bytes32, Wire, u256
from clearing.base.hashing import keccak256

VAULT_DEPOSITED = 9
"""Of `Vault.deposited`, a mapping from token to base units."""
VAULT_WITHDRAWN = 10
"""Of `Vault.withdrawn`, likewise."""


class BalanceOrder(IntEnum):
    """How the place of a mapping's entry is hashed."""

    UNKNOWN = 0
    """No place is known: the balance cannot be proven."""
    KEY_FIRST = 1
    """keccak(key ‖ slot): Solidity."""
    SLOT_FIRST = 2
    """keccak(slot ‖ key): Vyper."""


class BalanceLocation(Wire, frozen=True):
    """Where a token keeps the balance of an owner: the low `bits` of an entry of the mapping at `slot`."""

    order: BalanceOrder = BalanceOrder.UNKNOWN
    slot: Bytes32 = bytes(32)
    bits: U32 = 256
    """Fewer where the word holds something else too, such as 255 beside a blacklist's flag."""

    @property
    def is_known(self) -> bool:
        """Whether a storage proof can show a balance."""
        return self.order is not BalanceOrder.UNKNOWN

    def place(self, owner: bytes) -> bytes:
        """The storage key of an owner's entry."""
        key = owner.rjust(32, b"\0")
        return keccak256(self.slot + key if self.order is BalanceOrder.SLOT_FIRST else key + self.slot)

    def balance_in(self, word: int) -> int:
        """The balance that a storage word holds."""
        return word & ((1 << self.bits) - 1)


def vault_storage_key(mapping: int, token: bytes) -> bytes:
    """The storage key of a token's entry in one of the vault's mappings."""
    return keccak256(token.rjust(32, b"\0") + u256(mapping))
