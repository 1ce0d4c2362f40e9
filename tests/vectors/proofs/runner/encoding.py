"""Page "Encoding": MessagePack by the tables' types, hashes, Merkle trees, scalars and points."""

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import sha3
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from tests.vectors.proofs.runner import tables

P = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001


KINDS = ("SlotKind", "RowKind")


class Refused(Exception):
    """A check fails: (code, why)."""


class UnknownKind(Refused):
    """A slot or row is of a kind that is in no table."""


def need(holds: bool, code: str, why: str) -> None:
    if not holds:
        raise Refused(code, why)


# MessagePack.


class Reader:
    """Reads typed values. Whether they are canonical shows when they are packed again."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def whole(self, kind: str) -> Any:
        value = self.value(kind)
        need(self.at == len(self.data), "MALFORMED", "bytes after the value")
        return value

    def take(self, size: int) -> bytes:
        need(self.at + size <= len(self.data), "MALFORMED", "cut short")
        self.at += size
        return self.data[self.at - size : self.at]

    def big(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def count(self, fixed: int, below: int, codes: dict[int, int]) -> int:
        first = self.big(1)
        if fixed <= first < fixed + below:
            return first - fixed
        need(first in codes, "MALFORMED", f"type {first:#x}")
        return self.big(codes[first])

    def array(self) -> int:
        return self.count(0x90, 16, {0xDC: 2, 0xDD: 4})

    def blob(self) -> bytes:
        return self.take(self.count(0, 0, {0xC4: 1, 0xC5: 2, 0xC6: 4}))

    def word(self) -> str:
        try:
            return self.take(self.count(0xA0, 32, {0xD9: 1, 0xDA: 2, 0xDB: 4})).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("MALFORMED", "text") from None

    def integer(self) -> int:
        first = self.big(1)
        if first < 0x80:
            return first
        if first >= 0xE0:
            return first - 256
        if 0xCC <= first <= 0xCF:
            return self.big(2 ** (first - 0xCC))
        need(0xD0 <= first <= 0xD3, "MALFORMED", f"type {first:#x}")
        return int.from_bytes(self.take(2 ** (first - 0xD0)), "big", signed=True)

    def value(self, kind: str) -> Any:
        """A value of a type, as the tables name it."""
        if kind == "text":
            return self.word()
        if kind == "boolean":
            first = self.big(1)
            need(first in (0xC2, 0xC3), "MALFORMED", "boolean")
            return first == 0xC3
        if kind.startswith("integer"):
            return self._integer(kind)
        if found := re.fullmatch(r"(at most )?(?:([\d,]+) )?bytes", kind):
            return self._bytes(found)
        if kind.startswith("the text"):
            value = self.word()
            need(value in re.findall(r'"(.*?)"', kind), "MALFORMED", value[:40])
            return value
        if found := re.fullmatch(r"number of `(\w+)`", kind):
            value = self.integer()
            if value not in tables.members(found[1]):
                raise UnknownKind("MALFORMED", found[1]) if found[1] in KINDS else Refused("MALFORMED", found[1])
            return value
        if found := re.fullmatch(r"`(\w+)`", kind):
            return self.structure(found[1])
        if found := re.fullmatch(r"array \((.*)\)", kind):
            kinds = found[1].split("; ")
            need(self.array() == len(kinds), "MALFORMED", "array")
            return [self.value(each) for each in kinds]
        found = re.fullmatch(r"array(?: of ([\d,]+) to ([\d,]+) items,| of at least (\d+) items,)? of (.*)", kind)
        if found is None:
            raise ValueError(kind)
        count = self.array()
        low, high = (found[1] or found[3] or "0").replace(",", ""), (found[2] or str(2**32)).replace(",", "")
        need(int(low) <= count <= int(high), "MALFORMED", "count")
        return [self.value(found[4]) for _ in range(count)]

    def anything(self) -> Any:
        """A value of whatever type it says it is."""
        need(self.at < len(self.data), "MALFORMED", "cut short")
        first = self.data[self.at]
        if first in range(0x90, 0xA0) or first in (0xDC, 0xDD):
            return [self.anything() for _ in range(self.array())]
        if first in (0xC4, 0xC5, 0xC6):
            return self.blob()
        if first in range(0xA0, 0xC0) or first in (0xD9, 0xDA, 0xDB):
            return self.word()
        if first in (0xC2, 0xC3):
            return self.value("boolean")
        return self.integer()

    def _integer(self, kind: str) -> int:
        value = self.integer()
        if found := re.fullmatch(r"integer in \[(.+), (.+)\]", kind):
            need(tables.number(found[1]) <= value <= tables.number(found[2]), "MALFORMED", kind)
        elif found := re.fullmatch(r"integer ≥ (.+)", kind):
            need(value >= tables.number(found[1]), "MALFORMED", kind)
        return value

    def _bytes(self, found: re.Match[str]) -> bytes:
        value = self.blob()
        size = int((found[2] or "0").replace(",", ""))
        need(not size or len(value) == size or (bool(found[1]) and len(value) < size), "MALFORMED", "length")
        return value

    def structure(self, name: str) -> dict[str, Any]:
        fields, count = tables.fields(name), self.array()
        least = sum(field.default == "required" for field in fields)
        need(least <= count <= len(fields), "MALFORMED", name)
        read = {field.name: self.value(field.kind) for field in fields[:count]}
        return read | {field.name: tables.default_of(name, field) for field in fields[count:]}


def packed(value: Any) -> bytes:
    """The canonical encoding: structures as their values in order."""
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _packed_integer(value)
    if isinstance(value, str):
        data = value.encode("utf-8")
        return _head(len(data), 0xA0, 32, ((0xD9, 1), (0xDA, 2), (0xDB, 4))) + data
    if isinstance(value, bytes):
        return _head(len(value), 0, 0, ((0xC4, 1), (0xC5, 2), (0xC6, 4))) + value
    items = list(value.values()) if isinstance(value, dict) else value
    return _head(len(items), 0x90, 16, ((0xDC, 2), (0xDD, 4))) + b"".join(map(packed, items))


def _head(size: int, fixed: int, below: int, codes: Sequence[tuple[int, int]]) -> bytes:
    if size < below:
        return bytes((fixed + size,))
    code, width = next((code, width) for code, width in codes if size < 256**width)
    return bytes((code,)) + size.to_bytes(width, "big")


def _packed_integer(value: int) -> bytes:
    if -32 <= value < 128:
        return bytes((value % 256,))
    for power in range(4):
        bits = 8 * 2**power
        if 0 <= value < 2**bits:
            return bytes((0xCC + power,)) + value.to_bytes(2**power, "big")
        if -(2 ** (bits - 1)) <= value < 0:
            return bytes((0xD0 + power,)) + value.to_bytes(2**power, "big", signed=True)
    raise Refused("MALFORMED", "integer")


# Hashes.


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def keccak(data: bytes) -> bytes:
    return bytes(sha3.keccak_256(data).digest())


def tagged(tag: str, *parts: bytes) -> bytes:
    return sha(sha(tag.encode()), *parts)


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    level = [tagged("crossclear/merkle/leaf/v1", leaf) for leaf in leaves]
    empty = tagged("crossclear/merkle/empty/v1")
    while len(level) > 1:
        level += [empty] * (len(level) % 2)
        level = [tagged("crossclear/merkle/node/v1", level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return tagged("crossclear/merkle/root/v1", word(len(leaves)), level[0] if level else empty)


def leaf_path_root(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes:
    """The root that a path gives."""
    need(index < count and len(path) == (count - 1).bit_length() <= 40, "BAD_MERKLE_PROOF", "length")
    node = tagged("crossclear/merkle/leaf/v1", leaf)
    for level, sibling in enumerate(path):
        pair = (sibling, node) if index >> level & 1 else (node, sibling)
        node = tagged("crossclear/merkle/node/v1", *pair)
    return tagged("crossclear/merkle/root/v1", word(count), node)


# Scalars and points.


def scalar(data: bytes) -> int:
    value = int.from_bytes(data, "big")
    need(value < P, "BAD_SCALAR", data.hex())
    return value


@cache
def point(data: bytes) -> G1Point:
    """A point of G1. The library is asked for nothing but the group's arithmetic, so its answer is compared."""
    return _decoded(G1Point, data, 48)


@cache
def point2(data: bytes) -> G2Point:
    return _decoded(G2Point, data, 96)


def _decoded(group: Any, data: bytes, size: int) -> Any:
    need(len(data) == size and not data[0] & 0x40, "BAD_POINT", data.hex()[:96])
    try:
        found = group.from_compressed_bytes(data)
    except ValueError:
        raise Refused("BAD_POINT", data.hex()[:96]) from None
    need(bytes(found.to_compressed_bytes()) == data, "BAD_POINT", data.hex()[:96])
    return found


def padded(at: G1Point) -> bytes:
    xy = bytes(at.to_xy_bytes_be())
    return bytes(16) + xy[:48] + bytes(16) + xy[48:]


def combined(terms: Sequence[tuple[G1Point, int]]) -> G1Point:
    """Σ scalar · point."""
    scalars = [Scalar.from_le_bytes((number % P).to_bytes(32, "little")) for _, number in terms]
    return G1Point.multiexp_unchecked([at for at, _ in terms], scalars)
