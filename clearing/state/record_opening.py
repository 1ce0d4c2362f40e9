"""Openings of state records: one record shown under a module root of a header, without any other.

Rule: the record's salt opens nothing else. Anyone who checks one trusts nothing of it: the key and the record are
its own, the root is that of a certified header.
"""

from typing import TYPE_CHECKING, Annotated

import msgspec

from clearing.base.codec import Bytes32, Wire
from clearing.base.errors import BaseCode, Bug, RemoteFault
from clearing.base.header import Header
from clearing.state.modules import Module
from clearing.state.tree import BUCKETS, DEPTH, bucket_hash, bucket_of, record_leaf_hash, record_salt, tree_node_hash

if TYPE_CHECKING:
    from clearing.state.state import State

BUCKET_LEAVES_MAX = 1 << 16
BucketPath = Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=DEPTH)]
BucketLeaves = Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=BUCKET_LEAVES_MAX)]


class RecordOpening(Wire, frozen=True):
    """Salt and neighbours of a record."""

    salt: Bytes32
    below: BucketLeaves
    """Leaves of the same bucket, before the record's."""
    above: BucketLeaves
    path: BucketPath
    """Siblings from the bucket to the module's root."""


def open_record(state: "State", module: Module, key: bytes) -> RecordOpening:
    """The opening of a record that the state has; `key` as `record_key` gives it. Raises Bug when it has none."""
    state.module_roots()
    tree, salt = state.trees[module], record_salt(state.salt, key)
    index = bucket_of(salt)
    keys, leaves = [found for found, _ in tree.bucket(index)], [leaf for _, leaf in tree.bucket(index)]
    if key not in keys:
        raise Bug(f"no record of module {module.name} has key {key.hex()}")
    at, node, path = keys.index(key), BUCKETS + index, list[bytes]()
    while node > 1:
        path.append(tree.node(node ^ 1))
        node >>= 1
    return RecordOpening(salt, tuple(leaves[:at]), tuple(leaves[at + 1 :]), tuple(path))


def check_record(header: Header, module: Module, key: bytes, record: bytes, opening: RecordOpening) -> None:
    """Check that the state after a header's block has this record. Raises RemoteFault BAD_MERKLE_PROOF."""
    found = bucket_hash((*opening.below, record_leaf_hash(opening.salt, key, record), *opening.above))
    node = BUCKETS + bucket_of(opening.salt)
    for sibling in opening.path:
        found = tree_node_hash(sibling, found) if node & 1 else tree_node_hash(found, sibling)
        node >>= 1
    roots = header.module_roots
    if len(opening.path) != DEPTH or len(roots) <= module or roots[module] != found:
        raise RemoteFault(BaseCode.BAD_MERKLE_PROOF, "record", module=module.name, root=found)
