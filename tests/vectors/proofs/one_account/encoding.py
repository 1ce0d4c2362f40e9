"""Page "Encoding": MessagePack in its shortest form, tags, Merkle trees, scalars, points of G₁."""

from hashlib import sha256
from typing import Any

from py_ecc.optimized_bls12_381 import FQ, multiply
from py_ecc.optimized_bls12_381 import curve_order as p
from py_ecc.optimized_bls12_381 import field_modulus as q

Point = tuple[Any, Any, Any]


class Refused(Exception):
    """A check failed: its name and the code's name."""


def need(good: bool, check: str, code: str) -> None:
    if not good:
        raise Refused(check, code)


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def tagged(tag: str, *data: bytes) -> bytes:
    return sha256(sha256(tag.encode()).digest() + b"".join(data)).digest()


class Reader:
    """MessagePack in its shortest form."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        need(self.at + count <= len(self.data), "encoding", "MALFORMED")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def value(self) -> Any:
        first = self.number(1)
        if first < 0x80:
            return first
        if first >= 0xE0:
            return first - 256
        if first < 0xA0:
            need(first >= 0x90, "encoding", "MALFORMED")  # a map
            return [self.value() for _ in range(first - 0x90)]
        if first < 0xC0:
            return self.take(first - 0xA0).decode()
        match first:
            case 0xC2 | 0xC3:
                return first == 0xC3
            case 0xC4 | 0xC5 | 0xC6:
                return self.take(self.number(1 << first - 0xC4))
            case 0xCC | 0xCD | 0xCE | 0xCF:
                return self.number(1 << first - 0xCC)
            case 0xD0 | 0xD1 | 0xD2 | 0xD3:
                return int.from_bytes(self.take(1 << first - 0xD0), "big", signed=True)
            case 0xD9 | 0xDA | 0xDB:
                return self.take(self.number(1 << first - 0xD9)).decode()
            case 0xDC | 0xDD:
                return [self.value() for _ in range(self.number(2 << first - 0xDC))]
        raise Refused("encoding", "MALFORMED")


def head(count: int, small: int, limit: int, *forms: tuple[int, int]) -> bytes:
    if count < limit:
        return bytes([small + count])
    form, size = next(each for each in forms if count < 256 ** each[1])
    return bytes([form]) + count.to_bytes(size, "big")


def written(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        if value >= 0:
            return head(value, 0, 128, (0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8))
        if value >= -32:
            return bytes([value + 256])
        form, size = next(
            each for each in ((0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8)) if value >= -(256 ** each[1]) // 2
        )
        return bytes([form]) + value.to_bytes(size, "big", signed=True)
    if isinstance(value, bytes):
        return head(len(value), 0, 0, (0xC4, 1), (0xC5, 2), (0xC6, 4)) + value
    if isinstance(value, str):
        text = value.encode()
        return head(len(text), 0xA0, 32, (0xD9, 1), (0xDA, 2), (0xDB, 4)) + text
    return head(len(value), 0x90, 16, (0xDC, 2), (0xDD, 4)) + b"".join(map(written, value))


def merkle_root(leaves: list[bytes]) -> bytes:
    empty = tagged("crossclear/merkle/empty/v1")
    level = [tagged("crossclear/merkle/leaf/v1", leaf) for leaf in leaves]
    while len(level) > 1:
        level += [empty] * (len(level) % 2)
        level = [tagged("crossclear/merkle/node/v1", level[i] + level[i + 1]) for i in range(0, len(level), 2)]
    return tagged("crossclear/merkle/root/v1", word(len(leaves)) + (level[0] if level else empty))


def scalar(data: bytes) -> int:
    value = int.from_bytes(data, "big")
    need(value < p, "solvency", "BAD_SCALAR")
    return value


def g1(data: bytes, check: str) -> Point:
    """A point of G₁ in 48 bytes."""
    flags, x = data[0] >> 5, int.from_bytes(bytes([data[0] & 0x1F]) + data[1:], "big")
    need(len(data) == 48 and flags in (4, 5) and x < q, check, "BAD_POINT")
    y = pow(x**3 + 4, (q + 1) // 4, q)
    need(y * y % q == (x**3 + 4) % q, check, "BAD_POINT")
    y = y if (y > (q - 1) // 2) == (flags == 5) else q - y
    point = (FQ(x), FQ(y), FQ(1))
    need(multiply(point, p)[2] == FQ(0), check, "BAD_POINT")
    return point
