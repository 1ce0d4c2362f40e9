"""OKX, version 5 of its API.

Source: okx.com/docs-v5, "Order book channel". Each update's `prevSeqId` is the last `seqId`; ids are not contiguous and
may fall. The checksum field is always 0 since June 2026 and is not read. Every number is a text, absent ones are empty.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from clearing.base.errors import RemoteFault
from node.oracle.events import (
    BookLost,
    ClosingSoon,
    Event,
    FrameWanted,
    HttpAnswer,
    MarketHalted,
    MarketOpened,
    PriceRead,
    WithoutSnapshots,
)
from node.oracle.readings import Reading, of_book
from node.oracle.venues.order_book import Level, OrderBook
from node.oracle.venues.wire import (
    NOTHING,
    RETRY_MS_DEFAULT,
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

CHANNELS = {"ticker": "tickers", "book": "books", "index": "index-tickers", "mark": "mark-price"}
SERVICE_UPGRADE = "64008"
LIMITED = ("50011", "60014")
MAINTENANCE = ("50001",)


class _Arg(Message, frozen=True):
    channel: str = ""
    instId: str = ""  # noqa: N815 - the venue's


class _Head(Message, frozen=True):
    event: str = ""
    code: str | int = ""
    msg: str = ""
    arg: _Arg = _Arg()
    action: str = ""
    data: msgspec.Raw = NOTHING


class _Price(Message, frozen=True):
    ts: str
    askPx: str = ""  # noqa: N815
    bidPx: str = ""  # noqa: N815
    idxPx: str = ""  # noqa: N815
    markPx: str = ""  # noqa: N815


class _Book(Message, frozen=True):
    ts: str
    asks: list[list[Decimal]]
    bids: list[list[Decimal]]
    seqId: int | None = None  # noqa: N815
    prevSeqId: int | None = None  # noqa: N815


class _RestAnswer(Message, frozen=True):
    code: str | int
    msg: str = ""
    data: msgspec.Raw = NOTHING


class OkxStream(WithoutSnapshots):
    """One market's stream. The server sends nothing to who sends nothing for 30 seconds."""

    frame_bytes_max = 1 << 20
    silence_ms_max = 45_000
    keepalive_ms = 20_000
    keepalive = "ping"

    def __init__(self, market: str, kind: Literal["ticker", "book", "index", "mark"]) -> None:
        self._at, self._market, self._kind = f"okx {market}", market, kind
        self._book = OrderBook(self._at)
        self._last: int | None = None
        self._has_snapshot = False

    def opening(self) -> tuple[str, ...]:
        """The subscription."""
        self._forget()
        return (self._subscription("subscribe"),)

    def receive(self, frame: bytes) -> tuple[Event, ...]:
        """The events of one message."""
        if frame == b"pong":
            return ()
        head = decode(frame, _Head, self._at, self.frame_bytes_max)
        if head.event == "error":
            raise _refusal(str(head.code), head.msg, self._at)
        if head.event == "notice":
            return (ClosingSoon(head.msg[:80]),) if str(head.code) == SERVICE_UPGRADE else ()
        if head.event or is_absent(head.data):
            return ()
        if (head.arg.channel, head.arg.instId) != (CHANNELS[self._kind], self._market):
            return ()
        if self._kind == "book":
            events: list[Event] = []
            for book in again(head.data, list[_Book], self._at):
                events += self._applied(book, is_snapshot=head.action == "snapshot")
            return tuple(events)
        return tuple(PriceRead(_reading(item, self._kind, self._at)) for item in _prices(head.data, self._at))

    def _forget(self) -> None:
        self._book.reset()
        self._last, self._has_snapshot = None, False

    def _applied(self, book: _Book, *, is_snapshot: bool) -> tuple[Event, ...]:
        if is_snapshot:
            self._forget()
            self._has_snapshot = True
        elif not self._has_snapshot:
            return ()
        elif book.prevSeqId is None or book.prevSeqId != self._last:
            why = f"update after {book.prevSeqId}, last {self._last}"
            self._forget()
            asked = map(self._subscription, ("unsubscribe", "subscribe"))
            return BookLost(why), *map(FrameWanted, asked)
        self._book.update(_levels(book.bids, self._at), _levels(book.asks, self._at))
        self._last = book.seqId
        return (PriceRead(self._book.reading(moment(book.ts, self._at))),)

    def _subscription(self, operation: str) -> str:
        arg = {"channel": CHANNELS[self._kind], "instId": self._market}
        return msgspec.json.encode({"op": operation, "args": [arg]}).decode()


