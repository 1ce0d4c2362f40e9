"""Binance: spot and USDⓈ-M futures.

Source: binance-docs, "WebSocket Streams" and "How to manage a local order book correctly". Spot events chain by
`U == u + 1` of the one before, futures events by `pu == u`. Best prices of spot have no time.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from clearing.base.errors import RemoteFault
from node.oracle.events import (
    BookLost,
    ClosingSoon,
    Event,
    HttpAnswer,
    MarketOpened,
    PriceRead,
    SnapshotWanted,
)
from node.oracle.readings import Reading, of_book
from node.oracle.venues.order_book import Level, OrderBook
from node.oracle.venues.wire import (
    NOTHING,
    Message,
    again,
    check_status,
    decode,
    is_absent,
    malformed,
    moment,
    price,
    rate_limited,
    refused,
)

WAITING_MAX = 1_000
"""Events kept until the snapshot comes: a minute and a half of them."""
WAITING_LEVELS_MAX = 200_000
"""Levels in all of them together."""
TOO_MANY = -1003
BAN_MS = 120_000
"""The shortest ban."""
UPDATES = {"ticker": "bookTicker", "book": "depth@100ms", "index": "markPrice@1s", "mark": "markPrice@1s"}


class _Fault(Message, frozen=True):
    code: int | None = None
    msg: str = ""


class _Head(Message, frozen=True):
    e: str = ""
    s: str = ""
    stream: str = ""
    data: msgspec.Raw = NOTHING
    error: _Fault | None = None
    code: int | None = None
    msg: str = ""


class _Best(Message, frozen=True):
    s: str
    b: Decimal
    a: Decimal
    E: int | None = None


class _Depth(Message, frozen=True):
    E: int
    U: int
    u: int
    b: list[Level]
    a: list[Level]
    pu: int | None = None


class _Mark(Message, frozen=True):
    E: int
    p: Decimal
    i: Decimal


class _Snapshot(Message, frozen=True):
    lastUpdateId: int  # noqa: N815 - the venue's
    bids: list[Level]
    asks: list[Level]


class _RestBest(Message, frozen=True):
    bidPrice: Decimal  # noqa: N815
    askPrice: Decimal  # noqa: N815
    time: int | None = None


class _RestMark(Message, frozen=True):
    markPrice: Decimal  # noqa: N815
    indexPrice: Decimal  # noqa: N815
    time: int


class BinanceStream:
    """One market's stream. With "book" it needs snapshots over HTTP."""

    frame_bytes_max = 1 << 20
    silence_ms_max = 60_000
    """The server pings each 20 s; a quiet market sends nothing else."""
    keepalive_ms = 0
    keepalive = ""

    def __init__(self, market: str, kind: str, *, futures: bool) -> None:
        self._at, self._market, self._kind, self._futures = f"binance {market}", market, kind, futures
        self._book = OrderBook(self._at)
        self._waiting: list[_Depth] = []
        self._waiting_levels = 0
        self._last: int | None = None
        """The last update that the book contains; None before the snapshot."""
        self._is_first = True
        self._newest = 0

    def opening(self) -> tuple[str, ...]:
        """The subscription."""
        self._forget()
        self._newest = 0
        name = f"{self._market.lower()}@{UPDATES[self._kind]}"
        return (msgspec.json.encode({"method": "SUBSCRIBE", "params": [name], "id": 1}).decode(),)

    def receive(self, frame: bytes) -> tuple[Event, ...]:
        """The events of one message."""
        head = decode(frame, _Head, self._at, self.frame_bytes_max)
        body: bytes | msgspec.Raw = frame
        if not is_absent(head.data):
            body = head.data
            head = again(head.data, _Head, self._at)
        if fault := head.error or (_Fault(head.code, head.msg) if head.code is not None else None):
            raise _refusal(fault, self._at)
        if head.e == "serverShutdown":
            return (ClosingSoon("the server shuts down"),)
        if head.s != self._market:
            return ()
        if self._kind == "ticker" and head.e in ("", "bookTicker"):
            best = again(body, _Best, self._at)
            time = None if best.E is None else moment(best.E, self._at)
            return (PriceRead(of_book(price(best.b, self._at), price(best.a, self._at), time)),)
        if self._kind in ("index", "mark") and head.e == "markPriceUpdate":
            mark = again(body, _Mark, self._at)
            number = mark.i if self._kind == "index" else mark.p
            return (PriceRead(Reading(price(number, self._at), time_ms=moment(mark.E, self._at))),)
        if self._kind == "book" and head.e == "depthUpdate":
            return self._update(again(body, _Depth, self._at))
        return ()

    def snapshot(self, answer: HttpAnswer) -> tuple[Event, ...]:
        """Begin the book at the snapshot, and go on with what came meanwhile."""
        _check_answer(answer, self._at)
        found = decode(answer.body, _Snapshot, self._at)
        waiting = [event for event in self._waiting if not self._is_covered(event, found.lastUpdateId)]
        if self._waiting and found.lastUpdateId < self._waiting[0].U - 1:
            return (SnapshotWanted(self._snapshot_path),)
        self._forget()
        self._book.update(found.bids, found.asks)
        self._last = found.lastUpdateId
        events: tuple[Event, ...] = (PriceRead(self._book.reading(None)),)
        for event in waiting:
            events = self._update(event)
        return events

    @property
    def _snapshot_path(self) -> str:
        base = "/fapi/v1" if self._futures else "/api/v3"
        return f"{base}/depth?symbol={self._market}&limit=1000"

    def _forget(self) -> None:
        self._book.reset()
        self._waiting, self._waiting_levels = [], 0
        self._last, self._is_first = None, True

    def _wait(self, event: _Depth) -> None:
        self._waiting.append(event)
        self._waiting_levels += len(event.b) + len(event.a)
        if len(self._waiting) > WAITING_MAX or self._waiting_levels > WAITING_LEVELS_MAX:
            self._forget()
            raise malformed(self._at, "no snapshot came")

    def _update(self, event: _Depth) -> tuple[Event, ...]:
        if self._last is None:
            self._wait(event)
            return (SnapshotWanted(self._snapshot_path),) if len(self._waiting) == 1 else ()
        if self._is_first and self._is_covered(event, self._last):
            return ()
        if not self._follows(event, self._last):
            why = f"update {event.U} follows {self._last}"
            self._forget()
            self._wait(event)
            return BookLost(why), SnapshotWanted(self._snapshot_path)
        self._book.update(event.b, event.a)
        self._last, self._is_first = event.u, False
        return (PriceRead(self._book.reading(moment(event.E, self._at))),)

    def _is_covered(self, event: _Depth, last: int) -> bool:
        """By a snapshot. Of futures the event that ends with it is the first one, to which the next one refers."""
        return event.u < last if self._futures else event.u <= last

    def _follows(self, event: _Depth, last: int) -> bool:
        if self._is_first:
            return event.U <= (last if self._futures else last + 1) <= event.u
        return event.pu == last if self._futures else last + 1 == event.U


