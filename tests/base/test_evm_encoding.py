"""RLP and tries: our reading of them against the library's, against the builder, and under hostile bytes."""

import pytest
import rlp
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.evm.receipts import trie_root
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.evm.rlp_coding import DEPTH_MAX, decode, encode
from clearing.base.evm.trie import EMPTY_ROOT, lookup
from clearing.base.hashing import keccak256
from tests.kit.evm_state import all_nodes
from tests.kit.refusals import refused

items = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=5), max_leaves=12)
keys = st.binary(max_size=3)


def as_lists(item):
    return item if isinstance(item, bytes) else [as_lists(each) for each in item]


@given(items)
@example(b"a" * 55)
@example(b"a" * 56)
@example([b"a" * 54])
@example([b"a" * 55])
@example(b"\x7f")
@example(b"\x80")
def test_every_item_is_encoded_as_the_library_does_and_read_back(item):
    assert encode(item) == rlp.encode(item)
    assert decode(encode(item)) == item


@given(st.integers(0, 2**300))
def test_integers_are_minimal_and_big_endian(number):
    assert encode(number) == rlp.encode(number)


def test_a_negative_integer_has_no_encoding():
    with pytest.raises(ValueError, match="negative"):
        encode(-1)


def lossless(data):
    try:
        return as_lists(rlp.decode(data, strict=True))
    except (rlp.exceptions.RLPException, RecursionError):
        return None


@settings(max_examples=400)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.tuples(items, st.integers(0, 90), st.binary(min_size=1, max_size=2)).map(
            lambda drawn: (data := encode(drawn[0]))[: drawn[1]] + drawn[2] + data[drawn[1] + 1 :]
        ),
    )
)
@example(b"\x81\x7f")
@example(b"\xb8\x37" + b"a" * 55)
@example(b"\xb9\x00\x38" + b"a" * 56)
@example(b"\xf8\x37" + b"a" * 55)
@example(b"\xbf" + b"\xff" * 8)
@example(b"\xc1\x83ab")
@example(b"")
def test_bytes_are_an_item_exactly_when_the_library_says_so(data):
    wanted = lossless(data)
    if wanted is None:
        with pytest.raises(ValueError):
            decode(data)
    else:
        assert decode(data) == wanted


def nested(depth):
    """Lists in lists, as bytes."""
    data = b"\x80"
    for _ in range(depth):
        size = len(data)
        length = size.to_bytes((size.bit_length() + 7) // 8, "big")
        data = (bytes((0xC0 + size,)) if size < 56 else bytes((0xF7 + len(length),)) + length) + data
    return data


@pytest.mark.parametrize("depth", [DEPTH_MAX + 1, 10_000])
def test_nesting_is_bounded(depth):
    assert encode(decode(nested(DEPTH_MAX))) == nested(DEPTH_MAX)
    with pytest.raises(ValueError, match="deeply"):
        decode(nested(depth))


@settings(max_examples=150)
@given(st.dictionaries(keys, st.binary(min_size=1, max_size=40), max_size=24), st.lists(keys, max_size=8))
def test_a_walk_finds_what_the_trie_holds_and_that_it_holds_nothing_else(held, others):
    nodes = all_nodes(held)
    for key in (*held, *others):
        assert lookup(trie_root(held), key, nodes.__getitem__) == held.get(key)


def test_the_empty_trie_holds_nothing_and_needs_no_node():
    assert lookup(EMPTY_ROOT, b"key", {}.__getitem__) is None


BRANCH = [b""] * 16


@pytest.mark.parametrize(
    "node",
    [
        b"\x83dog",  # no list
        encode([]),
        encode([b""] * 16),
        encode([b""] * 18),
        encode([b"", b"value"]),  # a path without its flag
        encode([b"\x40", b"value"]),  # an unknown flag
        encode([b"\x01\x23", b"\x11" * 32]),  # an even path with a nibble in the flag's byte
        encode([b"\x00", b"\x11" * 32]),  # an extension that extends nothing
        encode([b"\x20\x6b", b""]),  # a leaf without a value
        encode([b"\x20\x6b", [b"value"]]),  # a leaf whose value is a list
        encode([b"\x16", b"\x11" * 31]),  # a reference that is no hash
        encode([[b"\x20"], b"value"]),  # a path that is a list
        encode([*BRANCH[:6], b"\x11" * 33, *BRANCH[7:], b""]),
        b"\xc0\x00",
        # What lies beside the path of 6b is checked too.
        encode([*BRANCH, [b"value"]]),  # a branch whose value is a list
        encode([b"\x01", *BRANCH[1:], b""]),  # an item that is neither empty nor a hash
        encode([[b"\x20" + b"\x11" * 30, b"value"], *BRANCH[1:], b""]),  # an inline node of more than 31 bytes
        encode([[b"\x20\x11", b""], *BRANCH[1:], b""]),  # an inline leaf without a value
        encode([b"\x21", [b"value"]]),  # another leaf, whose value is a list
        encode([b"\x11", b"\x11" * 31]),  # another extension, to what is no hash
    ],
)
def test_nodes_of_no_trie_are_refused(node):
    with refused(BaseCode.BAD_TRIE_PROOF):
        lookup(keccak256(node), b"\x6b", {keccak256(node): node}.__getitem__)


def test_an_inline_node_may_have_31_bytes():
    inline = [b"\x3b" + b"\x11" * 14, b"\x22" * 13]
    node = encode([*BRANCH[:6], inline, *BRANCH[7:], b""])
    assert len(encode(inline)) == 31
    assert lookup(keccak256(node), b"\x6b" + b"\x11" * 14, {keccak256(node): node}.__getitem__) == inline[1]


def test_a_node_that_an_earlier_look_up_read_is_not_asked_for_again():
    nodes, decoded, asked = all_nodes({b"do": b"verb" * 9, b"dog": b"puppy" * 9, b"horse": b"stallion" * 9}), {}, []

    def node_of(hash_):
        asked.append(hash_)
        return nodes[hash_]

    root = trie_root({b"do": b"verb" * 9, b"dog": b"puppy" * 9, b"horse": b"stallion" * 9})
    for key in (b"do", b"dog", b"horse", b"do", b"dog", b"cat"):
        lookup(root, key, node_of, decoded)
    assert sorted(asked) == sorted(decoded) == sorted(set(asked))


@given(st.binary(max_size=120), st.binary(max_size=4))
def test_random_nodes_prove_a_value_or_none_and_raise_nothing_else(node, key):
    try:
        lookup(keccak256(node), key, {keccak256(node): node}.__getitem__)
    except RemoteFault as fault:
        assert fault.code == BaseCode.BAD_TRIE_PROOF
    except KeyError:
        pass  # it refers to another node
