"""Messages as a venue writes them: the other end of the parsers, for tests and the local venue server.

Prices are integers of cents. A writer keeps a book of two levels a side around the price that it was given.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from node.oracle.venues.kraken import checksum


def cents(price: int) -> str:
    return f"{price // 100}.{price % 100:02d}"


def rfc3339(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def text(message: Any) -> str:
    return msgspec.json.encode(message).decode()


@dataclass
class Sides:
    """Sizes by price; `moved` returns the levels that differ."""

    bids: dict[int, str] = field(default_factory=dict)
    asks: dict[int, str] = field(default_factory=dict)

    def moved(self, bid: int, ask: int) -> tuple[dict[int, str], dict[int, str]]:
        bids, asks = ({bid: "1.50", bid - 1: "2.00"}, {ask: "1.25", ask + 1: "3.00"})
        changes = (
            dict.fromkeys(self.bids.keys() - bids.keys(), "0") | bids,
            dict.fromkeys(self.asks.keys() - asks.keys(), "0") | asks,
        )
        self.bids, self.asks = bids, asks
        return changes


class Writer(Protocol):
    def first(self) -> list[str]:
        """What follows the subscription."""
        ...

    def move(self, bid: int, ask: int, now_ms: int) -> str:
        """One message: the best prices are now these."""
        ...

    def beat(self) -> str:
        """A message without a price."""
        ...


class BinanceWriter:
    def __init__(self, market: str) -> None:
        self.market, self.sides, self.id = market, Sides(), 100

    def first(self) -> list[str]:
        return [text({"result": None, "id": 1})]

    def move(self, bid: int, ask: int, now_ms: int) -> str:
        bids, asks = self.sides.moved(bid, ask)
        begin, self.id = self.id + 1, self.id + 3
        levels = {"b": _pairs(bids), "a": _pairs(asks)}
        return text({"e": "depthUpdate", "E": now_ms, "s": self.market, "U": begin, "u": self.id, **levels})

    def snapshot(self) -> str:
        return text({"lastUpdateId": self.id, "bids": _pairs(self.sides.bids), "asks": _pairs(self.sides.asks)})

    def beat(self) -> str:
        return text({"result": None, "id": 2})


class CoinbaseWriter:
    def __init__(self, market: str) -> None:
        self.market, self.sides = market, Sides()

    def first(self) -> list[str]:
        book = {"bids": _pairs(self.sides.bids), "asks": _pairs(self.sides.asks)}
        return [text({"type": "subscriptions"}), text({"type": "snapshot", "product_id": self.market, **book})]

    def move(self, bid: int, ask: int, now_ms: int) -> str:
        bids, asks = self.sides.moved(bid, ask)
        changes = [["buy", *pair] for pair in _pairs(bids)] + [["sell", *pair] for pair in _pairs(asks)]
        return text({"type": "l2update", "product_id": self.market, "changes": changes, "time": rfc3339(now_ms)})

    def beat(self) -> str:
        return text({"type": "heartbeat", "product_id": self.market, "sequence": 1})


class KrakenWriter:
    def __init__(self, market: str) -> None:
        self.market, self.sides, self.now_ms = market, Sides(), 0

    def first(self) -> list[str]:
        if not self.sides.bids:
            return []
        return [self._book("snapshot", self.sides.bids, self.sides.asks)]

    def move(self, bid: int, ask: int, now_ms: int) -> str:
        self.now_ms, kind = now_ms, "update" if self.sides.bids else "snapshot"
        return self._book(kind, *self.sides.moved(bid, ask))

    def beat(self) -> str:
        return text({"channel": "heartbeat"})

    def _book(self, kind: str, bids: dict[int, str], asks: dict[int, str]) -> str:
        best = (
            [(Decimal(cents(price)), Decimal(size)) for price, size in sorted(side.items(), reverse=down)][:10]
            for side, down in ((self.sides.bids, True), (self.sides.asks, False))
        )
        number = checksum(*best)
        sides = ",".join(f'"{name}":[{_numbers(side)}]' for name, side in (("bids", bids), ("asks", asks)))
        rest = f'"symbol":"{self.market}",{sides},"checksum":{number},"timestamp":"{rfc3339(self.now_ms)}"'
        return f'{{"channel":"book","type":"{kind}","data":[{{{rest}}}]}}'


class OkxWriter:
    def __init__(self, market: str) -> None:
        self.market, self.sides, self.id, self.now_ms = market, Sides(), 7, 1

    def first(self) -> list[str]:
        return [self._book("snapshot", -1, self.sides.bids, self.sides.asks)]

    def move(self, bid: int, ask: int, now_ms: int) -> str:
        before, self.id, self.now_ms = self.id, self.id + 5, now_ms
        return self._book("update", before, *self.sides.moved(bid, ask))

    def beat(self) -> str:
        return "pong"

    def _book(self, action: str, before: int, bids: dict[int, str], asks: dict[int, str]) -> str:
        sides = {name: [[*pair, "0", "1"] for pair in _pairs(side)] for name, side in (("bids", bids), ("asks", asks))}
        item = {**sides, "ts": str(self.now_ms), "checksum": 0, "prevSeqId": before, "seqId": self.id}
        arg = {"channel": "books", "instId": self.market}
        return text({"arg": arg, "action": action, "data": [item]})


class DeribitWriter:
    def __init__(self, market: str) -> None:
        self.market, self.sides, self.id, self.now_ms = market, Sides(), 40, 1

    def first(self) -> list[str]:
        return [
            text({"jsonrpc": "2.0", "id": 1, "result": [f"book.{self.market}.100ms", "platform_state"]}),
            self._book("snapshot", None, self.sides.bids, self.sides.asks),
        ]

    def move(self, bid: int, ask: int, now_ms: int) -> str:
        before, self.id, self.now_ms = self.id, self.id + 2, now_ms
        return self._book("change", before, *self.sides.moved(bid, ask))

    def beat(self) -> str:
        return text({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}})

    def _book(self, kind: str, before: int | None, bids: dict[int, str], asks: dict[int, str]) -> str:
        sides = {
            name: [["delete" if size == "0" else "change", price / 100, float(size)] for price, size in side.items()]
            for name, side in (("bids", bids), ("asks", asks))
        }
        data = {"type": kind, "timestamp": self.now_ms, "change_id": self.id, "prev_change_id": before, **sides}
        params = {"channel": f"book.{self.market}.100ms", "data": data}
        return text({"jsonrpc": "2.0", "method": "subscription", "params": params})


WRITERS = {
    "binance": BinanceWriter,
    "coinbase": CoinbaseWriter,
    "kraken": KrakenWriter,
    "okx": OkxWriter,
    "deribit": DeribitWriter,
}


def _pairs(levels: dict[int, str]) -> list[list[str]]:
    return [[cents(price), size] for price, size in levels.items()]


def _numbers(levels: dict[int, str]) -> str:
    return ",".join(f'{{"price":{cents(price)},"qty":{size}}}' for price, size in levels.items())