def _levels(levels: list[list[Decimal]], at: str) -> list[Level]:
    """Price and size; what follows is not of interest."""
    if any(len(level) < 2 for level in levels):
        raise malformed(at, "a level without a size")
    return [(level[0], level[1]) for level in levels]


def _prices(data: msgspec.Raw, at: str) -> list[_Price]:
    return again(data, list[_Price], at)


def _reading(item: _Price, kind: str, at: str) -> Reading:
    time = moment(item.ts, at)
    if kind == "ticker":
        return of_book(price(item.bidPx, at), price(item.askPx, at), time)
    return Reading(price(item.idxPx if kind == "index" else item.markPx, at), time_ms=time)


class OkxAnswers:
    """One market over HTTP."""

    body = b""

    def __init__(self, market: str, kind: Literal["ticker", "book", "index", "mark"]) -> None:
        self._at, self._kind = f"okx {market}", kind
        self.path = {
            "ticker": f"/api/v5/market/ticker?instId={market}",
            "book": f"/api/v5/market/books?instId={market}&sz=1",
            "index": f"/api/v5/market/index-tickers?instId={market}",
            "mark": f"/api/v5/public/mark-price?instType={_type_of(market)}&instId={market}",
        }[kind]

    def read(self, answer: HttpAnswer) -> tuple[Event, ...]:
        """The price, or the halt that the error states."""
        at = self._at
        if answer.status != 200:
            return self._refusal(answer)
        found = decode(answer.body, _RestAnswer, at)
        if found.code != "0":
            return self._stated(found)
        if is_absent(found.data):
            raise malformed(at, "no data")
        if self._kind == "book":
            books = again(found.data, list[_Book], at)
            if len(books) != 1:
                raise malformed(at, f"{len(books)} books in the answer")
            book = OrderBook(at)
            book.update(_levels(books[0].bids, at), _levels(books[0].asks, at))
            return MarketOpened(), PriceRead(book.reading(moment(books[0].ts, at)))
        items = _prices(found.data, at)
        if len(items) != 1:
            raise malformed(at, f"{len(items)} markets in the answer")
        return MarketOpened(), PriceRead(_reading(items[0], self._kind, at))

    def _refusal(self, answer: HttpAnswer) -> tuple[Event, ...]:
        if answer.status not in (418, 429):
            try:
                found = decode(answer.body, _RestAnswer, self._at)
            except RemoteFault:
                found = None
            if found is not None:
                return self._stated(found)
        check_status(answer, self._at)
        return ()

    def _stated(self, found: _RestAnswer) -> tuple[Event, ...]:
        code = str(found.code)
        if code in MAINTENANCE:
            return (MarketHalted(found.msg[:80]),)
        raise _refusal(code, found.msg, self._at)


def _refusal(code: str, message: str, at: str) -> RemoteFault:
    return rate_limited(at, RETRY_MS_DEFAULT) if code in LIMITED else refused(at, code, message)


def _type_of(market: str) -> str:
    """Of an instrument, from its name."""
    parts = market.split("-")
    if parts[-1] == "SWAP":
        return "SWAP"
    return {2: "MARGIN", 3: "FUTURES"}.get(len(parts), "OPTION")
