"""A market maker: quotes both sides of an instrument around its mark, and clears what is taken.

It names a session key for its account, so that the trade key is needed once. The price leans against the position, and
it quotes only the side that reduces the position when free margin is short. Each line printed is JSON.

    python market_maker.py URL --account 1 --key-file KEY --taker 2 --taker-key-file KEY --instrument 1
"""

import argparse
import json
import secrets
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from crossclear_client import Client, Key, request_of, requests

VENUE = 1
"""A label of our own: it is none of the venues of the terms."""
SESSION_SECONDS = 3_600
PPM = 1_000_000
NOTIONAL_MAX = 10**15
"""Of one trade and of a day, in micros."""


@dataclass(frozen=True)
class Quote:
    """Prices in ticks; 0: that side is not quoted."""

    bid: int
    ask: int
    lots: int


class MarketMaker:
    """One instrument, one account. `half_spread` and `lean` in 10^-6 of the mark; `lean` is for a full position."""

    def __init__(self, client: Client, account: int, instrument: int, lots: int, position_max: int) -> None:
        self._client, self._account, self._instrument = client, account, instrument
        self._lots, self._position_max = lots, position_max
        self._half_spread, self._lean = 500, 1_000
        self._session = Key(secrets.token_bytes(32))

    async def begin(self) -> None:
        """Name the session key: it signs trades of this account alone, within limits and for an hour."""
        limits = {"lots_max": self._lots, "notional_max": NOTIONAL_MAX, "day_notional_max": NOTIONAL_MAX}
        expires_ms = time.time_ns() // 1_000_000 + 1000 * SESSION_SECONDS
        request = await self._client.make(
            requests.SessionKey, self._account, key=self._session.address, expires_ms=expires_ms, **limits
        )
        applied = await self._client.settle(request)
        say("session", key="0x" + self._session.address.hex(), height=applied.height)

    async def quote(self) -> Quote:
        """Both sides at the present mark and position."""
        state, account = await self._client.state(), await self._client.account(self._account)
        mark = next(int(each.mark_ticks) for each in state.marks if each.instrument == self._instrument)
        position = next((int(each.lots) for each in account.positions if each.instrument == self._instrument), 0)
        middle = mark - mark * self._lean * position // (PPM * self._position_max)
        is_short_of_margin = int(account.equity_micros) < 2 * int(account.initial_margin_micros)
        is_bid = position < self._position_max and not (is_short_of_margin and position >= 0)
        is_ask = -position < self._position_max and not (is_short_of_margin and position <= 0)
        # Rounded away from the middle.
        bid = middle * (PPM - self._half_spread) // PPM if is_bid else 0
        ask = -(-middle * (PPM + self._half_spread) // PPM) if is_ask else 0
        quote = Quote(bid, ask, self._lots)
        say("quote", mark=mark, position=position, bid=bid, ask=ask, lots=self._lots)
        return quote

    async def fill(self, quote: Quote, body: dict[str, Any]) -> int:
        """Sign our side of a trade that the other side signed, and wait for its block.

        Raises ValueError where it is not what was quoted.
        """
        trade = request_of(body, requests.KINDS)
        if not isinstance(trade, requests.Trade):
            raise ValueError("not a trade")
        we_buy = trade.buyer == self._account
        price = quote.bid if we_buy else quote.ask
        is_good = 0 < trade.ticks <= price if we_buy else trade.ticks >= price > 0
        if trade.instrument != self._instrument or not 0 < trade.lots <= quote.lots or not is_good:
            raise ValueError("not what was quoted")
        side = "buyer_signature" if we_buy else "seller_signature"
        signed = await self._client.sign(trade, **{side: self._session})
        applied = await self._client.settle(signed)
        say("cleared", hash=applied.hash, height=applied.height, side="bought" if we_buy else "sold", ticks=trade.ticks)
        return applied.height


async def take(
    taker: Client, key: Key, account: int, maker: int, quote: Quote, instrument: int, *, buys: bool
) -> dict[str, Any]:
    """The other side, which would be another program: it signs a trade at the quote and sends its JSON."""
    trade = requests.Trade(
        venue=VENUE,
        venue_trade_id=time.time_ns(),
        buyer=account if buys else maker,
        seller=maker if buys else account,
        instrument=instrument,
        lots=quote.lots,
        ticks=quote.ask if buys else quote.bid,
        not_after_ms=taker.not_after_ms(),
    )
    half = await taker.sign(trade, **{"buyer_signature" if buys else "seller_signature": key})
    return half.body()


def say(event: str, **values: object) -> None:
    """Print one line of JSON."""
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


def read_key(path: str) -> Key:
    """A file of 64 hex digits."""
    return Key(bytes.fromhex(Path(path).read_text(encoding="ascii").strip()))


async def main(given: argparse.Namespace) -> None:
    """Make a market for some trades, with a taker that buys and sells in turn."""
    our_key, their_key = read_key(given.key_file), read_key(given.taker_key_file)
    async with Client(given.url, our_key) as ours, Client(given.url, their_key) as theirs:
        maker = MarketMaker(ours, given.account, given.instrument, given.lots, given.position_max)
        await maker.begin()
        for number in range(given.trades):
            quote = await maker.quote()
            buys = number % 2 == 0
            body = await take(theirs, their_key, given.taker, given.account, quote, given.instrument, buys=buys)
            await maker.fill(quote, json.loads(json.dumps(body)))
        say("done", trades=given.trades)


def parsed() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description="Quote and clear.")
    parser.add_argument("url")
    for name in ("--key-file", "--taker-key-file"):
        parser.add_argument(name, required=True)
    for name in ("--account", "--taker"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--instrument", type=int, default=1)
    parser.add_argument("--lots", type=int, default=10)
    parser.add_argument("--position-max", type=int, default=1_000)
    parser.add_argument("--trades", type=int, default=4)
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parsed()
    anyio.run(main, arguments, backend=arguments.backend)
