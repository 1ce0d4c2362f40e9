"""`/v1/stream`: what happens at the network and in own accounts, as it happens.

Rule: a stream begins with a snapshot of each topic, or after the reader's cursor; then come all events of its topics,
once and in order. Topics of an account are its member's alone, checked again at each step: a key that is replaced no
longer reads. What is sent over a connection is bounded, frame by frame.
"""

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import trio
from starlette.responses import Response

from clearing.base.errors import Rejected
from member.api.streams import (
    ACCOUNT_TOPICS,
    CURSOR_PATTERN,
    PUBLIC_TOPICS,
    TOPICS_PATTERN,
    Cursor,
    StreamFrame,
    read_cursor,
)
from member.codes import NodeCode
from node.api.calls import ApiCall, ApiRefusal, Parameter, Routes, member_of, owner_of, problem_of, respond_refusal
from node.api.event_stream import EVENT_STREAM, LAST_EVENT_ID
from node.api.stream_blocks import ANYBODY, Line, StreamBlock, Viewer, frame
from node.api.stream_hub import StreamHub, member_masks
from node.api.stream_values import is_value
from node.ops.stream_counts import EVENTS, FAILED, LEFT

routes = Routes()
QUIET_SECONDS = 5.0
"""After so long without an event a heartbeat is sent, with the cursor."""
CHUNK_BYTES_MAX = 1 << 18
"""Sent at once, unless one frame alone is larger."""
STREAM_PARAMETERS = (
    Parameter("topics", "query", TOPICS_PATTERN, "the topics between commas, at most 16"),
    Parameter("cursor", "query", CURSOR_PATTERN, "cursor of the last frame that was received", required=False),
    Parameter(LAST_EVENT_ID, "header", CURSOR_PATTERN, "the same; it counts before `cursor`", required=False),
)


@routes.get(
    "/v1/stream",
    *STREAM_PARAMETERS,
    answer=StreamFrame,
    may_sign=True,
    refusals=(403, 410, 429, 503),
    media=EVENT_STREAM,
)
def stream(call: ApiCall) -> Response:
    """What happens, as it happens: a snapshot of each topic, or all that followed a cursor, then each event.

    Server-sent events; the same over a WebSocket, where each message is an array of frames. The `id` of an event is its
    cursor. Topics other than `heights`, `marks`, `epochs` and `governance` are for members: sign the request; those of
    an account for its member alone. 410 for a cursor of which what followed is forgotten: it names the oldest.
    """
    return StreamResponse(subscription_of(call))


class StreamEnd(Exception):
    """A stream ends by this refusal."""

    def __init__(self, code: NodeCode, at: str = "stream", /, **values: str | int) -> None:
        super().__init__(code.label)
        self.code = code
        self.problem = problem_of(Rejected(code, at, tuple(values.items())))


def subscription_of(call: ApiCall) -> "Subscription":
    """What a checked request asks for. Raises ApiRefusal 400, 401, 403, 410, 429, 503."""
    if call.streams is None:
        raise ApiRefusal(503, NodeCode.API_NOT_READY, "stream")
    topics = tuple(sorted(set(call.parameters["topics"].split(","))))
    private = [topic for topic in topics if topic not in PUBLIC_TOPICS]
    if private and not call.signer:
        raise ApiRefusal(401, NodeCode.API_UNAUTHENTICATED, "authorization", topic=private[0])
    for account in accounts_of(topics):
        # As for `own_account`: an unknown account and another's are refused alike.
        if owner_of(call.state, account) != call.signer:
            raise ApiRefusal(403, NodeCode.API_FORBIDDEN, "topics", account=account)
    cursor = read_cursor(call.parameters.get(LAST_EVENT_ID, call.parameters.get("cursor", "")))
    if cursor is not None:
        call.streams.check_cursor(cursor)
    call.streams.check_room(call.client, call.signer)
    member = member_of(call.state, call.signer) if call.signer else None
    return Subscription(call.streams, call.client, topics, call.signer, ANYBODY if member is None else member, cursor)


