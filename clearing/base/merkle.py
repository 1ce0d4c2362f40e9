"""Binary Merkle trees over SHA-256, with domain tags for leaves and nodes and a bound on the depth.

Rule: leaves and inner nodes are hashed under different tags, and the root contains the number of leaves. A proof's
length must equal the depth that this number implies, and an index beyond it is refused. Nothing is duplicated: a
missing right neighbour is the constant `EMPTY`.
"""

from collections.abc import Iterable, Sequence

from clearing.base.codec import u256
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32

LEAF_TAG = "crossclear/merkle/leaf/v1"
NODE_TAG = "crossclear/merkle/node/v1"
ROOT_TAG = "crossclear/merkle/root/v1"
EMPTY = tagged_hash("crossclear/merkle/empty/v1")
DEPTH_MAX = 40


def leaf_hash(data: bytes) -> Hash32:
    """Hash of one leaf's bytes."""
    return tagged_hash(LEAF_TAG, data)


def node_hash(left: bytes, right: bytes) -> Hash32:
    """Hash of an inner node."""
    return tagged_hash(NODE_TAG, left, right)


class MerkleTree:
    """The tree over the leaves' bytes, in order: 64 bytes a leaf, and proofs that hash nothing again."""

    def __init__(self, leaves: Iterable[bytes]) -> None:
        level: list[Hash32] = [leaf_hash(leaf) for leaf in leaves]
        self.count = len(level)
        self._levels = [level]
        while len(level) > 1:
            if len(level) % 2:
                level.append(EMPTY)
            level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
            self._levels.append(level)

    @property
    def root(self) -> Hash32:
        """Root over all leaves; their number is inside."""
        top = self._levels[-1]
        return tagged_hash(ROOT_TAG, u256(self.count), top[0] if top else EMPTY)

    def proof(self, index: int) -> tuple[Hash32, ...]:
        """Siblings from the leaf at `index` up to the root. Raises IndexError when there is no such leaf."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        return tuple(level[(index >> depth) ^ 1] for depth, level in enumerate(self._levels[:-1]))


def merkle_root(leaves: Iterable[bytes]) -> Hash32:
    """Root over the leaves' bytes, in order."""
    return MerkleTree(leaves).root


def merkle_proof(leaves: Iterable[bytes], index: int) -> tuple[Hash32, ...]:
    """Siblings of one leaf, as `MerkleTree.proof`. For several proofs, keep the tree."""
    return MerkleTree(leaves).proof(index)


def verify_merkle_proof(root: bytes, count: int, index: int, leaf: bytes, path: Sequence[bytes]) -> None:
    """Check that `leaf` is leaf `index` of the `count` leaves under `root`. Raises RemoteFault BAD_MERKLE_PROOF."""
    depth = max(count - 1, 0).bit_length()
    if not 0 <= index < count or depth > DEPTH_MAX or len(path) != depth:
        raise RemoteFault(BaseCode.BAD_MERKLE_PROOF, "shape", index=index, count=count, siblings=len(path))
    node = leaf_hash(leaf)
    for level, sibling in enumerate(path):
        node = node_hash(sibling, node) if index >> level & 1 else node_hash(node, sibling)
    if tagged_hash(ROOT_TAG, u256(count), node) != root:
        raise RemoteFault(BaseCode.BAD_MERKLE_PROOF, "root", index=index, root=root)
