"""A chain's state as a trie, written from the yellow paper's appendix D for tests: whoever builds it may lie in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from clearing.base.evm.evidence import BlockEvidence, PooledNodes, ProvenState, read_counters
from clearing.base.evm.rlp_coding import Encodable, encode
from clearing.base.evm.storage import VAULT_DEPOSITED, VAULT_WITHDRAWN, vault_storage_key
from clearing.base.hashing import keccak256

Nibbles = tuple[int, ...]


def trie(entries: Mapping[bytes, bytes], pool: dict[bytes, bytes]) -> bytes:
    """The root over hashed keys; adds its nodes to `pool`."""
    if not entries:
        return keccak256(encode(b""))
    paths = {
        tuple(n for byte in keccak256(key) for n in (byte >> 4, byte & 15)): value for key, value in entries.items()
    }
    top = encode(_node(paths, pool))
    pool[keccak256(top)] = top
    return keccak256(top)


def _node(paths: Mapping[Nibbles, bytes], pool: dict[bytes, bytes]) -> Encodable:
    if len(paths) == 1:
        ((path, value),) = paths.items()
        return [_compact(path, leaf=True), value]
    first = next(iter(paths))
    shared = 0
    while all(path[shared] == first[shared] for path in paths):
        shared += 1
    if shared:
        rest = {path[shared:]: value for path, value in paths.items()}
        return [_compact(first[:shared], leaf=False), _reference(rest, pool)]
    children: list[Encodable] = []
    for nibble in range(16):
        below = {path[1:]: value for path, value in paths.items() if path[0] == nibble}
        children.append(_reference(below, pool) if below else b"")
    return [*children, b""]


def _reference(paths: Mapping[Nibbles, bytes], pool: dict[bytes, bytes]) -> Encodable:
    node = _node(paths, pool)
    encoded = encode(node)
    if len(encoded) < 32:
        return node
    pool[keccak256(encoded)] = encoded
    return keccak256(encoded)


def _compact(path: Nibbles, *, leaf: bool) -> bytes:
    flag = 2 * leaf
    whole = (flag + 1, *path) if len(path) % 2 else (flag, 0, *path)
    return bytes(16 * a + b for a, b in zip(whole[::2], whole[1::2], strict=True))


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
        accounts = {}
        for address in {*self.storage, *self.coins, *(bytes([i]) * 20 for i in range(100, 110))}:
            held = self.storage.get(address, {})
            words = {place: self.odd.get(place, encode(value)) for place, value in held.items() if value}
            root = trie(words, pool)
            accounts[address] = encode([1, self.coins.get(address, 7), root, keccak256(b"code")])
        root = trie(accounts, pool)
        zeros = bytes(32)
        fields = [zeros, zeros, bytes(20), root, zeros, zeros, bytes(256), 0, self.number, 10, 5, 1_584_000_000]
        return encode([*fields, self.salt, zeros, bytes(8)]), pool

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
