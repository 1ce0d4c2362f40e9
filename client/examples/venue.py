"""A venue: a small matching engine whose fills are cleared by mandate: no member signs a trade.

Orders are matched by price, then time, at the price of the order that waited. The venue reports each fill with its own
key. A fill that the clearing house refuses is void, and the reason is printed. Orders are lines of JSON, and so is what
is printed.

    python venue.py URL --venue 7 --venue-key-file KEY --member 2:KEY --member 3:KEY --orders orders.jsonl
"""

import argparse
import json
import sys
import time
from bisect import insort
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio

from crossclear_client import Client, Key, RequestRefused, requests

DAY_MS = 86_400_000
MANDATE_LOTS, MANDATE_MICROS = 1_000, 10**12
"""What a member lets the venue do: lots of one trade, and notional of one trade and of a day."""


@dataclass(frozen=True)
class Order:
    """`lots` that are still to be filled, at `ticks` or better."""

    number: int
    account: int
    is_buy: bool
    lots: int
    ticks: int

    @property
    def rank(self) -> tuple[int, int]:
        """Orders of lower rank are filled first: the better price, then the earlier one."""
        return (-self.ticks if self.is_buy else self.ticks, self.number)


@dataclass(frozen=True)
class Fill:
    """A trade between two orders."""

    buyer: int
    seller: int
    lots: int
    ticks: int


@dataclass
class OrderBook:
    """The waiting orders of one instrument. It never crosses, and never matches an account with itself."""

    bids: list[Order] = field(default_factory=list)
    asks: list[Order] = field(default_factory=list)
    last_number: int = 0

    def enter(self, account: int, lots: int, ticks: int, *, is_buy: bool) -> Iterator[Fill]:
        """Match a new order; what is left of it waits. An order that would meet one of its own account is cut there."""
        if lots <= 0 or ticks <= 0:
            raise ValueError("lots and ticks are above 0")
        self.last_number += 1
        order = Order(self.last_number, account, is_buy, lots, ticks)
        against, own = (self.asks, self.bids) if is_buy else (self.bids, self.asks)
        while order.lots and against and self._crosses(order, against[0]):
            waiting = against[0]
            if waiting.account == account:
                return
            size = min(order.lots, waiting.lots)
            order = replace(order, lots=order.lots - size)
            if size == waiting.lots:
                del against[0]
            else:
                against[0] = replace(waiting, lots=waiting.lots - size)
            buyer, seller = (account, waiting.account) if is_buy else (waiting.account, account)
            yield Fill(buyer, seller, size, waiting.ticks)
        if order.lots:
            insort(own, order, key=lambda each: each.rank)

    def cancel(self, number: int, account: int) -> bool:
        """Withdraw an own order; whether it was still waiting."""
        for side in (self.bids, self.asks):
            for order in side:
                if (order.number, order.account) == (number, account):
                    side.remove(order)
                    return True
        return False

    @staticmethod
    def _crosses(order: Order, waiting: Order) -> bool:
        return order.ticks >= waiting.ticks if order.is_buy else order.ticks <= waiting.ticks


class Venue:
    """Reports fills under its id of the terms.

    Trade ids rise one by one from 1: the network takes ids near the highest so far only. The last one is in a file, so
    that a restart uses none again.
    """

    def __init__(self, client: Client, venue: int, key: Key, instrument: int, ids: Path) -> None:
        self._client, self._venue, self._key, self._instrument = client, venue, key, instrument
        self._ids = ids
        self.book = OrderBook()

    async def enter(self, account: int, lots: int, ticks: int, *, is_buy: bool) -> None:
        """An order of a member: match it, and clear its fills."""
        for fill in list(self.book.enter(account, lots, ticks, is_buy=is_buy)):
            await self._clear(fill)

    async def _clear(self, fill: Fill) -> None:
        now_ms, trade_id = time.time_ns() // 1_000_000, self._take_id()
        report = requests.TradeReport(
            venue=self._venue,
            venue_trade_id=trade_id,
            buyer=fill.buyer,
            seller=fill.seller,
            instrument=self._instrument,
            lots=fill.lots,
            ticks=fill.ticks,
            traded_ms=now_ms,
            not_before_ms=0,
            not_after_ms=self._client.not_after_ms(),
        )
        about = {"id": trade_id, **asdict(fill)}
        try:
            applied = await self._client.settle(await self._client.sign(report, venue_signature=self._key))
        except RequestRefused as refused:
            say("void", **about, code=refused.code, why=refused.message)
        else:
            say("cleared", **about, height=applied.height)

    def _take_id(self) -> int:
        last = int(self._ids.read_text(encoding="ascii")) if self._ids.exists() else 0
        self._ids.write_text(str(last + 1), encoding="ascii")
        return last + 1


async def give_mandate(url: str, account: int, key: Key, venue: int) -> None:
    """What a member does once: permit the venue to trade for its account, within limits and for a day."""
    async with Client(url, key) as member:
        limits = {"lots_max": MANDATE_LOTS, "notional_max": MANDATE_MICROS, "day_notional_max": MANDATE_MICROS}
        expires_ms = time.time_ns() // 1_000_000 + DAY_MS
        await member.settle(
            await member.make(requests.VenueMandate, account, venue=venue, expires_ms=expires_ms, **limits)
        )
    say("mandate", account=account)


def say(event: str, **values: object) -> None:
    """Print one line of JSON."""
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


def read_key(path: str) -> Key:
    """A file of 64 hex digits."""
    return Key(bytes.fromhex(Path(path).read_text(encoding="ascii").strip()))


def read_orders(path: str) -> list[dict[str, Any]]:
    """One order a line: account, side, lots, ticks."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


async def main(given: argparse.Namespace) -> None:
    """Take mandates, then match the orders in their order."""
    for member in given.member:
        account, _, path = member.partition(":")
        await give_mandate(given.url, int(account), read_key(path), given.venue)
    async with Client(given.url) as client:
        venue = Venue(client, given.venue, given.venue_key_file, given.instrument, given.ids)
        for order in given.orders:
            await venue.enter(order["account"], order["lots"], order["ticks"], is_buy=order["side"] == "buy")
        say("done", bids=len(venue.book.bids), asks=len(venue.book.asks))


def parsed() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description="Match and clear by mandate.")
    parser.add_argument("url")
    parser.add_argument("--venue", type=int, required=True)
    parser.add_argument("--venue-key-file", type=read_key, required=True)
    parser.add_argument("--instrument", type=int, default=1)
    parser.add_argument("--member", action="append", default=[], help="ACCOUNT:KEY_FILE, gives a mandate")
    parser.add_argument("--ids", type=Path, default=Path("venue-ids"), help="file of the last trade id")
    parser.add_argument("--orders", type=read_orders, required=True)
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parsed()
    anyio.run(main, arguments, backend=arguments.backend)
