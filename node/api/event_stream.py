"""Server-sent events: an answer that goes on until what it shows has come to its end.

Rule: a stream ends by itself, and few are open at a time. Each step has an id, so that a reader that comes back with
the last one it got misses none that is remembered. What is remembered is bounded, and a restart forgets it: then a
reader gets the newest step.
"""

import math
import os
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import trio
from starlette.responses import Response

from node.api.calls import ApiRefusal, respond_refusal, too_many

EVENT_STREAM = "text/event-stream"
STREAMS_MAX = 64
"""Open at a node at a time."""
LOOK_SECONDS = 0.5
QUIET_SECONDS = 5.0
"""After so long without a step a comment is sent, so that nobody takes the stream for dead."""
STREAM_SECONDS_MAX = 20.0
"""Below the time after which the server closes a connection on which nothing is asked."""
READER_SECONDS_MAX = 2 * STREAM_SECONDS_MAX
"""After so long a reader that takes nothing is left."""
SUBJECTS_MAX = 1024
STEPS_MAX = 16
"""Remembered, and of each subject."""
LAST_EVENT_ID = "Last-Event-ID"
"""The header in which a reader says what it got last (HTML standard, "Server-sent events")."""
EVENT_ID = "[0-9a-f]{16}-[0-9]{1,9}"
Message = MutableMapping[str, Any]
_open = trio.CapacityLimiter(STREAMS_MAX)


@dataclass(frozen=True, slots=True)
class StreamStep:
    """What is shown: `data` is JSON in one line, sent when `key` is another than before."""

    key: object
    data: bytes
    is_end: bool


@dataclass(frozen=True, slots=True)
class NumberedStep:
    """A step with its number among those of its subject, from 1 on."""

    number: int
    step: StreamStep


class StepHistory:
    """The newest steps of the subjects that were shown last, as far as a stream looked at them."""

    def __init__(self) -> None:
        self._run = os.urandom(8).hex()
        """Ids of another run mean nothing here."""
        self._of: OrderedDict[object, deque[NumberedStep]] = OrderedDict()

    def note(self, subject: object, step: StreamStep) -> NumberedStep:
        """Remember a step, if it is another than the newest; the newest."""
        steps = self._of.setdefault(subject, deque(maxlen=STEPS_MAX))
        self._of.move_to_end(subject)
        if len(self._of) > SUBJECTS_MAX:
            self._of.popitem(last=False)
        if not steps or steps[-1].step.key != step.key:
            steps.append(NumberedStep(steps[-1].number + 1 if steps else 1, step))
        return steps[-1]

    def after(self, subject: object, number: int) -> list[NumberedStep]:
        """What is remembered beyond a number, in order."""
        return [each for each in self._of.get(subject, ()) if each.number > number]

    def number_of(self, subject: object, event_id: str) -> int | None:
        """The number of a step that a reader got in this run; None where the id means nothing."""
        run, _, digits = event_id.partition("-")
        newest = self._of[subject][-1].number if subject in self._of else 0
        return int(digits) if run == self._run and int(digits) <= newest else None

    def id_of(self, numbered: NumberedStep) -> str:
        """As the reader sees it."""
        return f"{self._run}-{numbered.number}"


history = StepHistory()
"""Of this process."""


def stream_of(subject: object, look: Callable[[], StreamStep], last_event_id: str = "") -> Response:
    """A stream of what `look` returns: the steps after the one with this id, else the newest one, and all later ones.

    204 without a body where the reader got the last one, which ends the asking of browsers. `look` must be quick.
    Raises ApiRefusal: 429 when too many streams are open, and what the first `look` raises.
    """
    newest = history.note(subject, look())
    sent = history.number_of(subject, last_event_id) if last_event_id else None
    if sent == newest.number and newest.step.is_end:
        return Response(status_code=204)
    return EventStream(subject, look, newest.number - 1 if sent is None else sent)


class EventStream(Response):
    """Sends the steps of a subject after the one with this number, until the last one. Raises ApiRefusal 429."""

    def __init__(self, subject: object, look: Callable[[], StreamStep], sent: int) -> None:
        super().__init__(media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})
        # No length: it is not known.
        del self.headers["content-length"]
        self._subject = subject
        self._look = look
        self._sent = sent
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
                nursery.cancel_scope.deadline = trio.current_time() + READER_SECONDS_MAX
                await self._send_steps(send)
                nursery.cancel_scope.cancel()
        finally:
            _open.release_on_behalf_of(self)

    async def _send_steps(self, send: Callable[[Message], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        begun = sent_at = trio.current_time()
        is_over = await self._send_new(send)
        while not is_over and trio.current_time() - begun < STREAM_SECONDS_MAX:
            await trio.sleep(LOOK_SECONDS)
            before = self._sent
            try:
                history.note(self._subject, self._look())
            except ApiRefusal:
                break  # it is no longer remembered
            is_over = await self._send_new(send)
            if self._sent != before:
                sent_at = trio.current_time()
            elif trio.current_time() - sent_at >= QUIET_SECONDS:
                sent_at = trio.current_time()
                await send(_body(b": no step\n\n"))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_new(self, send: Callable[[Message], Awaitable[None]]) -> bool:
        """Send what was not sent yet; whether the newest is the last one."""
        is_over = False
        for numbered in history.after(self._subject, self._sent):
            await send(_body(b"id: %b\ndata: %b\n\n" % (history.id_of(numbered).encode(), numbered.step.data)))
            self._sent, is_over = numbered.number, numbered.step.is_end
        return is_over


def _too_many() -> ApiRefusal:
    return too_many("stream", math.ceil(1000 * STREAM_SECONDS_MAX), open=STREAMS_MAX)


def _body(data: bytes) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": True}


async def _until_left(receive: Callable[[], Awaitable[Message]], scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
