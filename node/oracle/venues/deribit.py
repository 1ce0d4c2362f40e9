"""Deribit: JSON-RPC over WebSocket and HTTP.

Source: docs.deribit.com. A book's `prev_change_id` is the `change_id` before; each `test_request` must be answered by
`public/test`, or the server closes. Prices of zero are empty sides. Answers of the test network are refused.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from clearing.base.errors import RemoteFault
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
from node.oracle.readings import Reading, of_book
from node.oracle.venues.order_book import OrderBook
from node.oracle.venues.wire import (
    FRAME_BYTES_MAX,
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

HEARTBEAT_SECONDS = 10
TOO_MANY = 10028
SUBSCRIPTION_ID, HEARTBEAT_ID, TEST_ID = 1, 2, 3
PLATFORM = "platform_state"


class _Fault(Message, frozen=True):
    code: int
    message: str = ""


class _Params(Message, frozen=True):
    channel: str = ""
    type: str = ""
    data: msgspec.Raw = NOTHING


class _Frame(Message, frozen=True):
    method: str = ""
    id: int | None = None
    params: _Params = _Params()
    result: msgspec.Raw = NOTHING
    error: _Fault | None = None
    testnet: bool = False
    usOut: int | None = None  # noqa: N815 - the venue's


class _Ticker(Message, frozen=True):
    timestamp: int
    state: str = "open"
    best_bid_price: Decimal | None = None
    best_ask_price: Decimal | None = None
    mark_price: Decimal | None = None
    index_price: Decimal | None = None


class _Index(Message, frozen=True):
    timestamp: int
    price: Decimal
    index_name: str


class _RestIndex(Message, frozen=True):
    index_price: Decimal


class _Book(Message, frozen=True):
    type: Literal["snapshot", "change"]
    timestamp: int
    change_id: int
    bids: list[tuple[Literal["new", "change", "delete"], Decimal, Decimal]]
    asks: list[tuple[Literal["new", "change", "delete"], Decimal, Decimal]]
    prev_change_id: int | None = None


class _Platform(Message, frozen=True):
    price_index: str = ""
    locked: bool = False
    maintenance: bool | None = None


class DeribitStream(WithoutSnapshots):
    """One market's stream, with heartbeats and the state of the platform."""

    frame_bytes_max = 4 << 20
    silence_ms_max = 3_000 * HEARTBEAT_SECONDS
    keepalive_ms = 0
    keepalive = ""

    def __init__(self, market: str, kind: Literal["ticker", "book", "index", "mark"]) -> None:
        self._at, self._market, self._kind = f"deribit {market}", market, kind
        self._channel = {
            "ticker": f"ticker.{market}.100ms",
            "mark": f"ticker.{market}.100ms",
            "book": f"book.{market}.100ms",
            "index": f"deribit_price_index.{market}",
        }[kind]
        self._book = OrderBook(self._at)
        self._last: int | None = None

    def opening(self) -> tuple[str, ...]:
        """Heartbeats, then the subscription."""
        self._book.reset()
        self._last = None
        return (
            _call(HEARTBEAT_ID, "set_heartbeat", {"interval": HEARTBEAT_SECONDS}),
            _call(SUBSCRIPTION_ID, "subscribe", {"channels": [self._channel, PLATFORM]}),
        )

    def receive(self, frame: bytes) -> tuple[Event, ...]:
        """The events of one message."""
        found = decode(frame, _Frame, self._at, self.frame_bytes_max)
        check_envelope(found, self._at)
        if found.method == "heartbeat" and found.params.type == "test_request":
            return (FrameWanted(_call(TEST_ID, "test", {})),)
        if found.id == SUBSCRIPTION_ID and not is_absent(found.result):
            if self._channel not in again(found.result, list[str], self._at):
                raise refused(self._at, "subscribe", f"{self._channel} was not subscribed")
            return ()
        data = found.params.data
        if found.method != "subscription" or is_absent(data):
            return ()
        if found.params.channel == PLATFORM:
            return self._platform(again(data, _Platform, self._at))
        return self._notified(data) if found.params.channel == self._channel else ()

    def _notified(self, data: msgspec.Raw) -> tuple[Event, ...]:
        at = self._at
        if self._kind == "book":
            return self._applied(again(data, _Book, at))
        if self._kind == "index":
            index = again(data, _Index, at)
            return (PriceRead(Reading(price(index.price, at), time_ms=moment(index.timestamp, at))),)
        return read_ticker(again(data, _Ticker, at), self._kind, at)

    def _applied(self, book: _Book) -> tuple[Event, ...]:
        if book.type == "snapshot":
            self._book.reset()
        elif self._last is None:
            # What was on its way before the new subscription.
            return ()
        elif book.prev_change_id != self._last:
            lost = BookLost(f"change after {book.prev_change_id}, last {self._last}")
            self._book.reset()
            self._last = None
            asked = [
                _call(TEST_ID, "unsubscribe", {"channels": [self._channel]}),
                _call(SUBSCRIPTION_ID, "subscribe", {"channels": [self._channel]}),
            ]
            return lost, *map(FrameWanted, asked)
        zero = Decimal(0)
        bids, asks = (
            [(at_price, zero if action == "delete" else amount) for action, at_price, amount in side]
            for side in (book.bids, book.asks)
        )
        self._book.update(bids, asks)
        self._last = book.change_id
        return (PriceRead(self._book.reading(moment(book.timestamp, self._at))),)

    def _platform(self, state: _Platform) -> tuple[Event, ...]:
        if state.maintenance is not None:
            return (MarketHalted("maintenance") if state.maintenance else MarketOpened(),)
        own = (self._market.lower(), f"{self._market.split('-')[0].lower()}_usd")
        if state.price_index not in own:
            return ()
        return (MarketHalted(f"{state.price_index} is locked") if state.locked else MarketOpened(),)


