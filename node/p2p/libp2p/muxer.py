"""`Muxer` and `BufferedTcp`: libp2p's yamux and socket with fewer turns of the event loop, the same bytes on the wire.

Rule: frames with data or credit of an open stream are processed here, all of one noise message in one go. Every other
frame (opening, closing, reset, ping, go-away, or anything malformed) goes to libp2p's own loop, which reads through
`_Sieve`. A free lock is taken without a turn of the loop: waiting for free locks was most of a vote's cost.
"""

import struct
from collections.abc import Callable
from typing import Any

import trio
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.io.trio import TrioTCPStream
from libp2p.stream_muxer.exceptions import MuxedStreamError
from libp2p.stream_muxer.yamux.yamux import (
    DEFAULT_WINDOW_SIZE,
    HEADER_SIZE,
    MAX_MESSAGE_SIZE,
    TYPE_DATA,
    TYPE_WINDOW_UPDATE,
    YAMUX_HEADER_FORMAT,
    Yamux,
    YamuxStream,
)

from clearing.base.token_bucket import TokenBucket

READ_BYTES = 64 << 10
TOKENS_PER_SECOND = 4000.0
"""Of one connection: a frame for libp2p's loop costs one, any other frame and any byte a part of one."""
BURST_SECONDS = 2.0
TAKEN_TOKENS = 0.05
TOKEN_BYTES = 64 << 10
PAUSE_SECONDS_MAX = 1.0
"""Shorter than a peer's patience with a heartbeat."""
_HEADER = struct.Struct(YAMUX_HEADER_FORMAT)


class QuickLock:
    """Mutual exclusion, in order of arrival, without a checkpoint when it is free."""

    def __init__(self) -> None:
        self._held = False
        self._waiting = trio.lowlevel.ParkingLot()

    async def __aenter__(self) -> None:
        if self._held:
            await self._waiting.park()  # the task that releases it hands it over locked
        self._held = True

    async def __aexit__(self, *_: object) -> None:
        if self._waiting:
            self._waiting.unpark()
        else:
            self._held = False


class BufferedTcp(TrioTCPStream):  # type: ignore[misc]
    """A socket that is read in large pieces: noise asks for two bytes of length, then for the message."""

    def __init__(self, stream: trio.SocketStream) -> None:
        super().__init__(stream)
        self.read_lock = QuickLock()
        self.write_lock = QuickLock()
        self._left = b""
        self._at = 0

    async def read(self, n: int | None = None) -> bytes:
        """Up to `n` bytes, at least one; none at the end."""
        if self._at == len(self._left):
            self._left, self._at = await super().read(READ_BYTES), 0
        end = len(self._left) if n is None else min(len(self._left), self._at + n)
        taken = bytes(self._left[self._at : end])
        self._at = end
        return taken


class QuickStream(YamuxStream):  # type: ignore[misc]
    """A stream that reads and writes without a turn where nothing is to be waited for; the rest is libp2p's."""

    async def read(self, n: int | None = -1) -> bytes:
        """Up to `n` bytes, at least one (all that is here for -1 or None). Raises as libp2p's does at an end."""
        conn = self.conn
        while not (self.recv_closed or self.closed or conn.event_shutting_down.is_set()):
            buffer = conn.stream_buffers.get(self.stream_id)
            event = conn.stream_events.get(self.stream_id)
            if buffer is None or event is None:
                break
            if buffer:
                size = len(buffer) if n is None or n < 0 else n
                data = bytes(buffer[:size])
                del buffer[:size]
                self._pending_recv_release += len(data)
                if self._pending_recv_release >= self.target_recv_window // 2:
                    await self._auto_tune_and_send_window_update()
                return data
            await event.wait()
            if conn.stream_events.get(self.stream_id) is event:
                conn.stream_events[self.stream_id] = trio.Event()
        return bytes(await super().read(n))

    async def write(self, data: bytes) -> None:
        """Write all of it. One writer a stream."""
        size = len(data)
        if self.send_closed or self.closed or size > min(self.send_window, MAX_MESSAGE_SIZE - HEADER_SIZE):
            await super().write(data)
            return
        self.send_window -= size
        await self.conn._write_frame(_HEADER.pack(0, TYPE_DATA, 0, self.stream_id, size) + data)  # noqa: SLF001


