"""The Merkle-Patricia trie as far as receipts need it: building roots and proofs, and checking a proof.

Rule (yellow paper, appendix D): a node is referenced by its Keccak hash, or stands inline where its encoding is
shorter than 32 bytes. A proof is the list of hashed nodes from the root on; every one must be used.
"""

from collections.abc import Mapping, Sequence

from bridge.codes import BridgeCode
from clearing.base.errors import RemoteFault
from clearing.base.evm.rlp_coding import Item, encode
from clearing.base.evm.trie import EMPTY_ROOT, lookup, nibbles
from clearing.base.hashing import keccak256

PROOF_NODES_MAX = 64


def index_key(index: int) -> bytes:
    """The key of transaction `index` in the receipts trie."""
    return encode(index)


def trie_root(items: Mapping[bytes, bytes]) -> bytes:
    """Root of the trie that maps each key to its value. Values must not be empty."""
    if not items:
        return EMPTY_ROOT
    return keccak256(encode(_build(_sorted(items), 0)))


def trie_proof(items: Mapping[bytes, bytes], key: bytes) -> tuple[bytes, ...]:
    """Encoded nodes from the root to the value of `key`, inline nodes inside their parents. KeyError if absent."""
    items[key]
    node = _build(_sorted(items), 0, nibbles(key), proof := [])
    proof.append(encode(node))
    # The root is always included, an inner node only where its parent refers to it by hash.
    return tuple(reversed([encoded for encoded in proof[:-1] if len(encoded) >= 32] + proof[-1:]))


def verify_trie_proof(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes:
    """The value of `key` under `root`. Raises RemoteFault BAD_TRIE_PROOF, also for a proof of absence."""
    if not 0 < len(proof) <= PROOF_NODES_MAX:
        raise RemoteFault(BridgeCode.BAD_TRIE_PROOF, "length", nodes=len(proof))
    used = 0

    def next_node(expected: bytes) -> bytes:
        nonlocal used
        if used == len(proof) or keccak256(proof[used]) != expected:
            raise RemoteFault(BridgeCode.BAD_TRIE_PROOF, "node", index=used, expected=expected)
        used += 1
        return proof[used - 1]

    try:
        value = lookup(root, key, next_node)
    except RemoteFault as fault:
        raise RemoteFault(BridgeCode.BAD_TRIE_PROOF, fault.at, **fault.values) from None
    if used != len(proof) or value is None:
        raise RemoteFault(BridgeCode.BAD_TRIE_PROOF, "value", used=used, nodes=len(proof))
    return value


def _sorted(items: Mapping[bytes, bytes]) -> list[tuple[tuple[int, ...], bytes]]:
    return [(nibbles(key), items[key]) for key in sorted(items)]


def _build(
    items: list[tuple[tuple[int, ...], bytes]],
    depth: int,
    wanted: tuple[int, ...] | None = None,
    proof: list[bytes] | None = None,
) -> Item:
    """The node over `items`, which are sorted and equal up to `depth`.

    Encoded nodes below it, on the way to `wanted_ids`, are appended to `proof`, deepest first.
    """
    first, last = items[0][0], items[-1][0]
    if len(items) == 1:
        return [_compact(first[depth:], leaf=True), items[0][1]]
    shared = depth
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    node: list[Item] = [b""] * 17
    start = 0
    if len(first) == shared:  # sorted: only the first key can end here
        node[16] = items[0][1]
        start = 1
    while start < len(items):
        nibble = items[start][0][shared]
        end = start
        while end < len(items) and items[end][0][shared] == nibble:
            end += 1
        node[nibble] = _reference(items[start:end], shared + 1, wanted, proof)
        start = end
    if shared == depth:
        return node
    encoded = encode(node)
    if proof is not None and wanted is not None and wanted[:shared] == first[:shared]:
        proof.append(encoded)
    return [_compact(first[depth:shared], leaf=False), _shortened(node, encoded)]


def _reference(
    items: list[tuple[tuple[int, ...], bytes]], depth: int, wanted: tuple[int, ...] | None, proof: list[bytes] | None
) -> Item:
    on_path = wanted is not None and wanted[:depth] == items[0][0][:depth]
    node = _build(items, depth, wanted if on_path else None, proof if on_path else None)
    encoded = encode(node)
    if on_path and proof is not None:
        proof.append(encoded)
    return _shortened(node, encoded)


def _shortened(node: Item, encoded: bytes) -> Item:
    return node if len(encoded) < 32 else keccak256(encoded)


def _compact(path: tuple[int, ...], *, leaf: bool) -> bytes:
    """Hex-prefix encoding (yellow paper, appendix C)."""
    flag = 2 if leaf else 0
    padded = (flag + 1, *path) if len(path) % 2 else (flag, 0, *path)
    return bytes(padded[i] << 4 | padded[i + 1] for i in range(0, len(padded), 2))