def _call(number: int, method: str, params: dict[str, object]) -> str:
    asked = {"jsonrpc": "2.0", "id": number, "method": f"public/{method}", "params": params}
    return msgspec.json.encode(asked).decode()


def check_envelope(found: _Frame, at: str) -> None:
    """Raises RemoteFault VENUE_RATE_LIMITED, VENUE_REFUSED for errors, and for what the test network says."""
    if found.error is not None:
        if found.error.code == TOO_MANY:
            raise rate_limited(at, RETRY_MS_DEFAULT)
        raise refused(at, found.error.code, found.error.message)
    if found.testnet:
        raise refused(at, "testnet", "this is the venue's test network")


def read_ticker(ticker: _Ticker, kind: str, at: str) -> tuple[Event, ...]:
    """The best prices, or the mark price; a market that is not open has halted."""
    time = moment(ticker.timestamp, at)
    if kind == "mark":
        if ticker.mark_price is None:
            raise malformed(at, "no mark price")
        reading = Reading(price(ticker.mark_price, at), time_ms=time)
    else:
        bid, ask = (0 if side is None else price(side, at) for side in (ticker.best_bid_price, ticker.best_ask_price))
        reading = of_book(bid, ask, time)
    state = MarketOpened() if ticker.state == "open" else MarketHalted(ticker.state[:40])
    return state, PriceRead(reading)


def answered(answer: HttpAnswer, at: str, bytes_max: int = FRAME_BYTES_MAX) -> _Frame:
    """The envelope of an answer with a result. Raises RemoteFault as a parser."""
    if answer.status not in (200, 418, 429):
        try:
            check_envelope(decode(answer.body, _Frame, at), at)
        except RemoteFault as fault:
            if fault.values.get("code") is not None or "retry_after_ms" in fault.values:
                raise
    check_status(answer, at)
    found = decode(answer.body, _Frame, at, bytes_max)
    check_envelope(found, at)
    if is_absent(found.result):
        raise malformed(at, "no result")
    return found


class DeribitAnswers:
    """One market over HTTP. The price of an index has the time of the answer, where it states one."""

    body = b""

    def __init__(self, market: str, kind: Literal["ticker", "index", "mark"]) -> None:
        self._at, self._kind = f"deribit {market}", kind
        asked = f"get_index_price?index_name={market}" if kind == "index" else f"ticker?instrument_name={market}"
        self.path = f"/api/v2/public/{asked}"

    def read(self, answer: HttpAnswer) -> tuple[Event, ...]:
        """The price, or the halt."""
        at = self._at
        found = answered(answer, at)
        if self._kind != "index":
            return read_ticker(again(found.result, _Ticker, at), self._kind, at)
        index = again(found.result, _RestIndex, at)
        time = None if found.usOut is None else moment(found.usOut // 1_000, at)
        return MarketOpened(), PriceRead(Reading(price(index.index_price, at), time_ms=time))
