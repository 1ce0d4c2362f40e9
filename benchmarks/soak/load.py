"""Trades for hours: each is followed by its opposite, so that nobody's position or money runs away.

Rule: what a node accepted must be in a block by the end. Only numbers are kept, not trades.
"""

import random
from collections import Counter
from collections.abc import Sequence

import httpx
import trio

from clearing.base.codec import encode
from clearing.base.errors import LocalFault
from clearing.schema.requests.trades import Trade
from devnet.members import now_ms, signed_trade
from devnet.network import Devnet
from member.api.submit import TRANSACTIONS_MAX, TransactionList

POSTS_PER_SECOND = 5.0
MARK_SECONDS = 2.0
AVOID = ("house", "erin")
FIRST_NUMBER = 1_000_000
LONGER_MS = 500_000
"""Beyond a member's usual minute: on a busy machine a height may take that long, and what expires is not lost."""
POSTS_WAITING_MAX = 20
"""Further posts are left out and counted, as a client would that has no answer yet."""


def posts_of(pairs: int) -> list[int]:
    """So many pairs of trades in as few posts as a node takes: after a pause of this process there are many."""
    most = TRANSACTIONS_MAX // 2
    return [min(most, pairs - sent) for sent in range(0, pairs, most)]


class PairedLoad:
    """Submits at a rate, to one node after another."""

    def __init__(self, devnet: Devnet, seed: int) -> None:
        self.rate = 0.0
        """Trades a second."""
        self.accepted: set[int] = set()
        self.refused: Counter[str] = Counter()
        self._devnet, self._chance = devnet, random.Random(seed)
        self._able = [member for member in devnet.members if member.name not in AVOID]
        self._marks: Sequence[tuple[int, int]] = ()
        self._number, self._waiting = FIRST_NUMBER, 0

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_marks)
            clients = [
                httpx.AsyncClient(base_url=self._devnet.url(name), timeout=60.0, trust_env=False)
                for name in self._devnet.nodes
            ]
            owed, post, before = 0.0, 0, trio.current_time()
            while True:
                await trio.sleep(1 / POSTS_PER_SECOND)
                now = trio.current_time()
                # After a pause of this process the load goes on; it makes up for at most a second.
                owed, before = min(owed + (now - before) * self.rate, self.rate), now
                pairs = int(owed / 2)
                if not pairs or not self._marks:
                    continue
                owed -= 2 * pairs
                for some in posts_of(pairs):
                    if self._waiting >= POSTS_WAITING_MAX:
                        self.refused["no answer yet"] += 2 * some
                        continue
                    trades = tuple(trade for _ in range(some) for trade in self._pair())
                    self._waiting += 1
                    nursery.start_soon(self._post, clients[post % len(clients)], trades)
                    post += 1

    def _pair(self) -> tuple[Trade, Trade]:
        buyer, seller = self._chance.sample(self._able, 2)
        instrument, ticks = self._chance.choice(self._marks)
        lots, now = self._chance.randint(1, 3), now_ms() + LONGER_MS
        self._number += 2
        network = self._devnet.network
        return (
            signed_trade(network, self._number, buyer, seller, instrument, lots, ticks, now),
            signed_trade(network, self._number + 1, seller, buyer, instrument, lots, ticks, now),
        )

    async def _post(self, client: httpx.AsyncClient, trades: Sequence[Trade]) -> None:
        """Its place among those waiting is taken already."""
        body = encode(TransactionList(tuple(trades)))
        try:
            response = await client.post("/v1/submit", content=body, headers={"content-type": "application/msgpack"})
        except httpx.HTTPError as error:
            self.refused[type(error).__name__] += len(trades)
            return
        finally:
            self._waiting -= 1
        if response.status_code >= 400 and response.status_code != 422:
            self.refused[f"HTTP {response.status_code}"] += len(trades)
            return
        for trade, result in zip(trades, response.json()["results"], strict=True):
            if result["status"] == "refused":
                self.refused[result["problem"]["code"]] += 1
            else:
                self.accepted.add(trade.venue_trade_id)

    async def _follow_marks(self) -> None:
        while True:
            for client in self._devnet.clients.values():
                try:
                    state = await client.state()
                except LocalFault:
                    continue
                self._marks = [(mark.instrument, int(mark.mark_ticks)) for mark in state.marks if int(mark.mark_ticks)]
                break
            await trio.sleep(MARK_SECONDS)
