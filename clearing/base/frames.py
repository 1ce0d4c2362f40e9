"""Frames of an append-only file: what a crash may have torn, and what only a damaged disk can have done.

Layout: magic (4 bytes), u32 length, u32 CRC-32 of the payload, u32 CRC-32 of these twelve bytes, payload; big-endian.
Rule: frames are written in order, so only the last one can be torn: a torn tail is cut, a bad frame with a good one
behind it is refused. A payload is chosen by others, so it is never searched for frames while its own length can be
believed. Knows no file.
"""

from collections.abc import Callable
from typing import TypeVar
from zlib import crc32

from clearing.base.errors import BaseCode, RemoteFault

T = TypeVar("T")
HEAD_BYTES = 16


def encode_frame(magic: bytes, payload: bytes) -> bytes:
    """One frame."""
    head = magic + len(payload).to_bytes(4, "big") + crc32(payload).to_bytes(4, "big")
    return head + crc32(head).to_bytes(4, "big") + payload


def split_frames(magic: bytes, data: bytes, read: Callable[[bytes], T]) -> tuple[list[T], int]:
    """What `read` makes of each payload, and how many bytes of `data` are good; behind them is a torn tail.

    `read` raises RemoteFault for a payload that is none. Raises RemoteFault DAMAGED for damage before the tail.
    """
    found: list[T] = []
    at = 0
    while at < len(data):
        frame = _frame_at(magic, data, at, read)
        if frame is None:
            _refuse_damage(magic, data, at, read)
            break
        payload, end = frame
        found.append(payload)
        at = end
    return found, at


def _length_at(magic: bytes, data: bytes, at: int) -> int:
    """What an undamaged head says; -1 for a damaged or torn one."""
    head = data[at : at + HEAD_BYTES]
    if len(head) < HEAD_BYTES or not head.startswith(magic) or crc32(head[:-4]) != int.from_bytes(head[-4:], "big"):
        return -1
    return int.from_bytes(head[4:8], "big")


def _frame_at(magic: bytes, data: bytes, at: int, read: Callable[[bytes], T]) -> tuple[T, int] | None:
    length = _length_at(magic, data, at)
    end = at + HEAD_BYTES + length
    payload = data[at + HEAD_BYTES : end]
    if length < 0 or end > len(data) or crc32(payload) != int.from_bytes(data[at + 8 : at + 12], "big"):
        return None
    try:
        return read(payload), end
    except RemoteFault:
        return None


def _refuse_damage(magic: bytes, data: bytes, at: int, read: Callable[[bytes], T]) -> None:
    """A whole frame anywhere behind a bad one shows that the bad one was synced once."""
    length = _length_at(magic, data, at)
    behind = data.find(magic, at + 1 if length < 0 else at + HEAD_BYTES + length)
    while behind != -1:
        if _frame_at(magic, data, behind, read) is not None:
            raise RemoteFault(BaseCode.DAMAGED, "frames", damaged_at=at, good_frame_at=behind)
        behind = data.find(magic, behind + 1)
