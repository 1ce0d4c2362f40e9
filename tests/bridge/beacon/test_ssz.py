"""Roots and branches of SSZ: by their definition, and for no other place or depth than the one meant."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.beacon.ssz import ZERO, depth_of, is_branch, merkle_root, short_list_root, uint_chunk, vector_root
from clearing.base.hashing import sha256
from tests.kit.bridge.beacon_chain import Tree

CHUNK = st.binary(min_size=32, max_size=32)


def defined_root(chunks: list[bytes], width: int) -> bytes:
    """ssz/simple-serialize.md, "Merkleization": over `width` leaves, a power of two."""
    if width == 1:
        return chunks[0] if chunks else ZERO
    half = width // 2
    return sha256(defined_root(chunks[:half], half) + defined_root(chunks[half:], half))


@given(st.lists(CHUNK, min_size=1, max_size=40))
def test_a_root_is_over_the_next_power_of_two_of_chunks(chunks: list[bytes]) -> None:
    assert merkle_root(chunks) == defined_root(chunks, 1 << (len(chunks) - 1).bit_length())


def test_bytes_and_numbers_fill_chunks_from_the_left() -> None:
    assert uint_chunk(0x0102) == b"\x02\x01" + bytes(30)
    assert vector_root(b"\x07" * 20) == b"\x07" * 20 + bytes(12)
    assert vector_root(b"\x07" * 48) == sha256(b"\x07" * 48 + bytes(16))
    assert short_list_root(b"ab") == sha256(b"ab".ljust(32, b"\0") + uint_chunk(2))
    assert short_list_root(b"") != short_list_root(b"\0")


@given(st.integers(2, 255), CHUNK)
def test_a_branch_holds_for_its_own_place_and_depth_only(index: int, leaf: bytes) -> None:
    tree = Tree({index: leaf})
    branch = [bytes.fromhex(node[2:]) for node in tree.branch(index)]
    root = tree.node(1)
    assert is_branch(leaf, branch, index, root)
    assert is_branch(leaf, [ZERO, ZERO, *branch], index, root)
    assert not is_branch(leaf, [leaf, *branch], index, root) or leaf == ZERO
    assert not is_branch(leaf, branch, index ^ 1, root)
    assert not is_branch(sha256(leaf), branch, index, root)
    assert len(branch) == depth_of(index)


def test_a_node_above_is_not_taken_for_the_leaf() -> None:
    """A branch too short leads to the root from a node that stands higher."""
    tree = Tree({})
    above = [bytes.fromhex(node[2:]) for node in tree.branch(3)]
    tree = Tree({2: above[0], 3: b"\3" * 32})
    assert is_branch(b"\3" * 32, above, 3, tree.node(1))
    assert not is_branch(b"\3" * 32, above, 5, tree.node(1))
