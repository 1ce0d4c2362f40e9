"""Following a node: server-sent events that are taken up where they broke off, and answers that are asked again.

Rule: no step comes twice and none is left out as long as the node remembers it: a stream begins again with the id of
the last step. An answer that is asked again is shown only when it changed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

import anyio
import msgspec

from crossclear_client.errors import BadAnswer, NodeUnreachable, StreamLost
from crossclear_client.transport import BUSY, Answer, Retries, Transport, refusal, retry_after

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
R = TypeVar("R")
EVENT_BYTES_MAX = 1 << 20
SILENT_SECONDS_MAX = 30.0
"""A node sends an event every few seconds: after so long without one it is left. What is no event does not count."""
STEADY_SECONDS = 5.0
"""A node ends a stream of steps from time to time: one that stood for so long was no failure, though nothing came. A
deposit may wait an hour for its next step."""


class Event(msgspec.Struct, frozen=True):
    """One event of a stream; `id` is empty where it has none."""

    data: str
    id: str = ""
    event: str = "message"


class EventParser:
    """Lines in, events out (HTML standard, "Server-sent events"). Raises BadAnswer for an event beyond a megabyte."""

    def __init__(self) -> None:
        self._data: list[str] = []
        self._size = 0
        self._event = ""
        self.last_id = ""

    def line(self, line: str) -> Event | None:
        """The event that this line ends, if there is one."""
        if not line:
            data, kind = self._data, self._event
            self._data, self._event, self._size = [], "", 0
            return Event("\n".join(data), self.last_id, kind or "message") if data else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        self._size += len(line)
        if self._size > EVENT_BYTES_MAX:
            raise BadAnswer("stream", f"an event of more than {EVENT_BYTES_MAX} bytes")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self.last_id = value
        return None


async def lines_of(response: "httpx.Response") -> AsyncIterator[str]:
    """The lines of a stream, without their ends. Raises BadAnswer for one beyond a megabyte, however it drips."""
    rest, is_after_return = b"", False
    pieces = response.aiter_raw()
    async for piece in pieces:
        # A carriage return ends a line at once: it may have been half of an end.
        fresh = piece.removeprefix(b"\n") if is_after_return else piece
        is_after_return = piece.endswith(b"\r")
        *lines, rest = (rest + fresh.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).split(b"\n")
        if len(rest) > EVENT_BYTES_MAX:
            await close_response(response, pieces)
            raise BadAnswer("stream", f"an event of more than {EVENT_BYTES_MAX} bytes")
        for line in lines:
            yield line.decode(errors="replace")


class Connection(Protocol):
    """One connection at a time to a stream of a node."""

    async def close(self) -> None:
        """In any state, also twice."""


class ReopenedStream(Generic[T]):
    """What a node streams, over one connection after another. Use as an async context manager, then iterate.

    Its kinds say how a connection opens and what comes; here is how it ends and how long the next one is waited for.
    """

    def __init__(self, connection: Connection, path: str, retries: Retries) -> None:
        self._to_close, self._path, self._retries = connection, path, retries
        self._is_open = False
        self._failed = 0
        """Connections in a row without anything that came."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await self._close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """What comes next."""
        raise NotImplementedError

    async def _unless_silent(self, reading: Awaitable[R]) -> R:
        """What is read. Raises TimeoutError where nothing whole comes, however much drips."""
        with anyio.move_on_after(SILENT_SECONDS_MAX):
            return await reading
        raise TimeoutError(f"no event for {SILENT_SECONDS_MAX:g} s")

    async def _again(self, why: str, asked: float | None = None) -> None:
        """Wait before another connection. Raises StreamLost after too many in a row without anything."""
        await self._close()
        self._failed += 1
        wait = self._retries.wait(self._failed, asked)
        if wait is None:
            raise StreamLost(self._path, f"the stream broke off: {why[:200]}")
        await anyio.sleep(wait)

    async def _close(self) -> None:
        self._is_open = False
        await self._to_close.close()


class EventSource:
    """Server-sent events of one connection at a time."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._response: httpx.Response | None = None
        self._lines: AsyncIterator[str] | None = None
        self._parser = EventParser()

    async def open(self, target: str, headers: dict[str, str]) -> Answer | None:
        """Connect; the answer where it is none of a stream."""
        opened = await self._transport.open(target, headers | {"accept": "text/event-stream"}, 200)
        if isinstance(opened, Answer):
            return opened
        self._response, self._parser, self._lines = opened, EventParser(), lines_of(opened)
        return None

    async def next(self) -> Event | None:
        """The next event; None where the node closed."""
        if self._lines is not None:
            async for line in self._lines:
                event = self._parser.line(line)
                if event is not None:
                    return event
        return None

    async def close(self) -> None:
        """In any state, also twice."""
        response, lines = self._response, self._lines
        self._response = self._lines = None
        await close_response(response, lines)