def accounts_of(topics: tuple[str, ...]) -> list[int]:
    """The accounts that topics are about."""
    parts = (topic.partition(":") for topic in topics)
    return [int(account) for name, _, account in parts if name in ACCOUNT_TOPICS]


@dataclass
class Subscription:
    """What one stream shows and how far it is. It has no queue: it reads the hub's log."""

    hub: StreamHub
    client: str
    topics: tuple[str, ...]
    signer: bytes
    member: int
    cursor: Cursor | None
    """The last event that was sent; None before the snapshots."""
    _versions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.values = tuple(topic for topic in self.topics if is_value(topic))
        self.logged = tuple(topic for topic in self.topics if not is_value(topic))
        self.viewer = Viewer(self.member, lambda: member_masks(self.hub.view, self.member))
        self._accounts = accounts_of(self.topics)

    def place(self) -> Cursor:
        """Everything up to here was sent."""
        return self.cursor or self.hub.head()

    def open(self, kind: str) -> AbstractContextManager[None]:
        """Its place at the hub, while it is open. Raises ApiRefusal 429."""
        return self.hub.reader(self.client, self.signer, self.values, kind, self.place)

    def begin(self) -> list[Line]:
        """The snapshots, for a reader without a cursor; nothing for one with."""
        if self.cursor is not None:
            return []
        self.cursor = head = self.hub.head()
        lines: list[Line] = []
        for topic in self.logged:
            # A reader that goes on after one of them would miss those that follow.
            place = head if topic == self.logged[-1] else None
            data = self.hub.snapshot(topic, self.viewer)
            lines.append((None if place is None else place.index, frame(topic, place, "snapshot", data)))
        return lines

    def take(self, shape: "Shape") -> Iterator["Piece"]:
        """What is new, in pieces as `shape` makes them. Raises StreamEnd."""
        self._check_reader()
        yield from self._blocks(shape)
        lines = list(self._changed_values())
        if lines:
            yield Piece(shape(self.place().height, lines), len(lines))

    def _blocks(self, shape: "Shape") -> Iterator["Piece"]:
        log, place = self.hub.log, self.place()
        newest = log.newest
        while newest is not None and place < newest.last:
            block = log.block(place.height)
            if block is None or place == block.last:
                block, after = log.block(place.height + 1), -1
            else:
                after = place.index
            if block is None:
                raise StreamEnd(NodeCode.STREAM_SLOW, cursor=str(place), oldest=f"{log.first_height}:0")
            yield from self._pieces(block, after, shape)
            self.cursor = place = block.last

    def _pieces(self, block: StreamBlock, after: int, shape: "Shape") -> list["Piece"]:
        def make() -> list[Piece]:
            lines = block.all_lines(self.logged, self.viewer, after)
            return [Piece(shape(block.height, part), len(part), block.decided_at) for part in in_chunks(lines)]

        # Readers of the same topics who may see the same share the bytes.
        pieces: list[Piece] = block.joined((self.logged, self.member, shape), make) if after < 0 else make()
        return pieces

    def _changed_values(self) -> Iterator[Line]:
        place = self.place()
        for topic in self.values:
            value = self.hub.value(topic)
            sent = self._versions.get(topic, 0)
            if value is None or value.version == sent:
                continue
            self._versions[topic] = value.version
            if sent:
                self.hub.counts.skipped += value.version - sent - 1
            is_next = sent and value.version == sent + 1
            kind, data = ("delta", value.delta) if is_next else ("snapshot", value.whole)
            yield place.index, frame(topic, place, kind, data)

    def _check_reader(self) -> None:
        if self.hub.ending:
            raise StreamEnd(NodeCode.STREAM_ENDING, cursor=str(self.place()))
        if not self.signer:
            return
        state = self.hub.view.state
        record = state.members.get(self.member)
        if record is None or record.trade_address != self.signer:
            raise StreamEnd(NodeCode.API_FORBIDDEN, "signer")
        for account in self._accounts:
            if owner_of(state, account) != self.signer:
                raise StreamEnd(NodeCode.API_FORBIDDEN, "topics", account=account)


Shape = Callable[[int, list[Line]], Any]
"""What is sent of several frames of a height: the same function makes the same bytes."""


