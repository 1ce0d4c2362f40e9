"""`StreamHub`: the streams that are open at a node, and what wakes them.

Rule: a reader never holds up a block. A decided block is only noted; readers are woken some at a time, so that the
network's own work comes in between; each reads the one log at its own place and has no queue. One that is so late that
the log has forgotten its place is left with a code. Streams are bounded by number: all, those of an address, and those
of a member.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import trio

from clearing.base.ids import HOUSE_ACCOUNT
from member.api.streams import WHOLE_BLOCK, Cursor, MarksNews
from member.codes import NodeCode
from member.explaining.receipt_index import Masks
from node.agreement.application import DecidedHeight
from node.api.calls import ApiRefusal
from node.api.stream_blocks import ANYBODY, MASKED_TOPICS, StreamBlock, StreamLog, Viewer, height_news
from node.api.stream_values import Value, changed_marks, marks_now, new_value, snapshot_of, value_of
from node.api.view import NodeView
from node.ops.stream_counts import StreamCounts

WOKEN_AT_ONCE = 32
REFRESH_SHARE = 9
"""So many times as long as values were looked at, they are not looked at again."""
WAKE_SECONDS = 0.1
"""Readers of values are woken no oftener while values are looked at."""
FULL_WAIT_S = 10
"""After which a refused reader may ask again."""
END_SECONDS_MAX = 1.0
"""How long streams have to end when the node ends."""


class StreamHub:
    """Of one node's API."""

    def __init__(
        self, view: NodeView, streams_max: int, streams_per_client_max: int, counts: StreamCounts | None = None
    ) -> None:
        self.view = view
        self.counts = counts or StreamCounts()
        self.counts.newest = self.head
        self.log = StreamLog()
        self.ending = False
        self._max, self._per_client_max = streams_max, streams_per_client_max
        self._open: Counter[str] = Counter()
        self._of_members: Counter[bytes] = Counter()
        self._marks: MarksNews | None = None
        self._waiting = trio.lowlevel.ParkingLot()
        self._news, self._to_refresh = trio.Event(), trio.Event()
        self._running = False
        self._values: dict[str, Value] = {}
        self._readers: Counter[str] = Counter()
        """Of each value."""
        self._snapshots: dict[tuple[str, int], bytes] = {}
        self._snapshots_height = -1

    @property
    def open_streams(self) -> int:
        """How many are open."""
        return self._open.total()

    @property
    def is_live(self) -> bool:
        """Whether anything will wake a reader."""
        return self._running and not self.ending

    def decided(self, decided: DecidedHeight) -> None:
        """Note a block."""
        now = marks_now(decided.state)
        changed, self._marks = changed_marks(self._marks, now), now
        self.log.add(StreamBlock(decided.header, decided.result.receipts, changed, trio.current_time()))
        self._news.set()
        self._to_refresh.set()

    async def run(self) -> None:
        """Wake readers and refresh values until cancelled."""
        self.view.followers.append(self.decided)
        self._running = True
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._wake_readers)
                nursery.start_soon(self._refresh_values)
        finally:
            self._running = False
            self.view.followers.remove(self.decided)

    async def end(self) -> None:
        """Have all streams end, each with a last frame; returns when they have, or after a second."""
        self.ending = True
        with trio.move_on_after(END_SECONDS_MAX):
            while self._open.total():
                self._waiting.unpark_all()
                await trio.sleep(0.01)

    async def wait(self, seconds: float) -> bool:
        """Until something may be new; False after so many seconds without."""
        with trio.move_on_after(seconds):
            await self._waiting.park()
            return True
        return False

    def check_room(self, client: str, signer: bytes) -> None:
        """For an address and a member; an empty signer is nobody. Raises ApiRefusal 429."""
        if self._open.total() >= self._max:
            raise self._refused(_full(open=self._max))
        if self._open[client] >= self._per_client_max:
            raise self._refused(_full(of_one_address=self._per_client_max))
        if signer and self._of_members[signer] >= self._per_client_max:
            raise self._refused(_full(of_one_member=self._per_client_max))

    def _refused(self, refusal: ApiRefusal) -> ApiRefusal:
        self.counts.refused[refusal.problem.code] += 1
        return refusal

    @contextmanager
    def reader(
        self, client: str, signer: bytes, topics: tuple[str, ...], kind: str, place: Callable[[], Cursor]
    ) -> Iterator[None]:
        """A stream to an address, while it is open. `topics`: its values. Raises ApiRefusal 429."""
        self.check_room(client, signer)
        self._open[client] += 1
        self._of_members.update([signer] if signer else ())
        self._readers.update(topics)
        try:
            with self.counts.stream(kind, place):
                yield
        finally:
            self._open[client] -= 1
            self._open += Counter()
            self._of_members.subtract([signer] if signer else ())
            self._of_members += Counter()
            self._readers.subtract(topics)
            for topic in topics:
                if self._readers[topic] <= 0:
                    del self._readers[topic]
                    self._values.pop(topic, None)

    def head(self) -> Cursor:
        """Everything that was decided is up to here."""
        newest = self.log.newest
        if newest is not None:
            return newest.last
        header = self.view.newest
        return Cursor(header.height if header is not None else 0, WHOLE_BLOCK)

    def check_cursor(self, cursor: Cursor) -> None:
        """Raises ApiRefusal 410 for one whose next events are forgotten, 503 for one of a height that is not decided
        here, and 400 for one of an event that there is not."""
        refusal = self._cursor_refusal(cursor)
        if refusal is not None:
            raise self._refused(refusal)

    def _cursor_refusal(self, cursor: Cursor) -> ApiRefusal | None:
        head, first = self.head(), self.log.first_height or self.head().height + 1
        if cursor.height > head.height:
            return ApiRefusal(503, NodeCode.STREAM_CURSOR_AHEAD, "cursor", cursor=str(cursor), newest=str(head))
        if cursor == Cursor(first - 1, WHOLE_BLOCK):
            return None
        block = self.log.block(cursor.height)
        if block is None:
            oldest = str(Cursor(first, 0))
            return ApiRefusal(410, NodeCode.STREAM_CURSOR_OLD, "cursor", cursor=str(cursor), oldest=oldest)
        if block.last.index < cursor.index != WHOLE_BLOCK:
            return ApiRefusal(400, NodeCode.API_PARAMETER, "cursor", value=str(cursor), last=str(block.last))
        return None

    def snapshot(self, topic: str, viewer: Viewer) -> bytes:
        """The data of a topic's snapshot, made once a height for all who may see the same."""
        head = self.head()
        if self._snapshots_height != head.height:
            self._snapshots.clear()
            self._snapshots_height = head.height
        name, _, account = topic.partition(":")
        member = viewer.member if name in MASKED_TOPICS and not account else ANYBODY
        found = self._snapshots.get((name, member))
        if found is None:
            header, newest = self.view.newest, self.log.newest
            data: object
            if name == "heights" and newest is not None and header is not None:
                data = height_news(header, len(newest.receipts))
            else:
                data = snapshot_of(self.view, name, viewer.masks())
            found = self._snapshots[(name, member)] = msgspec.json.encode(data)
        return found

    def value(self, topic: str) -> Value | None:
        """The newest version of a value that somebody reads; None for no such account."""
        found = self._values.get(topic)
        if found is None:
            fields = value_of(self.view.state, topic)
            if fields is None:
                return None
            found = self._values[topic] = new_value(fields)
        return found

    async def _wake_readers(self) -> None:
        while True:
            await self._news.wait()
            self._news = trio.Event()
            left = len(self._waiting)
            while left > 0 and len(self._waiting):
                self._waiting.unpark(count=WOKEN_AT_ONCE)
                left -= WOKEN_AT_ONCE
                await trio.lowlevel.checkpoint()

    async def _refresh_values(self) -> None:
        while True:
            await self._to_refresh.wait()
            self._to_refresh = trio.Event()
            changed, woken_at = False, trio.current_time()
            for topic in sorted(self._values):
                began = trio.current_time()
                value = self._values.get(topic)
                fields = value_of(self.view.state, topic) if value is not None else None
                changed |= value is not None and fields is not None and value.changed(fields)
                now = trio.current_time()
                if changed and now - woken_at >= WAKE_SECONDS:
                    self._news.set()
                    changed, woken_at = False, now
                await trio.sleep(REFRESH_SHARE * (now - began))
            if changed:
                self._news.set()


def member_masks(view: NodeView, member: int) -> Masks:
    """The names under which a member sees accounts, as they are now: its own and public ones in clear."""
    state = view.state
    public = (HOUSE_ACCOUNT, state.terms.crisis.liquidation.backstop_account)

    def in_clear(account: int) -> bool:
        record = state.accounts.get(account)
        return account in public or (record is not None and record.member == member)

    return Masks(state.salt, in_clear)


def _full(**limit: int) -> ApiRefusal:
    refusal = ApiRefusal(429, NodeCode.STREAM_FULL, "stream", **limit)
    refusal.headers["Retry-After"] = str(math.ceil(FULL_WAIT_S))
    return refusal
