"""Hashing, the transcript and MessagePack for the slow verifier, from `proofs/notes/protocol.md`.

Rule: hashlib and integers; nothing of the code.
"""

import hashlib
from typing import Any

P = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def tagged(tag: str, *parts: bytes) -> bytes:
    return sha(sha(tag.encode()), *parts)


class Script:
    """state' = SHA-256(state ‖ H(label) ‖ H(type) ‖ length in 8 bytes ‖ data)."""

    def __init__(self, protocol: str):
        self.state = tagged("crossclear/transcript/v1", sha(protocol.encode()))

    def put(self, label: str, kind: str, data: bytes) -> None:
        self.state = sha(self.state, sha(label.encode()), sha(kind.encode()), len(data).to_bytes(8, "big"), data)

    def number(self, label: str, value: int, kind: str = "integer") -> None:
        self.put(label, kind, value.to_bytes(32, "big"))

    def draw(self, label: str) -> int:
        self.put(label, "challenge", b"")
        return int.from_bytes(sha(self.state, b"\x00") + sha(self.state, b"\x01"), "big") % P

    def fork(self, protocol: str) -> "Script":
        other = Script(protocol)
        other.put("parent", "bytes", self.state)
        return other


def packed(value: Any) -> bytes:
    """MessagePack in its shortest form, of what statements are made of."""
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return packed_integer(value)
    if isinstance(value, str):
        return packed_head(len(value.encode()), 0xA0, 32, (0xD9, 0xDA, 0xDB)) + value.encode()
    if isinstance(value, bytes):
        return packed_head(len(value), 0, 0, (0xC4, 0xC5, 0xC6)) + value
    if value is None:
        return b"\xc0"
    return packed_head(len(value), 0x90, 16, (None, 0xDC, 0xDD)) + b"".join(map(packed, value))


def packed_head(length: int, fixed: int, below: int, codes: tuple[int | None, int, int]) -> bytes:
    if length < below:
        return bytes([fixed | length])
    for code, size in zip(codes, (1, 2, 4), strict=True):
        if code is not None and length < 256**size:
            return bytes([code]) + length.to_bytes(size, "big")
    raise OverflowError(length)


def packed_integer(value: int) -> bytes:
    if -32 <= value < 128:
        return (value % 256).to_bytes(1, "big")
    for power, size in enumerate((1, 2, 4, 8)):
        if 0 <= value < 256**size:
            return bytes([0xCC + power]) + value.to_bytes(size, "big")
        if -(256**size) // 2 <= value < 0:
            return bytes([0xD0 + power]) + value.to_bytes(size, "big", signed=True)
    raise OverflowError(value)
