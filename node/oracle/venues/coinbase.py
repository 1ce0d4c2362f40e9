"""Coinbase Exchange.

Source: docs.cdp.coinbase.com, "Exchange WebSocket Channels". level2 promises delivery and has neither sequence nor
checksum; `sequence` of the ticker jumps, because it counts every event of the product. Halts are in the status channel.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from clearing.base.errors import RemoteFault
from node.oracle.events import BookLost, Event, HttpAnswer, MarketHalted, MarketOpened, PriceRead, WithoutSnapshots
from node.oracle.readings import of_book
from node.oracle.venues.order_book import Level, OrderBook
from node.oracle.venues.wire import Message, again, check_status, decode, price, refused, rfc3339


class _Head(Message, frozen=True):
    type: str
    product_id: str = ""
    message: str = ""
    reason: str = ""


class _Ticker(Message, frozen=True):
    sequence: int
    time: str
    best_bid: Decimal
    best_ask: Decimal


class _Snapshot(Message, frozen=True):
    bids: list[Level]
    asks: list[Level]
    time: str = ""


class _Update(Message, frozen=True):
    changes: list[tuple[Literal["buy", "sell"], Decimal, Decimal]]
    time: str = ""


class _Product(Message, frozen=True):
    id: str
    status: str = "online"
    post_only: bool = False
    cancel_only: bool = False
    trading_disabled: bool = False


class _Status(Message, frozen=True):
    products: tuple[_Product, ...] = ()


class _RestTicker(Message, frozen=True):
    bid: Decimal
    ask: Decimal


class _RestFault(Message, frozen=True):
    message: str = ""


class CoinbaseStream(WithoutSnapshots):
    """One market's stream; a heartbeat each second keeps it."""

    frame_bytes_max = 16 << 20
    """A whole book, or the status of all products."""
    silence_ms_max = 10_000
    keepalive_ms = 0
    keepalive = ""

    def __init__(self, market: str, kind: Literal["ticker", "book"]) -> None:
        self._at, self._market, self._kind = f"coinbase {market}", market, kind
        self._book = OrderBook(self._at)
        self._has_snapshot = False
        self._sequence = -1

    def opening(self) -> tuple[str, ...]:
        """The subscription, which must come within five seconds."""
        self._book.reset()
        self._has_snapshot, self._sequence = False, -1
        channel = "ticker" if self._kind == "ticker" else "level2_batch"
        channels = [channel, "heartbeat", {"name": "status"}]
        asked = {"type": "subscribe", "product_ids": [self._market], "channels": channels}
        return (msgspec.json.encode(asked).decode(),)

    def receive(self, frame: bytes) -> tuple[Event, ...]:
        """The events of one message."""
        head = decode(frame, _Head, self._at, self.frame_bytes_max)
        if head.type == "error":
            raise refused(self._at, "error", f"{head.message} {head.reason}".strip())
        if head.type == "status":
            return self._status(again(frame, _Status, self._at))
        if head.product_id != self._market:
            return ()
        if head.type == "ticker" and self._kind == "ticker":
            return self._ticker(again(frame, _Ticker, self._at))
        if head.type == "snapshot" and self._kind == "book":
            return self._snapshot(again(frame, _Snapshot, self._at))
        if head.type == "l2update" and self._kind == "book":
            return self._update(again(frame, _Update, self._at))
        return ()

    def _status(self, status: _Status) -> tuple[Event, ...]:
        for product in status.products:
            if product.id != self._market:
                continue
            if product.status != "online":
                return (MarketHalted(product.status[:40]),)
            flags = ("post_only", "cancel_only", "trading_disabled")
            halted = [flag for flag in flags if getattr(product, flag)]
            return (MarketHalted(", ".join(halted)),) if halted else (MarketOpened(),)
        return ()

    def _ticker(self, ticker: _Ticker) -> tuple[Event, ...]:
        if ticker.sequence <= self._sequence:
            return ()
        self._sequence = ticker.sequence
        bid, ask = price(ticker.best_bid, self._at), price(ticker.best_ask, self._at)
        return (PriceRead(of_book(bid, ask, rfc3339(ticker.time, self._at))),)

    def _snapshot(self, snapshot: _Snapshot) -> tuple[Event, ...]:
        self._book.reset()
        self._book.update(snapshot.bids, snapshot.asks)
        self._has_snapshot = True
        return (self._read(snapshot.time),)

    def _update(self, update: _Update) -> tuple[Event, ...]:
        if not self._has_snapshot:
            return (BookLost("an update came before the snapshot"),)
        bids, asks = (
            [(at_price, size) for side, at_price, size in update.changes if side == which] for which in ("buy", "sell")
        )
        self._book.update(bids, asks)
        return (self._read(update.time),)

    def _read(self, time: str) -> PriceRead:
        return PriceRead(self._book.reading(rfc3339(time, self._at) if time else None))


class CoinbaseAnswers:
    """The best prices of one market over HTTP. The answer's time is that of the last trade, not of the prices."""

    body = b""

    def __init__(self, market: str) -> None:
        self._at = f"coinbase {market}"
        self.path = f"/products/{market}/ticker"

    def read(self, answer: HttpAnswer) -> tuple[Event, ...]:
        """The price."""
        if answer.status not in (200, 418, 429) and answer.status < 500:
            try:
                message = decode(answer.body, _RestFault, self._at).message
            except RemoteFault:
                message = ""
            if message:
                raise refused(self._at, answer.status, message)
        check_status(answer, self._at)
        found = decode(answer.body, _RestTicker, self._at)
        reading = of_book(price(found.bid, self._at), price(found.ask, self._at), None)
        return MarketOpened(), PriceRead(reading)
