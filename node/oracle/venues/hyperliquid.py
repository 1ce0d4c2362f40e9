"""Hyperliquid.

Source: hyperliquid.gitbook.io, "WebSocket". Every book is whole, so nothing has to be resynced; the contexts that have
mark and oracle price state no time. The server closes after a minute in which it sent nothing.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from node.oracle.events import Event, HttpAnswer, MarketOpened, PriceRead, WithoutSnapshots
from node.oracle.readings import Reading, of_book
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
    refused,
)

KINDS = {"ticker": "bbo", "book": "l2Book", "index": "activeAssetCtx", "mark": "activeAssetCtx"}


class _Head(Message, frozen=True):
    channel: str = ""
    data: msgspec.Raw = NOTHING


class _Level(Message, frozen=True):
    px: Decimal


class _Best(Message, frozen=True):
    coin: str
    time: int
    bbo: tuple[_Level | None, _Level | None]


class _Book(Message, frozen=True):
    coin: str
    time: int
    levels: tuple[list[_Level], list[_Level]]


class _Prices(Message, frozen=True):
    oraclePx: Decimal  # noqa: N815 - the venue's
    markPx: Decimal  # noqa: N815


class _Context(Message, frozen=True):
    coin: str
    ctx: _Prices


class HyperliquidStream(WithoutSnapshots):
    """One market's stream."""

    frame_bytes_max = 1 << 20
    silence_ms_max = 60_000
    keepalive_ms = 25_000
    keepalive = '{"method":"ping"}'

    def __init__(self, market: str, kind: Literal["ticker", "book", "index", "mark"]) -> None:
        self._at, self._market, self._kind = f"hyperliquid {market}", market, kind

    def opening(self) -> tuple[str, ...]:
        """The subscription."""
        asked = {"method": "subscribe", "subscription": {"type": KINDS[self._kind], "coin": self._market}}
        return (msgspec.json.encode(asked).decode(),)

    def receive(self, frame: bytes) -> tuple[Event, ...]:
        """The events of one message. A greeting in plain text may come first."""
        if frame.startswith(b"Websocket connection established"):
            return ()
        at = self._at
        head = decode(frame, _Head, at, self.frame_bytes_max)
        if is_absent(head.data):
            return ()
        if head.channel == "error":
            raise refused(at, "error", again(head.data, str, at))
        if head.channel != KINDS[self._kind]:
            return ()
        if self._kind == "ticker":
            best = again(head.data, _Best, at)
            own, reading = best.coin, of_book(_side(best.bbo[0], at), _side(best.bbo[1], at), moment(best.time, at))
        elif self._kind == "book":
            book = again(head.data, _Book, at)
            own, reading = book.coin, _reading(book, at)
        else:
            context = again(head.data, _Context, at)
            number = context.ctx.oraclePx if self._kind == "index" else context.ctx.markPx
            own, reading = context.coin, Reading(price(number, at))
        return (PriceRead(reading),) if own == self._market else ()


def _side(level: _Level | None, at: str) -> int:
    return 0 if level is None else price(level.px, at)


def _reading(book: _Book, at: str) -> Reading:
    """Levels are stated from the best on; the best is looked for all the same."""
    bids, asks = ([price(level.px, at) for level in side] for side in book.levels)
    return of_book(max(bids, default=0), min(asks, default=0), moment(book.time, at))


class HyperliquidAnswers:
    """The book of one market over HTTP. A market that does not exist is answered by null with status 200."""

    path = "/info"

    def __init__(self, market: str) -> None:
        self._at = f"hyperliquid {market}"
        self._market = market
        self.body = msgspec.json.encode({"type": "l2Book", "coin": market})

    def read(self, answer: HttpAnswer) -> tuple[Event, ...]:
        """The price."""
        check_status(answer, self._at)
        book = decode(answer.body, _Book | None, self._at)  # type: ignore[arg-type]  # a union is a type to msgspec
        if book is None:
            raise refused(self._at, "null", "no such market")
        if book.coin != self._market:
            raise malformed(self._at, f"the book of {book.coin[:40]}")
        return MarketOpened(), PriceRead(_reading(book, self._at))