class Piece(NamedTuple):
    """What is sent at once: how many frames it has, and when their block was decided, for those of a block."""

    data: Any
    frames: int
    decided_at: float | None = None


def in_chunks(lines: list[Line]) -> Iterator[list[Line]]:
    """Lines, in runs of at most `CHUNK_BYTES_MAX`."""
    run: list[Line] = []
    size = 0
    for line in lines:
        if run and size + len(line[1]) > CHUNK_BYTES_MAX:
            yield run
            run, size = [], 0
        run.append(line)
        size += len(line[1])
    if run:
        yield run


def as_events(height: int, lines: list[Line]) -> bytes:
    """Server-sent events. One without an id leaves the reader's as it was."""
    return b"".join(
        b"data: %b\n\n" % data if index is None else b"id: %d:%d\ndata: %b\n\n" % (height, index, data)
        for index, data in lines
    )


def as_message(_: int, lines: list[Line]) -> str:
    """A message of a WebSocket: an array of frames."""
    return (b"[%b]" % b",".join(data for _, data in lines)).decode()


class Sending:
    """Sends a stream over a connection of a kind, and counts what it sent."""

    def __init__(
        self, subscription: Subscription, kind: str, shape: Shape, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        self._subscription, self._kind, self._shape, self._send = subscription, kind, shape, send

    async def all(self) -> StreamEnd:
        """Send the stream until it ends; why it did."""
        subscription, shape = self._subscription, self._shape
        hub = subscription.hub
        try:
            for run in in_chunks(subscription.begin()):
                await self._piece(Piece(shape(subscription.place().height, run), len(run)))
            while True:
                is_new = False
                for piece in subscription.take(shape):
                    await self._piece(piece)
                    is_new = True
                if is_new:
                    continue  # a block may have been decided meanwhile
                if not hub.is_live:
                    raise StreamEnd(NodeCode.STREAM_ENDING, cursor=str(subscription.place()))
                if not await hub.wait(QUIET_SECONDS):
                    await self._place("heartbeat", b"{}")
        except StreamEnd as end:
            await self._place("end", msgspec.json.encode(end.problem))
            return end

    async def _place(self, kind: str, data: bytes) -> None:
        """A frame of no topic."""
        place = self._subscription.place()
        await self._piece(Piece(self._shape(place.height, [(place.index, frame("", place, kind, data))]), 1))

    async def _piece(self, piece: Piece) -> None:
        await self._send(piece.data)
        delay = None if piece.decided_at is None else trio.current_time() - piece.decided_at
        self._subscription.hub.counts.sent(self._kind, piece.frames, delay)


async def converse(
    subscription: Subscription,
    sending: Sending,
    listen: Callable[[], Awaitable[StreamEnd | None]],
    close: Callable[[StreamEnd], Awaitable[None]],
) -> None:
    """Send a stream until it ends by itself or `listen` returns: None where the reader left. Counts the end."""
    reasons: list[str] = []
    """Only the first counts: the connection ends after a stream that has ended, too."""

    async def until_heard(scope: trio.CancelScope) -> None:
        end = await listen()
        reasons.append(LEFT if end is None else end.code.label)
        if end is not None:
            await close(end)
        scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(until_heard, nursery.cancel_scope)
            end = await sending.all()
            reasons.append(end.code.label)
            await close(end)
            nursery.cancel_scope.cancel()
    finally:
        subscription.hub.counts.ended[reasons[0] if reasons else FAILED] += 1


Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class StreamResponse(Response):
    """The stream as server-sent events."""

    def __init__(self, subscription: Subscription) -> None:
        super().__init__(media_type=EVENT_STREAM, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        # No length: it is not known.
        del self.headers["content-length"]
        self._subscription = subscription

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """The ASGI answer. Ends when its reader has left."""
        subscription = self._subscription

        async def send_body(data: bytes) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": True})

        async def until_left() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        async def close(_: StreamEnd) -> None:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        try:
            with subscription.open(EVENTS):
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await converse(subscription, Sending(subscription, EVENTS, as_events, send_body), until_left, close)
        except ApiRefusal as refusal:
            await respond_refusal(refusal)(scope, receive, send)
