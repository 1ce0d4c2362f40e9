"""`BlockEvidence`: a block header and the trie nodes under its state root that prove accounts and storage words.

Rule: each node is included once, in the order of its first use, and all are needed: the reads determine the bytes. Only
the block hash that the caller supplies is trusted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from clearing.base.codec import U63, Wire
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.evm.rlp_coding import Item, decode
from clearing.base.evm.storage import VAULT_DEPOSITED, VAULT_WITHDRAWN, BalanceLocation, vault_storage_key
from clearing.base.evm.trie import DecodedNodes, lookup
from clearing.base.hashing import keccak256

HEADER_BYTES_MAX = 4096
"""Ethereum's are about 650 bytes. Other chains put signatures into the extra data, up to 1,024."""
NODE_BYTES_MAX = 1024
"""A full branch is 532 bytes."""
NODES_MAX = 4096
NATIVE = bytes(20)
"""The token address that means the chain's native coin."""
_STATE_ROOT, _NUMBER, _TIME, _FIELDS_MIN, _FIELDS_MAX = 3, 8, 11, 15, 64
_ACCOUNT_FIELDS = 4


class BlockEvidence(Wire, frozen=True):
    """Proofs of one block's state. `header`: its RLP, whose Keccak hash is the block hash."""

    chain_id: U63
    header: Annotated[bytes, msgspec.Meta(max_length=HEADER_BYTES_MAX)]
    nodes: Annotated[
        tuple[Annotated[bytes, msgspec.Meta(max_length=NODE_BYTES_MAX)], ...], msgspec.Meta(max_length=NODES_MAX)
    ]

    @property
    def block_hash(self) -> bytes:
        """The hash of the proven block."""
        return keccak256(self.header)

    @property
    def time_s(self) -> int:
        """Seconds of Unix time at which the header dates the block; 0 where it states no number of at most 8 bytes.

        Raises RemoteFault BAD_TRIE_PROOF when the header is no list.
        """
        time = dict(enumerate(_rlp_list(self.header, "header"))).get(_TIME)
        return int.from_bytes(time, "big") if isinstance(time, bytes) and len(time) <= 8 else 0


@dataclass(frozen=True, slots=True)
class EvmAccount:
    """The entry of an address in the state trie."""

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes


@dataclass(frozen=True, slots=True)
class Counters:
    """A vault's counters for one token, in base units. `balance`: None where the token's storage layout is unknown."""

    deposited: int
    withdrawn: int
    balance: int | None


class OrderedNodes:
    """Supplies nodes in the order of the evidence. Each is hashed once."""

    def __init__(self, nodes: tuple[bytes, ...]) -> None:
        self._nodes = nodes
        self._known: dict[bytes, bytes] = {}

    def __call__(self, hash_: bytes) -> bytes:
        """The node of that hash, if it is known or the next one."""
        if hash_ not in self._known:
            used = len(self._known)
            if used == len(self._nodes) or keccak256(self._nodes[used]) != hash_:
                raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "node", index=used, expected=hash_)
            self._known[hash_] = self._nodes[used]
        return self._known[hash_]

    def check_all_used(self) -> None:
        """Raises RemoteFault BAD_TRIE_PROOF when there are unused nodes."""
        if len(self._known) != len(self._nodes):
            raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "nodes", used=len(self._known), shown=len(self._nodes))


class PooledNodes:
    """Supplies nodes from a pool and records which were needed, in order: the prover's side."""

    def __init__(self, pool: Mapping[bytes, bytes]) -> None:
        self._pool = pool
        self.needed: dict[bytes, bytes] = {}

    def __call__(self, hash_: bytes) -> bytes:
        """The node of that hash, if the pool has it."""
        if hash_ not in self._pool:
            raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "node missing", expected=hash_)
        self.needed[hash_] = self._pool[hash_]
        return self._pool[hash_]