class EventStream(ReopenedStream[T]):
    """The events of a path; ends where the node says that it is over."""

    def __init__(
        self,
        transport: Transport,
        path: str,
        headers: Callable[[], Awaitable[dict[str, str]]],
        kind: type[T],
        retries: Retries,
        last_id: str = "",
    ) -> None:
        self._source = EventSource(transport)
        super().__init__(self._source, path, retries)
        self._headers, self._kind = headers, kind
        self.last_id = last_id
        """Of the last event: give it to a later stream to go on from there."""
        self._opened = 0.0

    async def __anext__(self) -> T:
        """The next event's data. Raises StreamLost when the node cannot be reached again, NodeRefused, BadAnswer."""
        import httpx

        while True:
            try:
                if not self._is_open:
                    await self._open()
                    continue
                event = await self._unless_silent(self._source.next())
            except (httpx.TransportError, TimeoutError) as error:
                await self._again(str(error) or repr(error))
                continue
            if event is None:
                if anyio.current_time() - self._opened >= STEADY_SECONDS:
                    self._failed = 0
                await self._again("the node closed the connection")
                continue
            self._failed = 0
            self.last_id = event.id or self.last_id
            return Answer(200, {}, event.data.encode()).read(self._kind)

    async def _open(self) -> None:
        """Connect. Raises StopAsyncIteration where the last step was sent already."""
        headers = await self._headers()
        if self.last_id:
            headers = headers | {"last-event-id": self.last_id}
        answer = await self._source.open(self._path, headers)
        if answer is None:
            self._is_open, self._opened = True, anyio.current_time()
        elif answer.status == 204:
            raise StopAsyncIteration
        elif answer.status in BUSY:
            await self._again(f"status {answer.status}", retry_after(answer))
        else:
            raise refusal(answer)


async def close_response(response: "httpx.Response | None", lines: AsyncIterator[object] | None) -> None:
    """Close a response that was not read to its end, and the iteration over it."""
    if response is not None:
        await response.aclose()
    if lines is not None:
        # Closed under it, the iteration ends by itself; broken off, it leaves generators behind.
        with suppress(Exception):
            async for _ in lines:
                pass


class Watch(Generic[T]):
    """Answers to one question, each when it differs from the one before. Never ends by itself.

    A node that cannot be reached is asked again: `unreachable` says for how many times in a row.
    """

    def __init__(self, question: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._question, self._seconds = question, seconds
        self._last: T | None = None
        self.unreachable = 0

    def __aiter__(self) -> "Watch[T]":
        return self

    async def __anext__(self) -> T:
        """The next answer that differs. Raises what the question raises, but for NodeUnreachable."""
        while True:
            try:
                answer = await self._question()
                self.unreachable = 0
            except NodeUnreachable:
                self.unreachable += 1
            else:
                if answer != self._last:
                    self._last = answer
                    return answer
            await anyio.sleep(self._seconds)
