"""The stream of a node over a WebSocket: httpx makes the connection and its handshake, wsproto reads the frames.

Rule: messages are bounded, and bytes are read when frames are asked for, so that a slow taker slows the sender. The
client says nothing but answers to pings. A refusal of the handshake is an HTTP answer with the node's code.
"""

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING, Any

import anyio

from crossclear_client.errors import BadAnswer
from crossclear_client.frames import Frame, frames_of
from crossclear_client.streams import SILENT_SECONDS_MAX
from crossclear_client.transport import Answer, Transport

if TYPE_CHECKING:
    import httpx
    from wsproto.connection import Connection
    from wsproto.events import Event

MESSAGE_BYTES_MAX = 4 << 20
SUBPROTOCOL = "crossclear.v1"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Of RFC 6455, section 1.3."""
_READ_BYTES = 1 << 16


class SocketConnection:
    """One connection at a time."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._response: httpx.Response | None = None
        self._stream: Any = None
        """httpcore's, without a public type."""
        self._socket: Connection | None = None
        self._message = bytearray()

    async def open(self, target: str, headers: dict[str, str]) -> Answer | None:
        """Connect; the answer where it is none of a WebSocket. Raises BadAnswer."""
        from wsproto.connection import Connection, ConnectionType

        key = base64.b64encode(secrets.token_bytes(16))
        headers = headers | {
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": key.decode(),
            "sec-websocket-protocol": SUBPROTOCOL,
        }
        response = await self._transport.open(target, headers, 101)
        if isinstance(response, Answer):
            return response
        self._response = response
        proof = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode()
        if response.headers.get("sec-websocket-accept") != proof:
            await self.close()
            raise BadAnswer("stream", "it opens no WebSocket")
        self._stream = response.extensions["network_stream"]
        self._socket, self._message = Connection(ConnectionType.CLIENT), bytearray()
        return None

    async def next(self) -> list[Frame]:
        """The frames of the next message; none where the node closed. Raises BadAnswer, httpx.TransportError."""
        socket = self._socket
        while socket is not None:
            for event in socket.events():
                found = await self._taken(event, socket)
                if found is not None:
                    return found
            data = await self._read()
            if not data:
                break
            socket.receive_data(data)
        return []

    async def _taken(self, event: "Event", socket: "Connection") -> list[Frame] | None:
        """The frames that an event completes; none where it closes."""
        from wsproto import events

        match event:
            case events.TextMessage(data=text):
                self._message += text.encode()
            case events.BytesMessage(data=data):
                self._message += data
            case events.Ping():
                await self._write(socket.send(event.response()))
                return None
            case events.CloseConnection():
                return []
            case _:
                return None
        if len(self._message) > MESSAGE_BYTES_MAX:
            raise BadAnswer("stream", f"a message of more than {MESSAGE_BYTES_MAX} bytes")
        if not event.message_finished:
            return None
        message, self._message = bytes(self._message), bytearray()
        return frames_of(message)

    async def _read(self) -> bytes:
        import httpcore
        import httpx

        try:
            data: bytes = await self._stream.read(_READ_BYTES, SILENT_SECONDS_MAX)
        except (httpcore.NetworkError, httpcore.TimeoutException, anyio.ClosedResourceError) as error:
            raise httpx.ReadError(repr(error)[:200]) from None
        return data

    async def _write(self, data: bytes) -> None:
        import httpcore
        import httpx

        try:
            await self._stream.write(data, SILENT_SECONDS_MAX)
        except (httpcore.NetworkError, httpcore.TimeoutException, anyio.ClosedResourceError) as error:
            raise httpx.WriteError(repr(error)[:200]) from None

    async def close(self) -> None:
        """In any state, also twice."""
        response = self._response
        self._response = self._stream = self._socket = None
        if response is not None:
            await response.aclose()
