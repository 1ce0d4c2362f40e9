"""`Frames`: an append-only file of checksummed frames, and the recovery of a damaged one.

Layout: magic, u32 length, u32 CRC-32 of the payload, u32 CRC-32 of the bytes before it, payload; big-endian. A file
that is only read in order, and never recovered, has frames without magic and without the checksum of the head.

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


@dataclass(frozen=True, slots=True)
class Frames(Generic[T]):
    """Frames of one kind of file. `read` decodes a payload; it raises RemoteFault for an invalid one."""

    magic: bytes
    read: Callable[[bytes], T]
    is_head_checked: bool = True

    @property
    def head_bytes(self) -> int:
        """The length of a head."""
        return len(self.magic) + (12 if self.is_head_checked else 8)

    def encode(self, payload: bytes) -> bytes:
        """One frame."""
        head = self.magic + len(payload).to_bytes(4, "big") + crc32(payload).to_bytes(4, "big")
        if self.is_head_checked:
            head += crc32(head).to_bytes(4, "big")
        return head + payload

    def payload_length(self, head: bytes) -> int:
        """The payload length in an undamaged head; -1 for a damaged or torn one."""
        if len(head) != self.head_bytes or not head.startswith(self.magic):
            return -1
        if self.is_head_checked and crc32(head[:-4]) != int.from_bytes(head[-4:], "big"):
            return -1
        return int.from_bytes(head[len(self.magic) :][:4], "big")

    def has_checksum_of(self, head: bytes, payload: bytes) -> bool:
        """Whether the checksum in an undamaged head is this payload's."""
        return crc32(payload) == int.from_bytes(head[len(self.magic) :][4:8], "big")

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
            return self.read(payload), self.head_bytes + len(payload)
        except RemoteFault:
            return None

    def is_whole(self, data: bytes, at: int) -> bool:
        """Whether the frame that begins here has valid checksums, whatever its payload."""
        return self._payload(data, at) is not None

    def after(self, data: bytes, at: int) -> int:
        """Start of the first whole frame after the bad one at `at`; the end of `data` for none."""
        length = self.payload_length(self._head(data, at))
        behind = data.find(self.magic, at + 1 if length < 0 else at + self.head_bytes + length)
        while behind != -1:
            if self.is_whole(data, behind):
                return behind
            behind = data.find(self.magic, behind + 1)
        return len(data)

    def _head(self, data: bytes, at: int) -> bytes:
        return data[at : at + self.head_bytes]

    def _payload(self, data: bytes, at: int) -> bytes | None:
        head, begin = self._head(data, at), at + self.head_bytes
        length = self.payload_length(head)
        payload = data[begin : begin + max(length, 0)]
        return payload if len(payload) == length and self.has_checksum_of(head, payload) else None
