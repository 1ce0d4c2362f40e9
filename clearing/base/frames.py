"""`Frames`: an append-only file as frames, and what of a damaged one may be believed.

Layout: magic (4 bytes), u32 length, u32 CRC-32 of the payload, u32 CRC-32 of these twelve bytes, payload; big-endian.
Rule: frames are written in order and synced, so only the last one can be torn: a torn tail is cut, a bad frame with a
whole one behind it means a damaged disk, and the file is refused. So is a whole frame that cannot be read: no crash
leaves that, but another version does, and what was promised must not be cut away. A payload is chosen by others, so it
is never searched for frames while its own length can be believed. Knows no file.
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
    """Frames of one kind of file. `read` makes of a payload what it holds; raises RemoteFault for one that is none."""

    magic: bytes
    read: Callable[[bytes], T]

    def encode(self, payload: bytes) -> bytes:
        """One frame."""
        head = self.magic + len(payload).to_bytes(4, "big") + crc32(payload).to_bytes(4, "big")
        return head + crc32(head).to_bytes(4, "big") + payload

    def split(self, data: bytes) -> tuple[list[T], int]:
        """What the frames hold, and how many bytes of `data` are good; behind them is a torn tail.

        Raises RemoteFault DAMAGED for damage before the tail, and for a whole frame that cannot be read.
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
        """What the whole frame that begins here holds and its length, or None."""
        payload = self._payload(data, at)
        if payload is None:
            return None
        try:
            return self.read(payload), HEAD_BYTES + len(payload)
        except RemoteFault:
            return None

    def is_whole(self, data: bytes, at: int) -> bool:
        """Whether the checksums of the frame that begins here hold, whatever is in it."""
        return self._payload(data, at) is not None

    def after(self, data: bytes, at: int) -> int:
        """Where the first whole frame behind the bad one at `at` begins; the end of `data` for none."""
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
        """What an undamaged head says; -1 for a damaged or torn one."""
        head = data[at : at + HEAD_BYTES]
        whole = len(head) == HEAD_BYTES and head.startswith(self.magic)
        if not whole or crc32(head[:-4]) != int.from_bytes(head[-4:], "big"):
            return -1
        return int.from_bytes(head[4:8], "big")
