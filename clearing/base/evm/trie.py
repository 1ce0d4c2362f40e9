"""Reading a Merkle-Patricia trie through the nodes that somebody shows.

Rule (yellow paper, appendix D): a node is referenced by its Keccak hash, or stands inline where its encoding is shorter
than 32 bytes. What a path leads to is proven, and so is that it leads nowhere. Who shows the nodes, and which root is
true, is the caller's business.
"""

from collections.abc import Callable

from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.evm.rlp_coding import Item, decode, encode
from clearing.base.hashing import keccak256

EMPTY_ROOT = keccak256(encode(b""))

NodeLookup = Callable[[bytes], bytes]
"""Hash to the encoding of the node that has it; raises RemoteFault when there is none. The hash is the giver's care."""


def lookup(root: bytes, key: bytes, node_of: NodeLookup) -> bytes | None:
    """The value of `key` under `root`, None when the nodes prove that there is none.

    Raises RemoteFault BAD_TRIE_PROOF for nodes of no trie, and what `node_of` raises.
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
    """Two a byte, the upper first."""
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
    """What comes next on `path`, what remains of it, and whether that is the value; None where the path ends."""
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