class BinanceAnswers:
    """One market over HTTP."""

    body = b""

    def __init__(self, market: str, kind: Literal["ticker", "book", "index", "mark"], *, futures: bool) -> None:
        self._at, self._kind = f"binance {market}", kind
        if kind in ("index", "mark"):
            self.path = f"/fapi/v1/premiumIndex?symbol={market}"
        elif kind == "ticker":
            self.path = f"{'/fapi/v1' if futures else '/api/v3'}/ticker/bookTicker?symbol={market}"
        else:
            self.path = f"{'/fapi/v1' if futures else '/api/v3'}/depth?symbol={market}&limit=5"

    def read(self, answer: HttpAnswer) -> tuple[Event, ...]:
        """The price."""
        _check_answer(answer, self._at)
        return MarketOpened(), PriceRead(self._reading(answer.body))

    def _reading(self, body: bytes) -> Reading:
        at = self._at
        if self._kind in ("index", "mark"):
            mark = decode(body, _RestMark, at)
            number = mark.indexPrice if self._kind == "index" else mark.markPrice
            return Reading(price(number, at), time_ms=moment(mark.time, at))
        if self._kind == "ticker":
            best = decode(body, _RestBest, at)
            time = None if best.time is None else moment(best.time, at)
            return of_book(price(best.bidPrice, at), price(best.askPrice, at), time)
        book, found = OrderBook(at), decode(body, _Snapshot, at)
        book.update(found.bids, found.asks)
        return book.reading(None)


def _check_answer(answer: HttpAnswer, at: str) -> None:
    """Errors are `{code, msg}` with a status; a ban without a stated end lasts two minutes."""
    if answer.status == 418 and not answer.retry_after:
        raise rate_limited(at, BAN_MS)
    if 400 <= answer.status < 500 and answer.status not in (418, 429):
        try:
            fault = decode(answer.body, _Fault, at)
        except RemoteFault:
            fault = _Fault()
        if fault.code is not None:
            raise _refusal(fault, at)
    check_status(answer, at)
    if answer.body.lstrip()[:1] == b"{" and (fault := decode(answer.body, _Fault, at)).code is not None:
        raise _refusal(fault, at)


def _refusal(fault: _Fault, at: str) -> RemoteFault:
    return rate_limited(at, BAN_MS) if fault.code == TOO_MANY else refused(at, fault.code, fault.msg)
