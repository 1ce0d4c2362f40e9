"""A reader of a node's stream, over a WebSocket: it comes back by itself, and misses nothing.

Rule: what it hands over was sent once and in order. After the end of a connection it goes on from the last cursor;
where the node no longer keeps what followed, from snapshots, which say that they are some. Messages are bounded,
because the node may be hostile. A refusal that asking again does not change is raised with the node's code.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import quote, urlsplit

import h11
import msgspec
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, HandshakeError, WebSocketConnection

from clearing.base.errors import RemoteFault
from clearing.base.ids import NetworkId
from clearing.base.plain_json import read_json
from member.api.streams import StreamFrame, is_after, is_of_topic, read_cursor
from member.api.types import Problem
from member.client.authorization import SignedPart, authorization
from member.client.handshake import HandshakeTooLong, open_socket
from member.client.node_refusal import refusal_of
from member.codes import NodeCode

CONNECT_SECONDS = 10.0
SILENT_SECONDS_MAX = 30.0
"""A node sends a heartbeat every five seconds: after so long without a message another connection is made."""
PAUSE_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Before another connection: longer each time, until a frame came."""
MESSAGE_BYTES_MAX = 16 << 20
AGAIN = frozenset((429, 503))
OLD = 410


@dataclass
class StreamReader:
    """Reads topics at a node. `secret`: the trade key, for members' topics; `cursor`: where to go on, or empty."""

    url: str
    network: NetworkId
    topics: tuple[str, ...]
    secret: bytes | None = None
    cursor: str = ""

    async def read(self, take: Callable[[StreamFrame], None]) -> NoReturn:
        """Hand over every frame but heartbeats, until cancelled. Raises RemoteFault with the node's code."""
        failures = 0
        while True:
            before, refused = self.cursor, list[ConnectionRejected]()
            try:
                await self._connection(take)
            except* ConnectionRejected as group:
                refused = [each for each in _leaves(group) if isinstance(each, ConnectionRejected)]
            except* (h11.ProtocolError, HandshakeTooLong) as group:
                # The first is the library's word for an answer to its handshake that it does not take.
                why = str(next(_leaves(group)))[:200]
                raise RemoteFault(NodeCode.NODE_ANSWER, "stream", why=why) from None
            except* (ConnectionClosed, HandshakeError, OSError, trio.TooSlowError, trio.BrokenResourceError):
                pass
            if refused:
                self._refused(refused[0])
            failures = 0 if self.cursor != before else failures + 1
            await trio.sleep(PAUSE_SECONDS[min(failures, len(PAUSE_SECONDS) - 1)])

    async def _connection(self, take: Callable[[StreamFrame], None]) -> None:
        place = urlsplit(self.url)
        target = f"/v1/stream?topics={quote(','.join(self.topics), safe=',:')}"
        target += f"&cursor={self.cursor}" if self.cursor else ""
        tls = place.scheme == "https"
        with trio.fail_after(CONNECT_SECONDS):
            opening = trio.open_ssl_over_tcp_stream if tls else trio.open_tcp_stream
            stream = await opening(place.hostname or "", place.port or (443 if tls else 80))
        try:
            async with trio.open_nursery() as nursery:
                with trio.fail_after(CONNECT_SECONDS):
                    socket = await open_socket(
                        nursery,
                        stream,
                        place.netloc,
                        target,
                        headers=self._headers(target),
                        message_bytes_max=MESSAGE_BYTES_MAX,
                    )
                await self._frames(socket, take)
        finally:
            await trio.aclose_forcefully(stream)

    def _headers(self, target: str) -> list[tuple[bytes, bytes]]:
        if self.secret is None:
            return []
        part = SignedPart("GET", target, b"")
        nonce = secrets.token_bytes(32)
        header = authorization(self.network, self.secret, part, time.time_ns() // 1_000_000, nonce)
        return [(b"Authorization", header.encode())]

    async def _frames(self, socket: WebSocketConnection, take: Callable[[StreamFrame], None]) -> None:
        while True:
            with trio.fail_after(SILENT_SECONDS_MAX):
                message = await socket.get_message()
            try:
                data = message.encode() if isinstance(message, str) else message
                frames = read_json(data, tuple[StreamFrame, ...])
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                raise RemoteFault(NodeCode.NODE_ANSWER, "stream", why=str(error)[:200]) from None
            if not frames:
                # Else a node that sends such messages would never be left.
                raise RemoteFault(NodeCode.NODE_ANSWER, "stream", why="a message has no frame")
            for each in frames:
                if each.kind in ("snapshot", "delta"):
                    self._check(each)
                before = read_cursor(self.cursor)
                if before is not None and not is_after(before, each):
                    raise RemoteFault(NodeCode.NODE_ANSWER, "cursor", why="frames come once and in order")
                self.cursor = each.cursor
                if each.kind == "end":
                    self._ended(each)
                elif each.kind != "heartbeat":
                    take(each)

    def _check(self, frame: StreamFrame) -> None:
        """Raises RemoteFault for what was not asked for."""
        if frame.topic not in self.topics:
            raise RemoteFault(NodeCode.NODE_ANSWER, "stream", topic=frame.topic, why="it was not asked for")
        if not is_of_topic(frame.topic, frame.data):
            raise RemoteFault(NodeCode.NODE_ANSWER, "stream", topic=frame.topic, why="it is about another account")

    def _ended(self, end: StreamFrame) -> None:
        """Raises RemoteFault where coming back would not help."""
        code = end.data.get("code")
        if code == NodeCode.STREAM_SLOW.label:
            self.cursor = ""
        elif code != NodeCode.STREAM_ENDING.label:
            raise RemoteFault(NodeCode.API_FORBIDDEN, "stream", code=str(code)[:16])

    def _refused(self, rejected: ConnectionRejected) -> None:
        """Raises RemoteFault where asking again would not help."""
        if rejected.status_code in AGAIN:
            return
        if rejected.status_code == OLD:
            self.cursor = ""
            return
        try:
            problem = read_json(rejected.body or b"", Problem)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            why = f"status {rejected.status_code}"
            raise RemoteFault(NodeCode.NODE_ANSWER, "stream", why=why) from None
        raise refusal_of(problem, rejected.status_code, self.url)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def network_at(url: str) -> NetworkId:
    """The network that a node states. Raises LocalFault, RemoteFault as `NodeClient`."""
    from member.client.ask import ask_node

    state = ask_node(url, lambda client: client.state())
    return NetworkId(bytes.fromhex(state.network[2:]))
