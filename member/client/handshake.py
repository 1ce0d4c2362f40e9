"""`open_socket`: the handshake of a WebSocket whose server may be hostile.

Rule: what comes before the handshake is accepted is bounded. The library keeps the whole body of a refusal, however
long it is, until its end.
"""

import trio
from trio_websocket import HandshakeError, WebSocketConnection, wrap_client_stream

HANDSHAKE_BYTES_MAX = 1 << 16
"""Of an answer to a handshake, its head and its body."""


class HandshakeTooLong(HandshakeError):
    """The answer to a handshake is longer than `HANDSHAKE_BYTES_MAX`."""


class _Bounded(trio.abc.Stream):
    """Hands over so many bytes until the handshake is accepted, then any number."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._received = 0
        self.is_accepted = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = bytes(await self._stream.receive_some(max_bytes))
        if not self.is_accepted:
            self._received += len(data)
            if self._received > HANDSHAKE_BYTES_MAX:
                raise HandshakeTooLong(f"an answer of more than {HANDSHAKE_BYTES_MAX} bytes")
        return data

    async def send_all(self, data: bytes | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


async def open_socket(
    nursery: trio.Nursery,
    stream: trio.abc.Stream,
    host: str,
    resource: str,
    *,
    message_bytes_max: int,
    queued_max: int = 1,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> WebSocketConnection:
    """A WebSocket over a stream, which stays the caller's to close. The nursery fails with HandshakeTooLong,
    ConnectionRejected, h11.ProtocolError. Waits for an answer without a limit of time."""
    bounded = _Bounded(stream)
    socket = await wrap_client_stream(
        nursery,
        bounded,  # type: ignore[arg-type]  # of trio's stubs
        host,
        resource,
        extra_headers=headers,
        message_queue_size=queued_max,
        max_message_size=message_bytes_max,
    )
    # Messages may have come with it: of few bytes, as the reader stops between two pieces.
    bounded.is_accepted = True
    return socket
