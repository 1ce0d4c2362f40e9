"""Following `/v1/stream`: topics from snapshots or from a cursor on, over server-sent events or a WebSocket.

Rule: frames come once and in order. A break goes on after the last cursor, also at a node that was restarted. Where the
node no longer keeps what followed, a frame `gap` says so before the snapshots that replace what was known. Nothing is
read ahead: who takes frames slowly is held up by the connection, and at the worst comes back after its cursor.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Annotated, Any, Protocol

import msgspec

from crossclear_client.errors import BadAnswer, NodeRefused
from crossclear_client.generated.answers import Problem
from crossclear_client.streams import Connection, EventSource, ReopenedStream
from crossclear_client.transport import BUSY, Answer, Retries, Transport, refusal, retry_after

CURSOR = r"\A(?:(?:0|[1-9][0-9]{0,17}):(?:0|[1-9][0-9]{0,8}))?\Z"
STREAM_OLD, STREAM_SLOW, STREAM_ENDING = "R0960", "R0963", "R0965"
"""What followed the cursor is forgotten; the reader was too slow; the node ends."""
_KINDS = frozenset(("snapshot", "delta"))
ACCOUNT_FIELDS = (
    "account",
    "buyer",
    "seller",
    "recipient",
    "named_account",
    "bidder",
    "fund",
    "backstop",
    "estate",
)
"""Fields of receipts that are an account; lists have others."""
Headers = Callable[[str], Awaitable[dict[str, str]]]
"""Of a request of a target, signed anew for each attempt."""


class Frame(msgspec.Struct, frozen=True):
    """One frame: a `snapshot` of a topic replaces what was known of it, a `delta` is what changed.

    A `gap` is of the client: `data` is the node's refusal, and snapshots follow. Receipts that were missed are at
    `/v1/receipts`.
    """

    topic: str
    cursor: Annotated[str, msgspec.Meta(pattern=CURSOR)]
    """HEIGHT:INDEX, or empty. The next request is signed with it."""
    kind: str
    data: dict[str, Any]


class FrameConnection(Connection, Protocol):
    """One connection to `/v1/stream`."""

    async def open(self, target: str, headers: dict[str, str]) -> Answer | None:
        """Connect; the answer where it is none of a stream."""

    async def next(self) -> list[Frame]:
        """The next frames; none where the node closed."""


class FrameStream(ReopenedStream[Frame]):
    """The frames of some topics. Never ends by itself."""

    def __init__(
        self,
        connection: FrameConnection,
        topics: Collection[str],
        headers: Headers,
        retries: Retries,
        cursor: str = "",
    ) -> None:
        super().__init__(connection, "/v1/stream?topics=" + ",".join(topics), retries)
        self._connection, self._topics, self._headers = connection, frozenset(topics), headers
        self.cursor = cursor
        """Everything up to here was taken: give it to a later stream, at this node or another, to go on from here."""
        self._frames: list[Frame] = []

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
        if frame.kind != "heartbeat" and (frame.kind not in _KINDS or frame.topic not in self._topics):
            raise BadAnswer("stream", f"a frame {frame.kind[:16]!r} of {frame.topic[:32]!r} was not asked for")
        if frame.kind != "heartbeat" and not is_of_topic(frame.topic, frame.data):
            raise BadAnswer("stream", f"a frame of {frame.topic} is about another account")
        if not is_after(self.cursor, frame):
            raise BadAnswer("cursor", "frames come once and in order")
        self._failed, self.cursor = 0, frame.cursor
        return None if frame.kind == "heartbeat" else frame

    async def _more(self) -> Frame | None:
        """Read on, on a new connection if need be; a gap where there is one."""
        import httpx

        try:
            if not self._is_open:
                return await self._open()
            self._frames = await self._unless_silent(self._connection.next())
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


def is_after(cursor: str, frame: Frame) -> bool:
    """Whether a frame may follow the cursor: an event is beyond it, a value or a heartbeat not before it. Snapshots of
    events, and frames without a cursor, come before there is one."""
    if not cursor:
        return True
    before, now = _sortable(cursor), _sortable(frame.cursor)
    if frame.kind == "heartbeat" or frame.topic == "sales" or frame.topic.startswith("account:"):
        return now >= before
    return frame.kind == "delta" and now > before


def _sortable(cursor: str) -> tuple[str, ...]:
    return tuple(part.zfill(18) for part in cursor.split(":"))


def is_of_topic(topic: str, data: dict[str, Any]) -> bool:
    """Whether the data is of the account that the topic names, as far as it names accounts: a receipt may name others
    beside it."""
    kind, _, account = topic.partition(":")
    if kind == "account":
        return str(data.get("account", account)) == account
    if kind != "receipts" or "details" not in data:
        return True
    details = data["details"]
    named = tuple(_accounts(details)) if isinstance(details, dict) else ("",)
    return not named or account in named


def _accounts(details: dict[str, Any]) -> Iterator[str]:
    """What may be accounts in a receipt: its fields that are one, and everything in lists."""
    inner = []
    for name, value in details.items():
        if isinstance(value, list | dict):
            inner.append(value)
        elif name in ACCOUNT_FIELDS:
            yield str(value)
    while inner:
        value = inner.pop()
        for each in value.values() if isinstance(value, dict) else value:
            if isinstance(each, list | dict):
                inner.append(each)
            else:
                yield str(each)


class EventConnection:
    """Server-sent events that are frames."""

    def __init__(self, transport: Transport) -> None:
        self._source = EventSource(transport)
        self.open, self.close = self._source.open, self._source.close

    async def next(self) -> list[Frame]:
        """The next frame; none where the node closed."""
        event = await self._source.next()
        return [] if event is None else [Answer(200, {}, event.data.encode()).read(Frame)]


def frames_of(message: bytes) -> list[Frame]:
    """The frames of a message of a WebSocket. Raises BadAnswer."""
    frames = Answer(200, {}, message).read(list[Frame])
    if not frames:
        raise BadAnswer("stream", "a message without a frame")
    return frames
