"""Merkle-Patricia trie look-ups over supplied nodes.

Rule (yellow paper, appendix D): a node is referenced by its Keccak hash, or inline where its encoding is shorter than
32 bytes. Presence and absence of a key are both proven. The caller supplies the nodes and the trusted root.
"""

from collections.abc import Callable

from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.evm.rlp_coding import Item, decode, encode
from clearing.base.hashing import keccak256

EMPTY_ROOT = keccak256(encode(b""))
NodeLookup = Callable[[bytes], bytes]
"""Returns the encoding of the node with this hash; raises RemoteFault when there is none. It must check the hash."""


def lookup(root: bytes, key: bytes, node_of: NodeLookup) -> bytes | None:
    """The value of `key` under `root`; None when the nodes prove that there is none.

    Raises RemoteFault BAD_TRIE_PROOF for invalid nodes, and what `node_of` raises.
    """
    if root == EMPTY_ROOT:
        return None
    path = nibbles(key)
    reference: Item = root
    while True:
        found = _descend(_node(reference, node_of), path)
        if found is None:
            return None
        reference, path, done = found
        if done:
            break
    if not isinstance(reference, bytes) or not reference:
        raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "value", nibbles=len(path))
    return reference


def nibbles(key: bytes) -> tuple[int, ...]:
    """Two nibbles a byte, the upper first."""
    return tuple(nibble for byte in key for nibble in (byte >> 4, byte & 15))


def _node(reference: Item, node_of: NodeLookup) -> list[Item]:
    node = reference
    if isinstance(node, bytes):
        if len(node) != 32:
            raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "reference", bytes=len(node))
        encoded = node_of(node)
        try:
            node = decode(encoded)
        except ValueError:
            raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "encoding", bytes=len(encoded)) from None
    if not isinstance(node, list):
        raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "node", bytes=len(node))
    return node


def _descend(node: list[Item], path: tuple[int, ...]) -> tuple[Item, tuple[int, ...], bool] | None:
    """The next item on `path`, the rest of the path, and whether the item is the value; None where the path ends."""
    if len(node) == 17:
        item, rest = (node[path[0]], path[1:]) if path else (node[16], ())
        return (item, rest, not path) if item else None
    compact = node[0] if len(node) == 2 else b""
    if isinstance(compact, bytes) and compact:
        flag, own = compact[0] >> 4, nibbles(compact)
        own = own[1:] if flag & 1 else own[2:]
        is_leaf = flag >= 2
        if flag < 4 and (flag & 1 or not compact[0] & 15) and (own or is_leaf):
            if is_leaf:
                return (node[1], (), True) if own == path else None
            return (node[1], path[len(own) :], False) if path[: len(own)] == own else None
    raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "node", items=len(node))
