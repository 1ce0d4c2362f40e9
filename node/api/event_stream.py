"""Server-sent events: an answer that goes on until what it shows has come to its end.

Rule: a stream ends by itself, and few are open at a time. Nothing is queued for a slow reader: it sees the newest step.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import trio
from starlette.responses import Response

from member.codes import NodeCode
from node.api.calls import ApiRefusal, respond_refusal

EVENT_STREAM = "text/event-stream"
STREAMS_MAX = 64
"""Open at a node at a time."""
LOOK_SECONDS = 0.5
QUIET_SECONDS = 5.0
"""After so long without a step a comment is sent, so that nobody takes the stream for dead."""
STREAM_SECONDS_MAX = 20.0
"""Below the time after which the server closes a connection on which nothing is asked."""
Message = MutableMapping[str, Any]
_open = trio.CapacityLimiter(STREAMS_MAX)


@dataclass(frozen=True, slots=True)
class StreamStep:
    """What is shown: `data` is JSON in one line, sent when `key` is another than before."""

    key: object
    data: bytes
    is_end: bool


class EventStream(Response):
    """Sends what `look` returns whenever it is another step, until the last one.

    Raises ApiRefusal: 429 when too many are open, and what the first `look` raises. `look` must be quick.
    """

    def __init__(self, look: Callable[[], StreamStep]) -> None:
        super().__init__(media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})
        # No length: it is not known.
        del self.headers["content-length"]
        self._look = look
        self._first = look()
        if _open.available_tokens <= 0:
            raise _too_many()

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """The ASGI answer. Ends when its reader has left."""
        try:
            _open.acquire_on_behalf_of_nowait(self)
        except trio.WouldBlock:
            await respond_refusal(_too_many())(scope, receive, send)
            return
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_left, receive, nursery.cancel_scope)
                # A reader that takes nothing ends it too.
                nursery.cancel_scope.deadline = trio.current_time() + 2 * STREAM_SECONDS_MAX
                await self._send_steps(send)
                nursery.cancel_scope.cancel()
        finally:
            _open.release_on_behalf_of(self)

    async def _send_steps(self, send: Callable[[Message], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        shown, begun = self._first, trio.current_time()
        sent_at = begun
        await send(_body(b"data: %b\n\n" % shown.data))
        while not shown.is_end and trio.current_time() - begun < STREAM_SECONDS_MAX:
            await trio.sleep(LOOK_SECONDS)
            try:
                found = self._look()
            except ApiRefusal:
                break  # it is no longer remembered
            if found.key != shown.key:
                shown, sent_at = found, trio.current_time()
                await send(_body(b"data: %b\n\n" % shown.data))
            elif trio.current_time() - sent_at >= QUIET_SECONDS:
                sent_at = trio.current_time()
                await send(_body(b": no step\n\n"))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _too_many() -> ApiRefusal:
    return ApiRefusal(429, NodeCode.API_RATE, "stream", open=STREAMS_MAX)


def _body(data: bytes) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": True}


async def _until_left(receive: Callable[[], Awaitable[Message]], scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
