"""A Merkle proof shows one leaf at one index of one tree, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base import merkle
from clearing.base.errors import RemoteFault
from clearing.base.merkle import MerkleTree, leaf_hash, merkle_proof, merkle_root, node_hash, verify_merkle_proof

leaves = st.lists(st.binary(max_size=8), min_size=1, max_size=40)


@given(leaves, st.data())
def test_each_leaf_is_proven_at_its_index_only(items: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(items) - 1))
    other = data.draw(st.integers(0, len(items) + 3))
    root, path = merkle_root(items), merkle_proof(items, index)
    verify_merkle_proof(root, len(items), index, items[index], path)
    # Equal leaves may have equal paths; that is no forgery.
    if other >= len(items) or items[other] != items[index]:
        with pytest.raises(RemoteFault):
            verify_merkle_proof(root, len(items), other, items[index], path)
    for count in (len(items) - 1, len(items) + 1, 2**50):
        with pytest.raises(RemoteFault):
            verify_merkle_proof(root, count, index, items[index], path)
    with pytest.raises(RemoteFault):
        verify_merkle_proof(root, len(items), index, items[index] + b"x", path)
    if path:
        with pytest.raises(RemoteFault):
            verify_merkle_proof(root, len(items), index, items[index], path[:-1])


def test_an_inner_node_is_no_leaf() -> None:
    root = merkle_root([b"a", b"b", b"c", b"d"])
    left, right = node_hash(leaf_hash(b"a"), leaf_hash(b"b")), node_hash(leaf_hash(b"c"), leaf_hash(b"d"))
    with pytest.raises(RemoteFault):
        verify_merkle_proof(root, 2, 0, left, (right,))


def test_trees_that_differ_by_empty_leaves_have_other_roots() -> None:
    assert len({merkle_root([b""] * count) for count in range(6)}) == 6


def test_a_tree_hashes_once_for_all_of_its_proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [bytes([index]) for index in range(9)]
    tree, wanted = MerkleTree(items), [merkle_proof(items, index) for index in range(9)]
    hashed: list[bytes] = []
    monkeypatch.setattr(merkle, "node_hash", lambda left, right: hashed.append(left) or node_hash(left, right))
    assert [tree.proof(index) for index in range(9)] == wanted
    assert not hashed
