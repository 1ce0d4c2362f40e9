"""`VenueStream`: a WebSocket to one market of a venue, for ever.

Rule: a connection without a message for the venue's time, or without a usable price for `PRICELESS_MS`, is dead and
dialled again. Pings of the protocol are answered by the library; those of the venue are the parser's. No vote waits
for it.

The library is trio-websocket over wsproto (docs/decisions/0002).
"""

import ssl
from collections.abc import Callable, Sequence
from functools import partial

import structlog
import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
)

from clearing.base.errors import RemoteFault
from member.client.handshake import open_socket
from node.config_oracle import SourceConfig
from node.oracle.connections.parsing import parsed
from node.oracle.connections.tcp import address_of, open_stream
from node.oracle.connections.venue_http import CLOSE_SECONDS, VenueHttp
from node.oracle.events import (
    BookLost,
    ClosingSoon,
    Event,
    FrameWanted,
    HttpAnswer,
    PriceRead,
    SnapshotWanted,
    StreamParser,
)
from node.oracle.guard import book_flaw
from node.oracle.pauses import Pauses
from node.oracle.source import OracleCode
from node.oracle.source_cell import SourceCell
from node.oracle.venues.wire import check_status

CONNECT_SECONDS = 10.0
SEND_SECONDS = 10.0
"""A venue that takes no frame for so long reads none."""
STEADY_SECONDS = 60.0
"""A connection that lasted so long worked: its end is the first failure."""
ANNOUNCED_SECONDS = 1.0
"""Before the next connection, where the venue announced the end of the last."""
PRICELESS_MS = 120_000
"""A venue may accept a subscription that it then forgets, or leave a book crossed after an update that was lost."""
LOSSES_MAX = 3
"""Of the book on one connection; then it is dialled anew, with the pauses of a failure."""
SNAPSHOT_SECONDS_MIN = 1.0
"""Between two snapshots."""
TOO_BIG = 1009
QUEUED_MAX = 4
"""Messages that wait for the parser; each may be as long as `frame_bytes_max`."""

log = structlog.get_logger(__name__)


