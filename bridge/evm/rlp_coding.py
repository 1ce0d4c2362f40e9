"""RLP with types and one kind of error.

Rule: `decode` accepts one whole canonical item or raises ValueError, however the bytes are nested.
"""

from collections.abc import Sequence
from typing import TypeAlias, Union

import rlp  # type: ignore[import-untyped]

Item: TypeAlias = Union[bytes, "list[Item]"]
Encodable: TypeAlias = Union[bytes, int, "Sequence[Encodable]"]


def encode(item: Encodable) -> bytes:
    """Bytes, non-negative integers (big-endian, minimal) and sequences of such."""
    encoded: bytes = rlp.encode(item)
    return encoded


def decode(data: bytes) -> Item:
    """The item that is encoded. Raises ValueError for anything but one whole canonical item."""
    try:
        item: Item = rlp.decode(data, strict=True)
    except (rlp.exceptions.RLPException, RecursionError) as error:
        raise ValueError(str(error)[:200]) from None
    return item