class Muxer(Yamux):  # type: ignore[misc]
    """One connection's streams."""

    def __init__(self, secured_conn: Any, *options: Any, **named: Any) -> None:
        super().__init__(_Sieve(secured_conn, self._take, self._check_window), *options, **named)
        self.streams_lock = QuickLock()
        self._write_lock = QuickLock()

    async def accept_stream(self) -> Any:
        """A stream that the peer opened."""
        return _quick(await super().accept_stream())

    async def open_stream(self) -> Any:
        """A stream of one's own."""
        return _quick(await super().open_stream())

    async def _write_frame(self, data: bytes) -> None:
        async with self._write_lock:
            await self.secured_conn.write(data)

    def _check_window(self, stream_id: int, length: int) -> None:
        """Raises MuxedStreamError, which ends the connection, when a peer sends more than it has credit for.

        A stream that the frame itself opens has the first credit: libp2p would store what its peer calls 16 MiB.
        """
        stream = self.streams.get(stream_id)
        allowed = DEFAULT_WINDOW_SIZE if stream is None else stream.recv_window
        if length > allowed:
            raise MuxedStreamError(f"stream {stream_id}: {length} bytes, {allowed} are allowed")

    def _take(self, body: memoryview, kind: int, stream_id: int, length: int) -> bool:
        """Take a frame of data or credit without flags that lies here whole; False leaves it to libp2p's loop."""
        stream = self.streams.get(stream_id)
        if stream is None or stream.closed or self.event_shutting_down.is_set():
            return False
        if kind == TYPE_WINDOW_UPDATE:
            stream.send_window += length
            return True
        self.stream_buffers[stream_id] += body
        stream.recv_window -= length
        self.stream_events[stream_id].set()
        return True


class _Sieve:
    """A secured connection as libp2p's loop sees it: without the frames that `take` takes."""

    def __init__(
        self,
        inner: Any,
        take: Callable[[memoryview, int, int, int], bool],
        check_window: Callable[[int, int], None],
    ) -> None:
        self._inner = inner
        self.write = inner.write
        self._take = take
        self._check_window = check_window
        self._buffer = bytearray()
        self._owed = 0
        """Bytes of a frame's body that libp2p's loop has yet to read."""
        self._rate = TokenBucket(TOKENS_PER_SECOND, BURST_SECONDS * TOKENS_PER_SECOND, trio.current_time())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def read(self, n: int | None = None) -> bytes:
        """What libp2p's loop asks for: a header, or the body of a frame whose header it was given."""
        if not self._owed:
            while not self._has_header_for_loop():
                await self._fill()
            self._rate.charge(trio.current_time(), 1.0)  # libp2p answers a ping, and each other frame costs it work
            kind, length = self._buffer[1], int.from_bytes(self._buffer[8:HEADER_SIZE], "big")
            self._owed = HEADER_SIZE + (length if kind == TYPE_DATA else 0)
        elif not self._buffer:
            await self._fill()
        size = min(self._owed if n is None else min(n, self._owed), len(self._buffer))
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._owed -= size
        return taken

    async def _fill(self) -> None:
        data = await self._inner.read(None)
        if not data:
            raise ConnectionClosedError("the connection ended")
        self._buffer += data
        # A peer that sends more than streams, pings and frames can need is read more slowly.
        debt = self._rate.charge(trio.current_time(), len(data) / TOKEN_BYTES)
        if debt:
            await trio.sleep(min(debt, PAUSE_SECONDS_MAX))

    def _has_header_for_loop(self) -> bool:
        """Give away all that is taken; whether a header lies in front then."""
        buffer, at, frames = self._buffer, 0, 0
        view = memoryview(buffer)
        try:
            while len(buffer) - at >= HEADER_SIZE:
                version, kind, flags, stream_id, length = _HEADER.unpack_from(buffer, at)
                start = at + HEADER_SIZE
                end = start
                if kind == TYPE_DATA:
                    self._check_window(stream_id, length)
                    end += length
                plain = version == 0 and flags == 0 and kind in (TYPE_DATA, TYPE_WINDOW_UPDATE)
                if not plain or len(buffer) < end or not self._take(view[start:end], kind, stream_id, length):
                    return True
                at = end
                frames += 1
            return False
        finally:
            if frames:
                self._rate.charge(trio.current_time(), frames * TAKEN_TOKENS)
            view.release()
            del buffer[:at]


def quick_state(stream: Any) -> None:
    """Let a host's stream (which looks at its own state at every read and write) do so without a turn."""
    stream._state_lock = QuickLock()  # noqa: SLF001


def _quick(stream: Any) -> Any:
    """Streams are made in the midst of libp2p's loop, by its own class."""
    stream.__class__ = QuickStream
    stream.window_lock = QuickLock()
    return stream
