"""The short encoding of typed data equals the clear one, word by word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.eip712 import TypedRequest, abi_words, domain_separator, type_hash, typed_data_digest
from clearing.base.hashing import keccak256
from clearing.schema.requests.trades import Trade, VenueMandate, VenueStatement

NETWORK = bytes(range(32))
U64 = st.integers(0, 2**64 - 1)


def clear_digest(declaration: str, values: tuple[int | bytes, ...]) -> bytes:
    struct_hash = keccak256(type_hash(declaration) + abi_words(values))
    return keccak256(b"\x19\x01" + domain_separator(NETWORK) + struct_hash)


@pytest.mark.parametrize(("kind", "fields"), [(Trade, 8), (VenueMandate, 8)])
@given(st.data())
def test_unsigned_integers_packed_at_once_give_the_clear_digest(
    kind: type[TypedRequest], fields: int, data: st.DataObject
) -> None:
    values = tuple(data.draw(st.lists(U64, min_size=fields, max_size=fields)))
    assert typed_data_digest(NETWORK, kind.SIGNED, values) == clear_digest(kind.SIGNED, values)


@pytest.mark.parametrize("odd", [2**64, 2**200, -1, b"\1" * 20, b"\2" * 32, True])
def test_a_value_that_no_short_integer_holds_is_encoded_in_the_clear_way(odd: int | bytes) -> None:
    values = (1, odd, 3, 4, 5, 6, 7, 8)
    assert typed_data_digest(NETWORK, Trade.SIGNED, values) == clear_digest(Trade.SIGNED, values)


@pytest.mark.parametrize("count", [0, 7, 9])
def test_another_number_of_values_is_encoded_in_the_clear_way(count: int) -> None:
    values = tuple(range(count))
    assert typed_data_digest(NETWORK, Trade.SIGNED, values) == clear_digest(Trade.SIGNED, values)


@given(st.binary(min_size=32, max_size=32), st.booleans())
def test_a_type_with_bytes_is_encoded_in_the_clear_way(lines: bytes, last: bool) -> None:
    values = (1, 2, 3, last, lines, 6)
    assert typed_data_digest(NETWORK, VenueStatement.SIGNED, values) == clear_digest(VenueStatement.SIGNED, values)


def test_the_clear_encoding_is_one_word_a_value() -> None:
    assert abi_words((1, b"\xaa" * 20, -1)) == bytes(31) + b"\1" + bytes(12) + b"\xaa" * 20 + b"\xff" * 32