class ProvenState:
    """Reads of one block's state. All raise RemoteFault BAD_TRIE_PROOF when the nodes do not prove an answer."""

    def __init__(self, header: bytes, nodes: OrderedNodes | PooledNodes) -> None:
        """Raises RemoteFault BAD_TRIE_PROOF when `header` is not a block header."""
        fields = _rlp_list(header, "header")
        root = fields[_STATE_ROOT] if _FIELDS_MIN <= len(fields) <= _FIELDS_MAX else b""
        number = fields[_NUMBER] if root else b""
        if not isinstance(root, bytes) or len(root) != 32 or not isinstance(number, bytes) or len(number) > 8:
            raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "header", fields=len(fields))
        self._root = root
        self._nodes = nodes
        self._decoded: DecodedNodes = {}
        self._accounts: dict[bytes, EvmAccount | None] = {}
        self.number = int.from_bytes(number, "big")

    def account(self, address: bytes) -> EvmAccount | None:
        """The account at an address; None when it is proven that there is none."""
        if address not in self._accounts:
            self._accounts[address] = self._read_account(address)
        return self._accounts[address]

    def _read_account(self, address: bytes) -> EvmAccount | None:
        value = lookup(self._root, keccak256(address), self._nodes, self._decoded)
        if value is None:
            return None
        fields = _rlp_list(value, "account")
        if len(fields) == _ACCOUNT_FIELDS:
            nonce, balance, storage_root, code_hash = fields
            if (
                isinstance(nonce, bytes)
                and isinstance(balance, bytes)
                and isinstance(storage_root, bytes)
                and isinstance(code_hash, bytes)
                and len(nonce) <= 32 >= len(balance)
                and len(storage_root) == 32 == len(code_hash)
            ):
                return EvmAccount(int.from_bytes(nonce, "big"), int.from_bytes(balance, "big"), storage_root, code_hash)
        raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "account", fields=len(fields))

    def word(self, account: EvmAccount, place: bytes) -> int:
        """A word of a contract's storage; zero when it is proven to be absent."""
        value = lookup(account.storage_root, keccak256(place), self._nodes, self._decoded)
        if value is None:
            return 0
        try:
            item = decode(value)
        except ValueError:
            item = []
        if not isinstance(item, bytes) or not 0 < len(item) <= 32 or item[0] == 0:
            raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "word", bytes=len(value))
        return int.from_bytes(item, "big")


@dataclass(frozen=True, slots=True)
class Custodian:
    """What counters are read of: a vault, one of its tokens, and where the token stores balances."""

    vault: bytes
    token: bytes
    balances: BalanceLocation


def select_evidence(
    chain_id: int, header: bytes, pool: Mapping[bytes, bytes], wanted: Sequence[Custodian]
) -> tuple[BlockEvidence, tuple[Counters, ...]]:
    """The evidence of exactly these counters, selected from a pool of nodes by hash, and the counters.

    Raises RemoteFault BAD_TRIE_PROOF when the pool does not prove them, OVERSIZE when the evidence is too large.
    """
    nodes = PooledNodes(pool)
    state = ProvenState(header, nodes)
    counters = tuple(read_counters(state, custodian.vault, custodian.token, custodian.balances) for custodian in wanted)
    needed = tuple(nodes.needed.values())
    for at, size, limit in (
        ("header", len(header), HEADER_BYTES_MAX),
        ("node", max(map(len, needed), default=0), NODE_BYTES_MAX),
        ("nodes", len(needed), NODES_MAX),
    ):
        if size > limit:
            raise RemoteFault(BaseCode.OVERSIZE, f"evidence {at}", size=size, limit=limit)
    return BlockEvidence(chain_id, header, needed), counters


def read_counters(state: ProvenState, vault: bytes, token: bytes, balances: BalanceLocation) -> Counters:
    """The counters of a vault and one token in the block's state. Raises RemoteFault BAD_TRIE_PROOF."""
    holder = state.account(vault)
    if holder is None:
        raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "no vault", address=vault)
    deposited = state.word(holder, vault_storage_key(VAULT_DEPOSITED, token))
    withdrawn = state.word(holder, vault_storage_key(VAULT_WITHDRAWN, token))
    balance: int | None = None
    if token == NATIVE:
        balance = holder.balance
    elif balances.is_known:
        contract = state.account(token)
        if contract is None:
            raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "no token", address=token)
        balance = balances.balance_in(state.word(contract, balances.place(vault)))
    return Counters(deposited, withdrawn, balance)


def _rlp_list(data: bytes, at: str) -> list[Item]:
    try:
        item = decode(data)
    except ValueError:
        item = b""
    if not isinstance(item, list):
        raise RemoteFault(BaseCode.BAD_TRIE_PROOF, at, bytes=len(data))
    return item
