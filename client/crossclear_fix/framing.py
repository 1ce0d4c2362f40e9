"""`Framer`: a stream of bytes cut into messages.

Rule: a frame is whole when BeginString, BodyLength and CheckSum agree with its bytes. What does not agree is garbled:
it is counted and left out, and the search for the next BeginString goes on inside of it, so that a wrong length cannot
hide the messages behind it. Memory is bounded by the largest message.
"""

import re

MESSAGE_BYTES_MAX = 8192
_BEGIN = b"8=FIX"
_HEAD = re.compile(rb"8=(FIX[A-Z0-9.]{1,12})\x019=([0-9]{1,6})\x01", re.ASCII)
_HEAD_BYTES_MAX = len(b"8=") + 15 + len(b"\x019=") + 6 + 1
_TAIL = re.compile(rb"10=([0-9]{3})\x01", re.ASCII)
_TAIL_BYTES = 7


class Framer:
    """Feed bytes, take frames. `garbled` counts what was left out since the last whole frame."""

    def __init__(self, bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._buffer = b""
        self.garbled = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that these bytes complete, in order."""
        self._buffer += data
        frames = []
        while (frame := self._next()) is not None:
            if frame:
                self.garbled = 0
                frames.append(frame)
            else:
                self.garbled += 1
        return frames

    def _next(self) -> bytes | None:
        """A frame; empty after something garbled; None when more bytes are needed."""
        start = self._buffer.find(_BEGIN)
        if start:
            return self._skip(start)
        head = _HEAD.match(self._buffer)
        if head is None:
            return None if self._may_become_head() else self._skip_begin()
        end = head.end() + int(head[2]) + _TAIL_BYTES
        if end > self._bytes_max:
            return self._skip_begin()
        if len(self._buffer) < end:
            return None
        frame = self._buffer[:end]
        tail = _TAIL.fullmatch(frame[-_TAIL_BYTES:])
        whole = frame[:-_TAIL_BYTES]
        if tail is None or not whole.endswith(b"\x01") or sum(whole) % 256 != int(tail[1]):
            return self._skip_begin()
        self._buffer = self._buffer[end:]
        return frame

    def _skip(self, start: int) -> bytes | None:
        """Leave out what stands before a BeginString, or before what could become one."""
        if start < 0:
            kept = next((size for size in range(len(_BEGIN) - 1, 0, -1) if self._buffer.endswith(_BEGIN[:size])), 0)
            skipped = len(self._buffer) - kept
            self._buffer = self._buffer[skipped:]
            if skipped:
                self.garbled += 1
            return None
        self._buffer = self._buffer[start:]
        return b""

    def _skip_begin(self) -> bytes:
        self._buffer = self._buffer[len(_BEGIN) :]
        return b""

    def _may_become_head(self) -> bool:
        """Whether more bytes could make the beginning a whole head."""
        if len(self._buffer) >= _HEAD_BYTES_MAX:
            return False
        pieces = re.fullmatch(rb"8=FIX[A-Z0-9.]{0,12}(\x01(9(=([0-9]{0,6})?)?)?)?", self._buffer)
        return pieces is not None
