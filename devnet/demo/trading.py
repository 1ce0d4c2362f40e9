"""Trading of devnet members: planned opening trades, a flow of small trades, and bids for slices."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio

from clearing.base.errors import LocalFault
from clearing.base.ids import NetworkId
from clearing.base.units import PPM
from clearing.schema.requests.auctions import LiquidationBid
from clearing.schema.requests.trades import Trade
from clearing.schema.terms.genesis import Genesis
from devnet.codes import DevnetCode
from devnet.members import REQUEST_VALID_MS, DevnetMember, now_ms, signed_trade
from devnet.network import Devnet
from member.api.receipts import SliceSale
from member.api.state import StateView
from member.api.submit import SubmitResults
from member.client.node_client import NodeClient
from member.signing.requests import UNSIGNED, signed

FLOW_PAUSE_SECONDS = 0.25
FLOW_LOTS_MAX = {"BTC": 200, "ETH": 400}
"""In lots of 0.001 BTC and 0.01 ETH."""


@dataclass(frozen=True, slots=True)
class Deal:
    """A planned trade, by names."""

    instrument: str
    buyer: str
    seller: str
    lots: int


OPENING = (
    # erin is the one who borrows too much: 4.2 BTC long on 17,000 USD. Its money covers no more in the fund's crash.
    Deal("BTC-PERP", "erin", "alice", 4_200),
    Deal("BTC-PERP", "bob", "carol", 5_000),
    Deal("ETH-PERP", "dave", "bob", 20_000),
    Deal("BTC-90D", "carol", "frank", 4_000),
    # heidi writes puts on 10,200 USD and hedges a part: it gets an early call when implied volatility rises. The hedge
    # comes first, because the default fund would not cover the puts alone in its crash.
    Deal("BTC-PERP", "alice", "heidi", 2_000),
    Deal("BTC-30D-6000-P", "grace", "heidi", 8_000),
    Deal("ETH-30D-200-C", "dave", "grace", 10_000),
)


@dataclass(slots=True)
class Trading:
    """Signs and submits through one node after another."""

    network: NetworkId
    genesis: Genesis
    members: Sequence[DevnetMember]
    clients: Callable[[], Sequence[NodeClient]]
    """The nodes that are reachable now."""
    seed: int
    submitted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    next_trade: int = 1

    async def open_book(self) -> None:
        """The trades of `OPENING`. Raises LocalFault when a node refuses one at the door."""
        marks = _marks(await self.clients()[0].state())
        named = {member.name: member for member in self.members}
        trades = tuple(
            self._trade(named[deal.buyer], named[deal.seller], deal.instrument, deal.lots, marks[deal.instrument])
            for deal in OPENING
        )
        results = await self._submit(trades)
        for deal, result in zip(OPENING, results.results, strict=True):
            if result.problem is not None:
                raise LocalFault(DevnetCode.SUBMISSION_REFUSED, deal.instrument, message=result.problem.message)

    async def deal(self, agreed: Deal) -> None:
        """One trade at the mark of now; a block may still refuse it."""
        named = {member.name: member for member in self.members}
        ticks = _marks(await self.clients()[0].state())[agreed.instrument]
        pair = (named[agreed.buyer], named[agreed.seller])
        await self._submit((self._trade(*pair, agreed.instrument, agreed.lots, ticks),))

    async def flow(self, *, avoid: frozenset[str]) -> None:
        """Small trades between members not in `avoid`, until cancelled."""
        chance = random.Random(self.seed)
        able = [member for member in self.members if member.id and member.name not in avoid]
        names = [instrument.name for instrument in self.genesis.instruments]
        while True:
            clients = self.clients()
            marks = _marks(await clients[self.submitted % len(clients)].state())
            trades = []
            for _ in range(chance.randint(1, 8)):
                buyer, seller = chance.sample(able, 2)
                name = chance.choice(names)
                lots = chance.randint(1, FLOW_LOTS_MAX[name[:3]])
                if marks.get(name):
                    trades.append(self._trade(buyer, seller, name, lots, marks[name]))
            await self._submit(tuple(trades))
            await trio.sleep(FLOW_PAUSE_SECONDS)

    def _trade(self, buyer: DevnetMember, seller: DevnetMember, name: str, lots: int, ticks: int) -> Trade:
        instrument = next(instrument.id for instrument in self.genesis.instruments if instrument.name == name)
        trade_id, self.next_trade = self.next_trade, self.next_trade + 1
        return signed_trade(self.network, trade_id, buyer, seller, instrument, lots, ticks, now_ms())

    async def _submit(self, trades: tuple[Trade, ...]) -> SubmitResults:
        if not trades:
            return SubmitResults(results=())
        clients = self.clients()
        results = await clients[self.submitted % len(clients)].submit(trades)
        self.submitted += len(trades)
        self.refused.update(result.problem.code for result in results.results if result.problem is not None)
        return results


def _marks(state: StateView) -> dict[str, int]:
    return {mark.name: int(mark.mark_ticks) for mark in state.marks if not mark.settled}


LOOK_SECONDS = 0.3
PPB = 10**9
LEAST_DISCOUNT_PPM = 2_000
"""No bidder takes a falling position at the mark."""


@dataclass(slots=True)
class Bidder:
    """Bids in one member's name."""

    devnet: Devnet
    member: DevnetMember
    submitted: int = 0

    async def bid(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with self.devnet.client_of(self.member) as client:
                    for sale in (await client.liquidations()).sales:
                        await self._bid(client, sale)
            except LocalFault:
                pass
            await trio.sleep(LOOK_SECONDS)

    async def _bid(self, client: NodeClient, sale: SliceSale) -> None:
        """For half of what may be taken at once, so that others have theirs."""
        if sale.discount_ppm < LEAST_DISCOUNT_PPM:
            return
        account = await client.account(self.member.id)
        bid = LiquidationBid(
            account=self.member.id,
            liquidated=int(sale.account),
            opened_height=int(sale.opened_height),
            slice_ppb=sale.slice_max_ppm * (PPB // PPM) // 2,
            discount_ppm=LEAST_DISCOUNT_PPM,
            nonce=account.next_nonce,
            not_after_ms=now_ms() + REQUEST_VALID_MS,
            signature=UNSIGNED,
        )
        await client.submit((signed(self.devnet.network, bid, signature=self.member.secret),))
        self.submitted += 1
