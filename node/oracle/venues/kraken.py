"""Kraken, WebSocket version 2 and REST.

Source: docs.kraken.com, "Book checksum (v2)": CRC32 over the ten best asks, low to high, then the ten best bids, high
to low; of each the price and the quantity without point and leading zeros, with the digits as sent. There is no
sequence: the checksum alone finds lost updates.
"""

from decimal import Decimal
from typing import Literal
from zlib import crc32

import msgspec

from node.oracle.events import (
    BookLost,
    Event,
    FrameWanted,
    HttpAnswer,
    MarketHalted,
    MarketOpened,
    PriceRead,
    WithoutSnapshots,
)
from node.oracle.readings import of_book
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
    price,
    rate_limited,
    refused,
    rfc3339,
)

DEPTH = 10
LIMITED = ("EAPI:Rate limit exceeded", "EGeneral:Too many requests", "EGeneral:Temporary lockout")
CLOSED = ("EService:Unavailable", "EService:Busy", "EService:Market in cancel_only mode")


class _Head(Message, frozen=True):
    channel: str = ""
    type: str = ""
    method: str = ""
    success: bool = True
    error: str | None = None
    data: msgspec.Raw = NOTHING


class _Level(Message, frozen=True):
    price: Decimal
    qty: Decimal


class _Book(Message, frozen=True):
    symbol: str
    bids: list[_Level]
    asks: list[_Level]
    checksum: int
    timestamp: str = ""


class _Ticker(Message, frozen=True):
    symbol: str
    bid: Decimal
    ask: Decimal
    timestamp: str = ""


class _Status(Message, frozen=True):
    system: str


class _RestTicker(Message, frozen=True):
    a: list[Decimal]
    b: list[Decimal]


class _RestAnswer(Message, frozen=True):
    error: list[str]
    result: msgspec.Raw = NOTHING


class KrakenStream(WithoutSnapshots):
    """One market's stream; a heartbeat about each second keeps it."""

    frame_bytes_max = 1 << 20
    silence_ms_max = 15_000
    keepalive_ms = 30_000
    keepalive = '{"method":"ping"}'

    def __init__(self, market: str, kind: Literal["ticker", "book"]) -> None:
        self._at, self._market, self._kind = f"kraken {market}", market, kind
        self._book = OrderBook(self._at)
        self._has_snapshot = False

    def opening(self) -> tuple[str, ...]:
        """The subscription."""
        self._book.reset()
        self._has_snapshot = False
        return (self._subscription("subscribe"),)

    def receive(self, frame: bytes) -> tuple[Event, ...]:
        """The events of one message."""
        head = decode(frame, _Head, self._at, self.frame_bytes_max)
        if head.method and (head.error or not head.success):
            error = head.error or "refused"
            raise rate_limited(self._at, RETRY_MS_DEFAULT) if error in LIMITED else refused(self._at, "error", error)
        if is_absent(head.data):
            return ()
        if head.channel == "status":
            system = again(head.data, list[_Status], self._at)[-1:]
            return tuple(MarketOpened() if s.system == "online" else MarketHalted(s.system[:40]) for s in system)
        if head.channel == "ticker" and self._kind == "ticker":
            return tuple(map(self._ticker, self._own(again(head.data, list[_Ticker], self._at))))
        if head.channel == "book" and self._kind == "book":
            events: list[Event] = []
            for book in self._own(again(head.data, list[_Book], self._at)):
                events += self._applied(book, is_snapshot=head.type == "snapshot")
            return tuple(events)
        return ()

    def _own(self, items: list) -> list:  # type: ignore[type-arg]  # of any kind
        return [item for item in items if item.symbol == self._market]

    def _ticker(self, ticker: _Ticker) -> Event:
        bid, ask = price(ticker.bid, self._at), price(ticker.ask, self._at)
        return PriceRead(of_book(bid, ask, self._time(ticker.timestamp)))

    def _applied(self, book: _Book, *, is_snapshot: bool) -> tuple[Event, ...]:
        if is_snapshot:
            self._book.reset()
            self._has_snapshot = True
        elif not self._has_snapshot:
            # What was on its way before the new subscription.
            return ()
        self._book.update(_levels(book.bids), _levels(book.asks))
        self._book.cut(DEPTH)
        own = checksum(*self._book.best(DEPTH))
        if own == book.checksum:
            return (PriceRead(self._book.reading(self._time(book.timestamp))),)
        self._has_snapshot = False
        self._book.reset()
        lost = BookLost(f"checksum {book.checksum}, own {own}")
        return lost, FrameWanted(self._subscription("unsubscribe")), FrameWanted(self._subscription("subscribe"))

    def _time(self, text: str) -> int | None:
        return rfc3339(text, self._at) if text else None

    def _subscription(self, method: str) -> str:
        params: dict[str, object] = {"channel": self._kind, "symbol": [self._market]}
        params |= {"depth": DEPTH} if self._kind == "book" else {"event_trigger": "bbo"}
        return msgspec.json.encode({"method": method, "params": params}).decode()


def _levels(levels: list[_Level]) -> list[Level]:
    return [(level.price, level.qty) for level in levels]


def checksum(bids: list[Level], asks: list[Level]) -> int:
    """CRC32 of the best levels, unsigned. Bids from high to low, asks from low to high."""
    return crc32("".join(map(_digits, (number for level in asks + bids for number in level))).encode())


def _digits(number: Decimal) -> str:
    return format(number, "f").replace(".", "").lstrip("0")


class KrakenAnswers:
    """The best prices of one market over HTTP; errors come with status 200."""

    body = b""

    def __init__(self, market: str) -> None:
        self._at = f"kraken {market}"
        self.path = f"/0/public/Ticker?pair={market}"

    def read(self, answer: HttpAnswer) -> tuple[Event, ...]:
        """The price, or the halt that the error states."""
        check_status(answer, self._at)
        found = decode(answer.body, _RestAnswer, self._at)
        errors = [error for error in found.error if error.startswith("E")]
        if any(error in LIMITED for error in errors):
            raise rate_limited(self._at, RETRY_MS_DEFAULT)
        if any(error in CLOSED for error in errors):
            return (MarketHalted(errors[0][:80]),)
        if errors:
            raise refused(self._at, "error", errors[0])
        if is_absent(found.result):
            raise malformed(self._at, "neither an error nor a result")
        tickers = list(again(found.result, dict[str, _RestTicker], self._at).values())
        # The market's key differs from the one that was asked for: XBTUSD is answered as XXBTZUSD.
        if len(tickers) != 1 or not tickers[0].a or not tickers[0].b:
            raise malformed(self._at, f"{len(tickers)} markets in the answer")
        bid, ask = price(tickers[0].b[0], self._at), price(tickers[0].a[0], self._at)
        return MarketOpened(), PriceRead(of_book(bid, ask, None))
