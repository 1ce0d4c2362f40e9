"""Following `/v1/stream`: topics from snapshots or from a cursor on, over server-sent events or a WebSocket.

Rule: frames come once and in order. A break goes on after the last cursor, also at a node that was restarted. Where the
node no longer keeps what followed, a frame `gap` says so before the snapshots that replace what was known. Nothing is
read ahead: who takes frames slowly is held up by the connection, and at the worst comes back after its cursor.
"""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import msgspec

from crossclear_client.errors import BadAnswer, NodeRefused, StreamLost
from crossclear_client.generated.answers import Problem
from crossclear_client.streams import EventParser, close_response, lines_of
from crossclear_client.transport import BUSY, Answer, Retries, Transport, refusal, retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

STREAM_OLD, STREAM_SLOW, STREAM_ENDING = "R0960", "R0963", "R0965"
"""What followed the cursor is forgotten; the reader was too slow; the node ends."""
Headers = Callable[[str], Awaitable[dict[str, str]]]
"""Of a request of a target, signed anew for each attempt."""


class Frame(msgspec.Struct, frozen=True):
    """One frame: a `snapshot` of a topic replaces what was known of it, a `delta` is what changed.

    A `gap` is of the client: `data` is the node's refusal, and snapshots follow. Receipts that were missed are at
    `/v1/receipts`.
    """

    topic: str
    cursor: str
    kind: str
    data: dict[str, Any]


class Connection(Protocol):
    """One connection to the stream of a node."""

    async def open(self, target: str, headers: dict[str, str]) -> Answer | None:
        """Connect; the answer where it is none of a stream."""

    async def next(self) -> list[Frame]:
        """The next frames; none where the node closed."""

    async def close(self) -> None:
        """In any state, also twice."""


class FrameStream:
    """The frames of some topics. Use as an async context manager, then iterate. Never ends by itself."""

    def __init__(self, connection: Connection, path: str, headers: Headers, retries: Retries, cursor: str = "") -> None:
        self._connection, self._path, self._headers, self._retries = connection, path, headers, retries
        self.cursor = cursor
        """Everything up to here was taken: give it to a later stream, at this node or another, to go on from here."""
        self._frames: list[Frame] = []
        self._is_open = False
        self._failed = 0

    async def __aenter__(self) -> "FrameStream":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await self._close()

    def __aiter__(self) -> "FrameStream":
        return self

    async def __anext__(self) -> Frame:
        """The next frame but heartbeats. Raises StreamLost when the node cannot be reached again, NodeRefused,
        BadAnswer."""
        while True:
            while self._frames:
                frame = self._frames.pop(0)
                found = await self._ended(frame) if frame.kind == "end" else self._noted(frame)
                if found is not None:
                    return found
            gap = await self._more()
            if gap is not None:
                return gap

    def _noted(self, frame: Frame) -> Frame | None:
        self._failed, self.cursor = 0, frame.cursor
        return None if frame.kind == "heartbeat" else frame

    async def _more(self) -> Frame | None:
        """Read on, on a new connection if need be; a gap where there is one."""
        import httpx

        try:
            if not self._is_open:
                return await self._open()
            self._frames = await self._connection.next()
            if not self._frames:
                await self._again("the node closed the connection")
        except (httpx.TransportError, OSError) as error:
            await self._again(str(error) or repr(error))
        return None

    async def _open(self) -> Frame | None:
        target = self._path + (f"&cursor={self.cursor}" if self.cursor else "")
        answer = await self._connection.open(target, await self._headers(target))
        if answer is None:
            self._is_open = True
            return None
        if answer.status in BUSY:
            await self._again(f"status {answer.status}", retry_after(answer))
            return None
        refused = refusal(answer)
        if refused.code == STREAM_OLD:
            return await self._gap(msgspec.json.decode(answer.body))
        await self._close()
        raise refused

    async def _ended(self, frame: Frame) -> Frame | None:
        problem = Answer(200, {}, msgspec.json.encode(frame.data)).read(Problem)
        self._frames = []
        if problem.code == STREAM_SLOW:
            return await self._gap(frame.data)
        if problem.code != STREAM_ENDING:
            await self._close()
            raise NodeRefused(problem.code, problem.message, at=problem.at, remedy=problem.remedy, status=200)
        await self._again(problem.message)
        return None

    async def _gap(self, data: dict[str, Any]) -> Frame:
        await self._close()
        before, self.cursor = self.cursor, ""
        return Frame("", before, "gap", data)

    async def _again(self, why: str, asked: float | None = None) -> None:
        """Wait before another connection. Raises StreamLost after too many in a row without a frame."""
        await self._close()
        self._failed += 1
        wait = self._retries.wait(self._failed, asked)
        if wait is None:
            raise StreamLost(self._path, f"the stream broke off: {why[:200]}")
        await anyio.sleep(wait)

    async def _close(self) -> None:
        self._is_open = False
        await self._connection.close()


class EventConnection:
    """Server-sent events."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._response: httpx.Response | None = None
        self._lines: AsyncIterator[str] | None = None
        self._parser = EventParser()

    async def open(self, target: str, headers: dict[str, str]) -> Answer | None:
        """Connect; the answer where it is none of a stream."""
        http = self._transport.http
        headers = headers | {"accept": "text/event-stream"}
        response = await http.send(http.build_request("GET", target, headers=headers), stream=True)
        self._response = response
        if response.status_code != 200:
            answer = Answer(response.status_code, dict(response.headers), await response.aread())
            await self.close()
            return answer
        self._parser, self._lines = EventParser(), lines_of(response)
        return None

    async def next(self) -> list[Frame]:
        """The next frame; none where the node closed."""
        if self._lines is not None:
            async for line in self._lines:
                event = self._parser.line(line)
                if event is not None:
                    return [Answer(200, {}, event.data.encode()).read(Frame)]
        return []

    async def close(self) -> None:
        """In any state, also twice."""
        response, lines = self._response, self._lines
        self._response = self._lines = None
        await close_response(response, lines)


def frames_of(message: bytes) -> list[Frame]:
    """The frames of a message of a WebSocket. Raises BadAnswer."""
    frames = Answer(200, {}, message).read(list[Frame])
    if not frames:
        raise BadAnswer("stream", "a message without a frame")
    return frames
