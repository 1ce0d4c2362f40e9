"""A venue on loopback: streams and answers over HTTP that play prices, with faults on demand."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from tests.kit.oracle.venue_writers import WRITERS


@dataclass
class Page:
    """What HTTP answers. A body that is cut short has a longer length stated."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    missing: int = 0


@dataclass
class VenueServer:
    """One market of `venue`. `price` gives best bid and ask in cents at each beat; None sends nothing."""

    venue: str
    clock_ms: Callable[[], int]
    price: Callable[[], tuple[int, int] | None]
    beat_seconds: float = 0.02
    market: str = "M"
    pages: deque[Page] = field(default_factory=deque)
    """Answers over HTTP before the honest ones."""
    rejections: deque[tuple[int, tuple[tuple[bytes, bytes], ...]]] = field(default_factory=deque)
    """Handshakes that are answered by a status."""
    rejection_bytes: int = 15
    texts: deque[str] = field(default_factory=deque)
    """Frames in place of the next prices."""
    lost: int = 0
    """So many of the next messages are not sent."""
    is_silent: bool = False
    received: list[str] = field(default_factory=list)
    connections: int = 0
    asked: int = 0
    url: str = ""
    rest_url: str = ""
    _sockets: set[WebSocketConnection] = field(default_factory=set)
    _turn: trio.Lock = field(default_factory=trio.Lock)
    """No move between what a socket is shown first and the moves that it is sent: its book would have a gap."""

    def __post_init__(self) -> None:
        self.writer: Any = WRITERS[self.venue](self.market)

    async def run(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            stream = await nursery.start(_serve, self._stream)
            self.url = f"ws://127.0.0.1:{stream}"
            listeners = await nursery.start(trio.serve_tcp, self._answer, 0)
            self.rest_url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            nursery.start_soon(self._play)
            task_status.started()

    async def disconnect(self) -> None:
        for socket in list(self._sockets):
            await socket.aclose(1001)

    async def _stream(self, request: WebSocketRequest) -> None:
        if self.rejections:
            status, headers = self.rejections.popleft()
            page = b"<html>no</html>".ljust(self.rejection_bytes)
            with suppress(ConnectionClosed):
                await request.reject(status, extra_headers=list(headers), body=page)
            return
        socket = await request.accept()
        self.connections += 1
        try:
            self.received.append(await socket.get_message())
            await self._begin(socket)
            while True:
                text = await socket.get_message()
                self.received.append(text)
                if '"subscribe"' in text or '"public/subscribe"' in text:
                    await self._begin(socket)
        except ConnectionClosed:
            return
        finally:
            self._sockets.discard(socket)

    async def _begin(self, socket: WebSocketConnection) -> None:
        """What is subscribed to as it stands, and from then on every move."""
        async with self._turn:
            for text in self.writer.first():
                await socket.send_message(text)
            self._sockets.add(socket)

    async def _play(self) -> None:
        while True:
            await trio.sleep(self.beat_seconds)
            async with self._turn:
                await self._move()

    async def _move(self) -> None:
        price = self.price()
        text = self.writer.beat() if price is None else self.writer.move(*price, self.clock_ms())
        if self.lost:
            self.lost -= 1
            return
        if self.texts:
            text = self.texts.popleft()
        for socket in () if self.is_silent else list(self._sockets):
            try:
                await socket.send_message(text)
            except ConnectionClosed:
                self._sockets.discard(socket)

    async def _answer(self, stream: trio.SocketStream) -> None:
        async with stream:
            received = b""
            while b"\r\n\r\n" not in received:
                piece = await stream.receive_some(1 << 16)
                if not piece:
                    return
                received += piece
            self.asked += 1
            page = self.pages.popleft() if self.pages else Page(self.writer.snapshot().encode())
            head = [
                f"HTTP/1.1 {page.status} X",
                "connection: close",
                f"content-length: {len(page.body) + page.missing}",
            ]
            head += [f"{name}: {value}" for name, value in page.headers]
            try:
                await stream.send_all("\r\n".join(head).encode() + b"\r\n\r\n" + page.body)
            except trio.BrokenResourceError:
                return


async def _serve(handler: Any, task_status: Any) -> None:
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, handler, "127.0.0.1", 0, None)
        task_status.started(server.port)
