"""Keccak-256 is Ethereum's, by two libraries that share no code."""

from Crypto.Hash import keccak
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.hashing import keccak256

RATE = 136


@given(st.one_of(st.binary(max_size=1000), st.integers(0, 4 * RATE).map(bytes)))
def test_keccak_is_what_another_library_computes(data: bytes) -> None:
    assert keccak256(data) == keccak.new(digest_bits=256, data=data).digest()


def test_keccak_of_nothing_is_that_of_an_account_without_code() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
