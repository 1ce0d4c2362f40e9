"""`Load`: signed trades handed in at one node after another, and what became of each.

Rule: a trade counts as accepted when a node said so, and then it must be in a block, whatever happens to that node:
nobody hands it in again.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import trio

from clearing.base.errors import LocalFault
from clearing.base.ids import NetworkId
from clearing.schema.blocks.transaction import transaction_hash
from clearing.schema.requests.trades import Trade
from devnet.members import DevnetMember, signed_trade
from member.client.node_client import NodeClient
from member.signing.requests import signed
from tests.testnets.processes import RunningNode

TICK_SECONDS = 0.1
VALID_MS = 590_000
"""The longest that a node takes a request for: what no block takes in time is lost, and told so."""
BATCH_MAX = 100
PERPETUAL = 1
MARK_SECONDS = 1.0


@dataclass(slots=True)
class Handed:
    trade: Trade
    node: str
    at: float
    """When it was handed in."""
    accepted: bool = False


@dataclass(slots=True)
class Load:
    """Runs beside everything else."""

    network: NetworkId
    members: Sequence[DevnetMember]
    """The house first: it trades with nobody."""
    nodes: Sequence[RunningNode]
    """Those that are asked."""
    clients: dict[str, NodeClient]
    per_second: float
    handed: dict[bytes, Handed] = field(default_factory=dict)
    """By transaction hash."""
    refused: dict[str, int] = field(default_factory=dict)
    unanswered: int = 0
    _busy: set[str] = field(default_factory=set)
    _turn: int = 0
    _marks: dict[int, int] = field(default_factory=dict)
    _number: int = 0

    async def run(self) -> None:
        owed, before = 0.0, trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_marks)
            while True:
                await trio.sleep(TICK_SECONDS)
                now = trio.current_time()
                owed = min(owed + (now - before) * self.per_second, float(BATCH_MAX))
                before = now
                if owed >= 1 and (node := self._next_node()) is not None and self._marks:
                    trades = [self._trade() for _ in range(int(owed))]
                    owed -= len(trades)
                    nursery.start_soon(self._hand_in, node, trades)

    async def begun(self) -> bool | None:
        return True if any(each.accepted for each in self.handed.values()) else None

    async def _hand_in(self, node: RunningNode, trades: Sequence[Trade]) -> None:
        keys = [transaction_hash(trade) for trade in trades]
        now = trio.current_time()
        for key, trade in zip(keys, trades, strict=True):
            self.handed[key] = Handed(trade, node.name, now)
        self._busy.add(node.name)
        try:
            results = (await self.clients[node.name].submit(tuple(trades))).results
        except LocalFault:
            self.unanswered += len(trades)
            return
        finally:
            self._busy.discard(node.name)
        for key, result in zip(keys, results, strict=True):
            self.handed[key].accepted = result.status in ("accepted", "known")
            if result.problem is not None:
                self.refused[result.problem.code] = self.refused.get(result.problem.code, 0) + 1

    def _next_node(self) -> RunningNode | None:
        """The next that can answer and does not owe an answer."""
        for _ in self.nodes:
            self._turn += 1
            node = self.nodes[self._turn % len(self.nodes)]
            if node.able and node.name not in self._busy:
                return node
        return None

    async def _follow_marks(self) -> None:
        """Ask for the price now and then; the last one stands while nobody answers."""
        while True:
            for node in self.nodes:
                if node.able:
                    try:
                        state = await self.clients[node.name].state()
                    except LocalFault:
                        continue
                    self._marks = {mark.instrument: int(mark.mark_ticks) for mark in state.marks}
                    break
            await trio.sleep(MARK_SECONDS)

    def _trade(self) -> Trade:
        self._number += 1
        traders = self.members[1:]
        buyer = traders[self._number % len(traders)]
        seller = traders[(self._number + 1 + self._number // len(traders) % (len(traders) - 1)) % len(traders)]
        return trade_of(self.network, self._number, buyer, seller, self._marks.get(PERPETUAL, 1) or 1)


def trade_of(network: NetworkId, number: int, buyer: DevnetMember, seller: DevnetMember, ticks: int) -> Trade:
    """One lot, valid as long as possible."""
    now = time.time_ns() // 1_000_000
    short = signed_trade(network, number, buyer, seller, PERPETUAL, 1, ticks, now)
    bare = msgspec.structs.replace(short, not_after_ms=now + VALID_MS)
    return signed(network, bare, buyer_signature=buyer.secret, seller_signature=seller.secret)


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
