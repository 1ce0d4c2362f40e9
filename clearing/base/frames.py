"""`Frames`: an append-only file of checksummed frames, and the recovery of a damaged one.

Layout: magic (4 bytes), u32 length, u32 CRC-32 of the payload, u32 CRC-32 of these twelve bytes, payload; big-endian.

Rule: frames are written in order and synced, so only the last one can be torn.

1. A torn tail is cut off.
2. A bad frame followed by a whole one means a damaged disk: the file is refused.
3. A whole frame that cannot be decoded is refused too: no crash causes it, but another version does, and committed data
   must not be cut off.

Others choose the payload, so it is never searched for frames while its own length is trustworthy. Knows no file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from zlib import crc32

from clearing.base.errors import BaseCode, RemoteFault

T = TypeVar("T")
HEAD_BYTES = 16


@dataclass(frozen=True, slots=True)
class Frames(Generic[T]):
    """Frames of one kind of file. `read` decodes a payload; it raises RemoteFault for an invalid one."""

    magic: bytes
    read: Callable[[bytes], T]

    def encode(self, payload: bytes) -> bytes:
        """One frame."""
        head = self.magic + len(payload).to_bytes(4, "big") + crc32(payload).to_bytes(4, "big")
        return head + crc32(head).to_bytes(4, "big") + payload

    def split(self, data: bytes) -> tuple[list[T], int]:
        """The decoded frames, and how many bytes of `data` they occupy; the rest is a torn tail.

        Raises RemoteFault DAMAGED for damage before the tail, and for a whole frame that cannot be decoded.
        """
        found: list[T] = []
        at = 0
        while at < len(data):
            frame = self.at(data, at)
            if frame is None:
                if self.is_whole(data, at):
                    raise RemoteFault(BaseCode.DAMAGED, "frames", unreadable_at=at)
                behind = self.after(data, at)
                if behind < len(data):
                    raise RemoteFault(BaseCode.DAMAGED, "frames", damaged_at=at, whole_frame_at=behind)
                break
            found.append(frame[0])
            at += frame[1]
        return found, at

    def at(self, data: bytes, at: int) -> tuple[T, int] | None:
        """The decoded whole frame that begins here and its length, or None."""
        payload = self._payload(data, at)
        if payload is None:
            return None
        try:
            return self.read(payload), HEAD_BYTES + len(payload)
        except RemoteFault:
            return None

    def is_whole(self, data: bytes, at: int) -> bool:
        """Whether the frame that begins here has valid checksums, whatever its payload."""
        return self._payload(data, at) is not None

    def after(self, data: bytes, at: int) -> int:
        """Start of the first whole frame after the bad one at `at`; the end of `data` for none."""
        length = self._payload_length(data, at)
        behind = data.find(self.magic, at + 1 if length < 0 else at + HEAD_BYTES + length)
        while behind != -1:
            if self.is_whole(data, behind):
                return behind
            behind = data.find(self.magic, behind + 1)
        return len(data)

    def _payload(self, data: bytes, at: int) -> bytes | None:
        length = self._payload_length(data, at)
        payload = data[at + HEAD_BYTES : at + HEAD_BYTES + length]
        if length < 0 or len(payload) < length or crc32(payload) != int.from_bytes(data[at + 8 : at + 12], "big"):
            return None
        return payload

    def _payload_length(self, data: bytes, at: int) -> int:
        """The payload length in an undamaged head; -1 for a damaged or torn one."""
        head = data[at : at + HEAD_BYTES]
        whole = len(head) == HEAD_BYTES and head.startswith(self.magic)
        if not whole or crc32(head[:-4]) != int.from_bytes(head[-4:], "big"):
            return -1
        return int.from_bytes(head[4:8], "big")
