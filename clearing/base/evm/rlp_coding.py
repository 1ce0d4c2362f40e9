"""RLP, the encoding of everything that an EVM chain hashes (yellow paper, appendix B).

Rule: `decode` accepts one whole canonical item or raises ValueError, at any nesting of the bytes. Implemented here,
because the package verifier must start fast, and importing the library takes longer than everything else it loads.
"""

from collections.abc import Sequence
from typing import TypeAlias, Union

Item: TypeAlias = Union[bytes, "list[Item]"]
Encodable: TypeAlias = Union[bytes, int, "Sequence[Encodable]"]

DEPTH_MAX = 64
"""Limit of nested lists. A trie node is inline only where it is shorter than 32 bytes."""
_SHORT = 55
_STRING, _LIST = 0x80, 0xC0


def encode(item: Encodable) -> bytes:
    """Bytes, non-negative integers (big-endian, minimal) and sequences of them."""
    if isinstance(item, int):
        if item < 0:
            raise ValueError(f"a negative integer has no encoding, got {item}")
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if isinstance(item, bytes):
        return bytes(item) if len(item) == 1 and item[0] < _STRING else _head(_STRING, len(item)) + item
    body = b"".join(map(encode, item))
    return _head(_LIST, len(body)) + body


def decode(data: bytes) -> Item:
    """The encoded item. Raises ValueError for anything but one whole canonical item."""
    item, end = _read(data, 0, len(data), DEPTH_MAX)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes after the item")
    return item


def _head(base: int, size: int) -> bytes:
    if size <= _SHORT:
        return bytes((base + size,))
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((base + _SHORT + len(length),)) + length


def _read(data: bytes, at: int, limit: int, depth: int) -> tuple[Item, int]:
    """The item at `at`, which must end at or before `limit`, and where it ends."""
    if at >= limit:
        raise ValueError("an item is missing")
    first = data[at]
    if first < _STRING:
        return data[at : at + 1], at + 1
    start, end = _extent(data, at, first - (_LIST if first >= _LIST else _STRING))
    if end > limit:
        raise ValueError("an item ends beyond its list")
    if first < _LIST:
        if end - start == 1 and data[start] < _STRING:
            raise ValueError("a byte that is its own encoding has a prefix")
        return data[start:end], end
    if depth == 0:
        raise ValueError("nested too deeply")
    items: list[Item] = []
    at = start
    while at < end:
        item, at = _read(data, at, end, depth - 1)
        items.append(item)
    return items, end


def _extent(data: bytes, at: int, size: int) -> tuple[int, int]:
    """Where an item's content begins and ends; `size` is the length code in its first byte."""
    if size <= _SHORT:
        return at + 1, at + 1 + size
    start = at + 1 + size - _SHORT
    length = data[at + 1 : start]
    if len(length) != size - _SHORT or length[0] == 0:
        raise ValueError("a length is cut short or begins with zero")
    content_bytes = int.from_bytes(length, "big")
    if content_bytes <= _SHORT:
        raise ValueError("a short item has a long length")
    return start, start + content_bytes
