"""A made-up EVM state: accounts with storage, the header of a block over it, and every node of its tries."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.evm.receipts import trie_proof, trie_root
from clearing.base.evm.evidence import NATIVE
from clearing.base.evm.rlp_coding import encode
from clearing.base.evm.storage import VAULT_DEPOSITED, VAULT_WITHDRAWN, BalanceLocation, vault_storage_key
from clearing.base.hashing import keccak256

EMPTY_CODE = keccak256(b"")


@dataclass
class MadeAccount:
    """An address' balance and its storage, word by place."""

    balance: int = 0
    storage: dict[bytes, int | bytes] = field(default_factory=dict)
    """Numbers, and bytes that stand instead of a number's encoding."""

    @property
    def items(self) -> dict[bytes, bytes]:
        words = {keccak256(place): word for place, word in self.storage.items() if word}
        return {key: word if isinstance(word, bytes) else encode(word) for key, word in words.items()}

    def encode(self) -> bytes:
        return encode([1, self.balance, trie_root(self.items), EMPTY_CODE])


@dataclass
class MadeState:
    """Accounts by address."""

    accounts: dict[bytes, MadeAccount] = field(default_factory=dict)

    def of(self, address: bytes) -> MadeAccount:
        return self.accounts.setdefault(address, MadeAccount())

    def hold(
        self,
        vault: bytes,
        token: bytes,
        balances: BalanceLocation,
        counters: tuple[int, int, int],
    ) -> None:
        """Write (deposited, withdrawn, balance) where a vault and a token keep them."""
        deposited, withdrawn, balance = counters
        self.of(vault).storage[vault_storage_key(VAULT_DEPOSITED, token)] = deposited
        self.of(vault).storage[vault_storage_key(VAULT_WITHDRAWN, token)] = withdrawn
        if token == NATIVE:
            self.of(vault).balance = balance
        elif balances.is_known:
            self.of(token).storage[balances.place(vault)] = balance

    @property
    def items(self) -> dict[bytes, bytes]:
        return {keccak256(address): account.encode() for address, account in self.accounts.items()}

    def header(self, number: int, **changes: bytes | int) -> bytes:
        """The RLP of a header of this state; `changes`: field by its place, as f3=…"""
        fields: list[bytes | int] = [bytes(32), bytes(32), bytes(20), trie_root(self.items), bytes(32), bytes(32)]
        fields += [bytes(256), 0, number, 30_000_000, 0, 1_700_000_000, b"made", bytes(32), bytes(8), 7]
        for name, value in changes.items():
            fields[int(name[1:])] = value
        return encode(fields)

    @property
    def nodes(self) -> dict[bytes, bytes]:
        """Every hashed node of all tries."""
        found = dict[bytes, bytes]()
        for items in (self.items, *(account.items for account in self.accounts.values())):
            found |= all_nodes(items)
        return found


def all_nodes(items: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Every node of one trie that has a hash of its own, the root included."""
    return {keccak256(node): node for key in items for node in trie_proof(items, key)}
