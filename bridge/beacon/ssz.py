"""Hash tree roots and Merkle branches of SSZ, as far as the light client's containers need them.

Rule: SHA-256 over 32-byte chunks, after consensus specifications, ssz/simple-serialize.md and ssz/merkle-proofs.md.
Written here, because the containers are six of fixed shape: a library for any shape would be more code to trust.
"""

from collections.abc import Sequence

from clearing.base.hashing import sha256

ZERO = bytes(32)


def merkle_root(chunks: Sequence[bytes]) -> bytes:
    """The root over chunks of 32 bytes, filled up with zero chunks to a power of two. At least one chunk."""
    level = list(chunks)
    zero = ZERO
    while len(level) > 1:
        if len(level) % 2:
            level.append(zero)
        level = [sha256(level[i] + level[i + 1]) for i in range(0, len(level), 2)]
        zero = sha256(zero + zero)
    return level[0]


def uint_chunk(value: int) -> bytes:
    """The chunk of a `uint64` or `uint256`. Raises OverflowError outside [0, 2^256)."""
    return value.to_bytes(32, "little")


def vector_root(data: bytes) -> bytes:
    """The root of a byte vector of 1 byte or more."""
    return merkle_root([data[i : i + 32].ljust(32, b"\0") for i in range(0, len(data), 32)])


def short_list_root(data: bytes) -> bytes:
    """The root of a byte list of at most 32 bytes (`ByteList[32]`)."""
    return sha256(data.ljust(32, b"\0") + uint_chunk(len(data)))


def depth_of(generalized_index: int) -> int:
    """Nodes in the branch of a generalized index: `floorlog2`."""
    return generalized_index.bit_length() - 1


def is_branch(leaf: bytes, branch: Sequence[bytes], generalized_index: int, root: bytes) -> bool:
    """Whether `branch` leads from `leaf` at `generalized_index` to `root`.

    A longer branch may begin with zero nodes: so is an older one written in the form of a newer fork
    (altair/light-client/sync-protocol.md, `is_valid_normalized_merkle_branch`).
    """
    depth = depth_of(generalized_index)
    extra = len(branch) - depth
    if extra < 0 or any(node != ZERO for node in branch[:extra]):
        return False
    node = leaf
    for height, sibling in enumerate(branch[extra:]):
        is_right = generalized_index >> height & 1
        node = sha256(sibling + node if is_right else node + sibling)
    return node == root
