"""Following a node: server-sent events that are taken up where they broke off, and answers that are asked again.

Rule: no step comes twice and none is left out as long as the node remembers it: a stream begins again with the id of
the last step. An answer that is asked again is shown only when it changed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import msgspec

from crossclear_client.errors import BadAnswer, NodeUnreachable, StreamLost
from crossclear_client.transport import Answer, Retries, Transport, refusal

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
EVENT_BYTES_MAX = 1 << 20


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


class EventStream(Generic[T]):
    """The events of a path. Use as an async context manager, then iterate; ends where the node says that it is over."""

    def __init__(
        self,
        transport: Transport,
        path: str,
        headers: Callable[[], Awaitable[dict[str, str]]],
        kind: type[T],
        retries: Retries,
        last_id: str = "",
    ) -> None:
        self._transport, self._path, self._headers, self._kind = transport, path, headers, kind
        self._retries = retries
        self.last_id = last_id
        """Of the last event: give it to a later stream to go on from there."""
        self._response: httpx.Response | None = None
        self._lines: AsyncIterator[str] | None = None
        self._parser = EventParser()
        self._failed = 0

    async def __aenter__(self) -> "EventStream[T]":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await self._close()

    def __aiter__(self) -> "EventStream[T]":
        return self

    async def __anext__(self) -> T:
        """The next event's data. Raises StreamLost when the node cannot be reached again, NodeRefused, BadAnswer."""
        import httpx

        while True:
            try:
                if self._lines is None and not await self._open():
                    raise StopAsyncIteration
                event = await self._next_event()
            except httpx.TransportError as error:
                await self._close()
                await self._wait(str(error) or repr(error))
                continue
            if event is None:
                await self._close()  # the node ends a stream from time to time
                continue
            self._failed = 0
            self.last_id = event.id or self.last_id
            return Answer(200, {}, event.data.encode()).read(self._kind)

    async def _next_event(self) -> Event | None:
        if self._lines is None:
            return None
        async for line in self._lines:
            event = self._parser.line(line)
            if event is not None:
                return event
        return None

    async def _open(self) -> bool:
        """Connect; False where the last step was sent already."""
        headers = {**await self._headers(), "accept": "text/event-stream"}
        if self.last_id:
            headers["last-event-id"] = self.last_id
        http = self._transport.http
        response = await http.send(http.build_request("GET", self._path, headers=headers), stream=True)
        self._response = response
        if response.status_code == 204:
            await self._close()
            return False
        if response.status_code != 200:
            answer = Answer(response.status_code, dict(response.headers), await response.aread())
            await self._close()
            if answer.status in (429, 502, 503, 504):
                await self._wait(f"status {answer.status}")
                return await self._open()
            raise refusal(answer)
        self._parser, self._lines = EventParser(), lines_of(response)
        self._parser.last_id = self.last_id
        return True

    async def _wait(self, why: str) -> None:
        self._failed += 1
        wait = self._retries.wait(self._failed, None)
        if wait is None:
            raise StreamLost(self._path, f"the stream broke off: {why[:200]}")
        await anyio.sleep(wait)

    async def _close(self) -> None:
        response, lines = self._response, self._lines
        self._response = self._lines = None
        await close_response(response, lines)


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
