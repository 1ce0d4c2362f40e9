"""A chain whose state says what custody terms say, to be bent by tests: whoever builds a state may lie in it."""

from dataclasses import dataclass, field

from bridge.evm.receipts import trie_root
from clearing.base.evm.evidence import BlockEvidence, PooledNodes, ProvenState, read_counters
from clearing.base.evm.rlp_coding import encode
from clearing.base.evm.storage import VAULT_DEPOSITED, VAULT_WITHDRAWN, vault_storage_key
from clearing.base.hashing import keccak256
from tests.kit.evm_state import all_nodes


@dataclass
class Chain:
    """One block of a chain: contracts' storage by address and place, and coins."""

    chain_id: int
    number: int
    storage: dict[bytes, dict[bytes, int]] = field(default_factory=dict)
    coins: dict[bytes, int] = field(default_factory=dict)
    salt: bytes = b""
    odd: dict[bytes, bytes] = field(default_factory=dict)
    """What stands at a place instead of its number's encoding."""

    def put(self, term) -> None:
        """Let the state say what a custody term says."""
        vault = self.storage.setdefault(term.vault, {})
        vault[vault_storage_key(VAULT_DEPOSITED, term.token)] = int.from_bytes(term.deposited, "big")
        vault[vault_storage_key(VAULT_WITHDRAWN, term.token)] = int.from_bytes(term.withdrawn, "big")
        token = self.storage.setdefault(term.token, {})
        token[term.balances.place(term.vault)] = int.from_bytes(term.balance, "big")

    def build(self) -> tuple[bytes, dict[bytes, bytes]]:
        """(header, all nodes by hash)."""
        pool: dict[bytes, bytes] = {}

        def root_of(items: dict[bytes, bytes]) -> bytes:
            hashed = {keccak256(key): value for key, value in items.items()}
            pool.update(all_nodes(hashed))
            return trie_root(hashed)

        accounts = {}
        for address in {*self.storage, *self.coins, *(bytes([i]) * 20 for i in range(100, 110))}:
            words = self.storage.get(address, {})
            root = root_of({place: self.odd.get(place, encode(word)) for place, word in words.items() if word})
            accounts[address] = encode([1, self.coins.get(address, 7), root, keccak256(b"code")])
        zeros = bytes(32)
        top = [zeros, zeros, bytes(20), root_of(accounts), zeros, zeros, bytes(256), 0, self.number, 10, 5]
        return encode([*top, 1_584_000_000, self.salt, zeros, bytes(8)]), pool

    @property
    def block_hash(self) -> bytes:
        return keccak256(self.build()[0])

    def evidence(self, terms) -> BlockEvidence:
        """What proves these terms, node by node, in the order in which they are read."""
        header, pool = self.build()
        nodes = PooledNodes(pool)
        state = ProvenState(header, nodes)
        for term in terms:
            read_counters(state, term.vault, term.token, term.balances)
        return BlockEvidence(self.chain_id, header, tuple(nodes.needed.values()))
