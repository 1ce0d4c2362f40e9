"""Merkle-Patricia trie look-ups over supplied nodes.

Rule (yellow paper, appendix D): a node is referenced by its Keccak hash, or inline where its encoding is shorter than
32 bytes. Presence and absence of a key are both proven. The caller supplies the nodes and the trusted root. A node is
decoded and its shape is checked once, as a whole: what lies beside the path costs its bytes and not a look-up each.
"""

from collections.abc import Callable

from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.evm.rlp_coding import Item, decode, encode
from clearing.base.hashing import keccak256

EMPTY_ROOT = keccak256(encode(b""))
NodeLookup = Callable[[bytes], bytes]
"""Returns the encoding of the node with this hash; raises RemoteFault when there is none. It must check the hash."""
DecodedNodes = dict[bytes, list[Item]]
"""Nodes that were asked for before, by hash."""
INLINE_BYTES_MAX = 31
"""A longer node is referenced by its hash."""
_HASH_BYTES, _BRANCH_ITEMS, _CHILDREN = 32, 17, 16


def lookup(root: bytes, key: bytes, node_of: NodeLookup, decoded: DecodedNodes | None = None) -> bytes | None:
    """The value of `key` under `root`; None when the nodes prove that there is none.

    `decoded`: nodes of earlier look-ups in the same trie, which are not asked for again; new ones are added.
    Raises RemoteFault BAD_TRIE_PROOF for invalid nodes, and what `node_of` raises.
    """
    if root == EMPTY_ROOT:
        return None
    known = {} if decoded is None else decoded
    path = nibbles(key)
    reference: Item = root
    while True:
        found = _descend(_node(reference, node_of, known), path)
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


def _node(reference: Item, node_of: NodeLookup, known: DecodedNodes) -> list[Item]:
    """The node that a reference names. An inline node was checked with the node that has it."""
    if isinstance(reference, list):
        return reference
    if len(reference) != _HASH_BYTES:
        raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "reference", bytes=len(reference))
    if reference not in known:
        known[reference] = _decoded(node_of(reference))
    return known[reference]


def _decoded(encoded: bytes) -> list[Item]:
    """A node of its encoding, whose every item may stand in a node. Raises RemoteFault BAD_TRIE_PROOF."""
    try:
        node = decode(encoded)
    except ValueError:
        raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "encoding", bytes=len(encoded)) from None
    if not isinstance(node, list) or not _is_node(node):
        raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "node", bytes=len(encoded))
    return node


def _is_node(node: list[Item]) -> bool:
    """Whether it is a branch of 16 references and a value, or a compact path with a value or a reference."""
    if len(node) == _BRANCH_ITEMS:
        return isinstance(node[_CHILDREN], bytes) and all(
            child == b"" or _is_reference(child) for child in node[:_CHILDREN]
        )
    compact, below = node if len(node) == 2 else (b"", b"")
    if not isinstance(compact, bytes) or not compact:
        return False
    flag = compact[0] >> 4
    if flag >= 4 or (not flag & 1 and compact[0] & 15):
        return False
    if flag >= 2:
        return isinstance(below, bytes) and below != b""
    return (bool(flag & 1) or len(compact) > 1) and _is_reference(below)


def _is_reference(item: Item) -> bool:
    """Whether it is a hash, or a node short enough to be inline."""
    if isinstance(item, bytes):
        return len(item) == _HASH_BYTES
    return len(encode(item)) <= INLINE_BYTES_MAX and _is_node(item)


def _descend(node: list[Item], path: tuple[int, ...]) -> tuple[Item, tuple[int, ...], bool] | None:
    """The next item on `path`, the rest of the path, and whether the item is the value; None where the path ends."""
    if len(node) == _BRANCH_ITEMS:
        item, rest = (node[path[0]], path[1:]) if path else (node[_CHILDREN], ())
        return (item, rest, not path) if item else None
    compact = node[0]
    if not isinstance(compact, bytes):
        raise RemoteFault(BaseCode.BAD_TRIE_PROOF, "node", items=len(node))
    own = nibbles(compact)
    own, is_leaf = own[1:] if compact[0] >> 4 & 1 else own[2:], compact[0] >> 4 >= 2
    if is_leaf:
        return (node[1], (), True) if own == path else None
    return (node[1], path[len(own) :], False) if path[: len(own)] == own else None
