"""`HeaderWords`: a header as a vault is given it, 512 bytes that are read by offset.

Rule: these bytes are what a certificate is about. Module roots and deposit cursors are in them as hashes only, so that
a header found in the calldata of a vault is evidence, but no block.
"""

from functools import cached_property
from typing import Annotated

import msgspec

from clearing.base.codec import Wire
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.hashing import sha256, tag_prefix
from clearing.base.header import HEADER_TAG, Header
from clearing.base.ids import Hash32

WORDS_BYTES = 512
_NETWORK, _HEIGHT, _VALIDATORS = 1, 3, 13
"""Places of words, as `Header.words` orders them."""


class HeaderWords(Wire, frozen=True, dict=True):
    """The words of one header. What `read_header_words` did not make is not checked."""

    words: Annotated[bytes, msgspec.Meta(min_length=WORDS_BYTES, max_length=WORDS_BYTES)]

    @property
    def network(self) -> bytes:
        """Of the header."""
        return self._word(_NETWORK)

    @property
    def height(self) -> int:
        """Of the header; any number of 256 bits."""
        return int.from_bytes(self._word(_HEIGHT), "big")

    @property
    def validators_hash(self) -> bytes:
        """Hash of the set that certifies it."""
        return self._word(_VALIDATORS)

    @cached_property
    def hash(self) -> Hash32:
        """The value id."""
        return sha256(self.words)

    def _word(self, place: int) -> bytes:
        return self.words[32 * place : 32 * place + 32]


def words_of(header: Header) -> HeaderWords:
    """Those of a header."""
    return HeaderWords(header.words)


def read_header_words(data: bytes) -> HeaderWords:
    """Raises RemoteFault MALFORMED for another size or layout, and for a height beyond 63 bits."""
    found = HeaderWords(data)
    if len(data) != WORDS_BYTES or data[:32] != tag_prefix(HEADER_TAG) or found.height >> 63:
        raise RemoteFault(BaseCode.MALFORMED, "header words", bytes=len(data), head=data[:32])
    return found
