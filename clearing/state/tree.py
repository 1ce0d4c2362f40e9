"""`ModuleTree`: the root of one module of the state, rehashed only where records changed.

Rule: 4096 buckets under a binary tree of fixed depth 12. A record's salt selects its bucket. Its leaf is H(salt, key,
record) with salt = HMAC-SHA256(state salt, key). Without the state salt nobody can guess a record from a leaf, or
direct many records into one bucket. A validator opens one record by disclosing its salt, bucket and path. It must not
know what records mean.
"""

import hmac
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import sha256

from clearing.base.hashing import tag_prefix
from clearing.base.ids import Hash32

DEPTH = 12
BUCKETS = 1 << DEPTH
_LEAF_TAG = tag_prefix("crossclear/state/leaf/v1")
_BUCKET_TAG = tag_prefix("crossclear/state/bucket/v1")
_NODE_TAG = tag_prefix("crossclear/state/node/v1")


def _empty_levels() -> tuple[bytes, ...]:
    """Hashes of empty subtrees by height above the buckets."""
    level = sha256(_BUCKET_TAG).digest()
    levels = [level]
    for _ in range(DEPTH):
        level = sha256(_NODE_TAG + level + level).digest()
        levels.append(level)
    return tuple(levels)


_EMPTY = _empty_levels()


def record_leaf_hash(salt: bytes, key: bytes, record: bytes) -> bytes:
    """A record's leaf. `key` and `record` are canonical encodings, `key` of fixed arity, so bytes cannot shift
    between them."""
    return sha256(_LEAF_TAG + salt + sha256(key).digest() + record).digest()


def record_salt(state_salt: bytes, key: bytes) -> bytes:
    """The 32 secret bytes that open one record's leaf and choose its bucket."""
    return hmac.digest(state_salt, key, "sha256")


def bucket_of(salt: bytes) -> int:
    """Bucket of a record: the first 12 bits of its salt."""
    return int.from_bytes(salt[:2], "big") >> 4


def bucket_hash(leaves: Iterable[bytes]) -> bytes:
    """Hash of a bucket's leaves, in the order of their keys."""
    return sha256(_BUCKET_TAG + b"".join(leaves)).digest()


def tree_node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return sha256(_NODE_TAG + left + right).digest()


class ModuleTree:
    """Nodes by heap index: 1 is the root, `BUCKETS + b` the hash of bucket b. Overlaid like a `Table`."""

    __slots__ = ("buckets", "nodes", "parent")

    def __init__(self, parent: "ModuleTree | None" = None) -> None:
        self.parent = parent
        self.nodes: dict[int, bytes] = {}
        self.buckets: dict[int, tuple[tuple[bytes, bytes], ...]] = {}

    @property
    def root(self) -> Hash32:
        """Root as of the last update."""
        return Hash32(self.node(1))

    def node(self, index: int) -> bytes:
        """Hash of one node."""
        tree: ModuleTree | None = self
        while tree is not None:
            found = tree.nodes.get(index)
            if found is not None:
                return found
            tree = tree.parent
        return _EMPTY[DEPTH + 1 - index.bit_length()]

    def bucket(self, index: int) -> tuple[tuple[bytes, bytes], ...]:
        """(key, leaf) of one bucket, ordered by key."""
        tree: ModuleTree | None = self
        while tree is not None:
            found = tree.buckets.get(index)
            if found is not None:
                return found
            tree = tree.parent
        return ()

    def update(self, state_salt: bytes, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Set (key, record) pairs, None for a removed record, and rehash the touched buckets and their paths."""
        touched: dict[int, list[tuple[bytes, bytes]]] = {}
        for key, record in changes:
            salt = record_salt(state_salt, key)
            index = bucket_of(salt)
            entries = touched.get(index)
            if entries is None:
                entries = touched[index] = list(self.bucket(index))
            at = bisect_left(entries, (key, b""))
            is_present = at < len(entries) and entries[at][0] == key
            if record is None:
                if is_present:
                    del entries[at]
            elif is_present:
                entries[at] = (key, record_leaf_hash(salt, key, record))
            else:
                entries.insert(at, (key, record_leaf_hash(salt, key, record)))
        for index, entries in touched.items():
            self.buckets[index] = tuple(entries)
            self.nodes[BUCKETS + index] = sha256(_BUCKET_TAG + b"".join([leaf for _, leaf in entries])).digest()
        nodes, level = self.nodes, {(BUCKETS + index) >> 1 for index in touched}
        below = nodes if self.parent is None else self.parent.nodes
        while level:
            for index in level:
                # One of the two children was rehashed here, mostly; the other is in the parent, mostly.
                left = nodes.get(2 * index) or below.get(2 * index) or self.node(2 * index)
                right = nodes.get(2 * index + 1) or below.get(2 * index + 1) or self.node(2 * index + 1)
                nodes[index] = sha256(_NODE_TAG + left + right).digest()
            level = {index >> 1 for index in level if index > 1}

    def fork(self) -> "ModuleTree":
        """A tree that shares all of this one's nodes."""
        return ModuleTree(self)

    def absorb(self) -> None:
        """Merge what was rehashed here into the parent."""
        if self.parent is None:
            return
        self.parent.nodes.update(self.nodes)
        self.parent.buckets.update(self.buckets)
        self.nodes, self.buckets = {}, {}