class VenueStream:
    """Fills a cell from one market's stream."""

    def __init__(
        self,
        cell: SourceCell,
        config: SourceConfig,
        parser: StreamParser,
        clock_ms: Callable[[], int],
        pauses: Pauses | None = None,
    ) -> None:
        self._config = config
        self._cell, self._parser, self._clock_ms = cell, parser, clock_ms
        self._at = f"{config.feed}/{config.name}"
        self._pauses = pauses or Pauses()
        self._address = address_of(config.url)
        self._losses = 0
        self._parsing = trio.Lock()
        self._priced_at = 0.0
        self._snapshot_at = -SNAPSHOT_SECONDS_MIN

    async def run(self) -> None:
        """Connect for ever."""
        config = self._config
        http = VenueHttp(config.rest_url, self._at) if config.rest_url else None
        try:
            while True:
                begun = trio.current_time()
                fault = await self._connection(http)
                if trio.current_time() - begun >= STEADY_SECONDS:
                    self._pauses.worked()
                if fault is None:
                    await trio.sleep(ANNOUNCED_SECONDS)
                    continue
                self._cell.failed(fault, reading_lost=True)
                wait_ms = self._pauses.after(fault)
                log.warning("price source lost", source=self._at, fault=str(fault), again_ms=wait_ms)
                await trio.sleep(wait_ms / 1000)
        finally:
            if http is not None:
                await http.aclose()

    async def _connection(self, http: VenueHttp | None) -> RemoteFault | None:
        """One connection until it ends; what ended it, None where the venue announced it."""
        found: list[RemoteFault] = []
        try:
            await self._connected(http)
        except* RemoteFault as group:
            found = [error for error in _leaves(group) if isinstance(error, RemoteFault)]
        except* ConnectionRejected as group:
            found = [self._rejected(error) for error in _leaves(group) if isinstance(error, ConnectionRejected)]
        except* ConnectionClosed as group:
            found = [self._closed(error) for error in _leaves(group) if isinstance(error, ConnectionClosed)]
        except* (HandshakeError, OSError, ssl.SSLError, trio.TooSlowError, trio.BrokenResourceError) as group:
            found = [self._unreachable(type(error).__name__) for error in _leaves(group)]
        return found[0] if found else None

    async def _connected(self, http: VenueHttp | None) -> None:
        address, parser = self._address, self._parser
        self._losses, self._priced_at = 0, trio.current_time()
        with trio.fail_after(CONNECT_SECONDS):
            stream = await open_stream(address)
        try:
            async with trio.open_nursery() as nursery:
                with trio.fail_after(CONNECT_SECONDS):
                    socket = await open_socket(
                        nursery,
                        stream,
                        address.header,
                        address.resource,
                        queued_max=QUEUED_MAX,
                        message_bytes_max=parser.frame_bytes_max,
                    )
                for text in parser.opening():
                    await _send(socket, text)
                if parser.keepalive_ms:
                    nursery.start_soon(self._keep_alive, socket)
                await self._receive(socket, nursery, http)
                with trio.move_on_after(CLOSE_SECONDS):
                    await socket.aclose()
                nursery.cancel_scope.cancel()
        finally:
            await trio.aclose_forcefully(stream)

    async def _receive(self, socket: WebSocketConnection, nursery: trio.Nursery, http: VenueHttp | None) -> None:
        """Until the venue announces the end of the connection."""
        while True:
            message: str | bytes | None = None
            with trio.move_on_after(self._parser.silence_ms_max / 1000):
                message = await socket.get_message()
            if message is None:
                raise self._unreachable(f"silent for {self._parser.silence_ms_max} ms")
            if trio.current_time() - self._priced_at > PRICELESS_MS / 1000:
                raise self._unreachable(f"no usable price for {PRICELESS_MS} ms")
            frame = message.encode() if isinstance(message, str) else message
            events = await self._parsed(partial(self._parser.receive, frame), len(frame), nursery, http)
            for event in events:
                if isinstance(event, FrameWanted):
                    await _send(socket, event.text)
                elif isinstance(event, ClosingSoon):
                    log.info("price source closes", source=self._at, why=event.why)
                    return

    async def _parsed(
        self, read: Callable[[], Sequence[Event]], size: int, nursery: trio.Nursery, http: VenueHttp | None
    ) -> Sequence[Event]:
        """One message at a time, and its events taken before the next is read."""
        came_ms = self._clock_ms()
        async with self._parsing:
            events = await parsed(read, size)
            self._take(events, came_ms, nursery, http)
        return events

    def _take(self, events: Sequence[Event], came_ms: int, nursery: trio.Nursery, http: VenueHttp | None) -> None:
        self._cell.take(events, came_ms)
        for event in events:
            if isinstance(event, PriceRead) and book_flaw(event.reading) is None:
                self._priced_at = trio.current_time()
            elif isinstance(event, BookLost):
                self._losses += 1
                if self._losses > LOSSES_MAX:
                    raise RemoteFault(OracleCode.BOOK_BROKEN, self._at, why=event.why)
            elif isinstance(event, SnapshotWanted) and http is not None:
                nursery.start_soon(self._snapshot, event.path, nursery, http)

    async def _snapshot(self, path: str, nursery: trio.Nursery, http: VenueHttp) -> None:
        await trio.sleep_until(self._snapshot_at + SNAPSHOT_SECONDS_MIN)
        self._snapshot_at = trio.current_time()
        answer: HttpAnswer = await http.ask(path)
        check_status(answer, self._at)
        await self._parsed(partial(self._parser.snapshot, answer), len(answer.body), nursery, http)

    async def _keep_alive(self, socket: WebSocketConnection) -> None:
        while True:
            await trio.sleep(self._parser.keepalive_ms / 1000)
            await _send(socket, self._parser.keepalive)

    def _unreachable(self, why: str) -> RemoteFault:
        return RemoteFault(OracleCode.VENUE_UNREACHABLE, self._at, why=why)

    def _rejected(self, error: ConnectionRejected) -> RemoteFault:
        """A handshake that was answered by something else: an error page, or the limit of connections."""
        headers = {name.lower(): value for name, value in error.headers or ()}
        retry_after = headers.get(b"retry-after", b"").decode("ascii", "replace")
        try:
            check_status(HttpAnswer(error.status_code, bytes(error.body or b""), retry_after), self._at)
        except RemoteFault as fault:
            return fault
        return self._unreachable(f"status {error.status_code} in place of a stream")

    def _closed(self, error: ConnectionClosed) -> RemoteFault:
        if error.reason is not None and error.reason.code == TOO_BIG:
            limit = self._parser.frame_bytes_max
            return RemoteFault(OracleCode.VENUE_MALFORMED, self._at, why="message too big", limit=limit)
        return self._unreachable("closed" if error.reason is None else f"closed with {error.reason.code}")


async def _send(socket: WebSocketConnection, text: str) -> None:
    """Raises trio.TooSlowError."""
    with trio.fail_after(SEND_SECONDS):
        await socket.send_message(text)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
