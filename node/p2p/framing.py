"""Frames on a direct stream: a 4-byte big-endian length, then that many bytes.

Rule: a length above the limit is refused when its four bytes are read, before anything is stored for it.
"""

from collections.abc import Iterator

from clearing.base.errors import RemoteFault
from node.p2p.codes import P2pCode

LENGTH_BYTES = 4


def frame(data: bytes) -> bytes:
    """One message with its length."""
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


class FrameReader:
    """Bytes in, messages out; no I/O."""

    def __init__(self, at: str, limit: int) -> None:
        self._at = at
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what was read, give each message that is complete. Raises RemoteFault OVERSIZE_FRAME."""
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= LENGTH_BYTES:
                length = int.from_bytes(buffer[start : start + LENGTH_BYTES], "big")
                if length > self._limit:
                    raise RemoteFault(P2pCode.OVERSIZE_FRAME, self._at, bytes=length, limit=self._limit)
                end = start + LENGTH_BYTES + length
                if len(buffer) < end:
                    break
                message = bytes(buffer[start + LENGTH_BYTES : end])
                start = end
                yield message
        finally:
            del buffer[:start]
