"""Acting on a live devnet: deposits, trades whose fate is followed, and what the block logs say afterwards."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
import trio

from clearing.base.errors import LocalFault
from clearing.schema.blocks.receipt import Receipt, Refused
from clearing.schema.receipts.collateral import DepositCredited
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.requests.trades import Trade
from devnet.demo.main import export_blocks, network_seed
from devnet.demo.story import DevnetDeposit, deposit_all, until
from devnet.members import now_ms, signed_trade
from devnet.network import Devnet
from member.api.submit import SubmitResult
from member.client.node_client import NodeClient
from member.codes import NodeCode
from member.signing.requests import signed
from node.agreement.application import DecidedHeight, state_salt
from node.offline.replay import replay
from node.store.block_log import read_block_log

R = TypeVar("R")
PATIENCE_SECONDS = 600
"""Bound of every wait: generous, since only its expiry costs time."""
PERPETUAL = 1
VALID_MS = 500_000


async def deposit(devnet: Devnet, planned: tuple[DevnetDeposit, ...]) -> None:
    """Deposit on the chains and wait until each deposit is credited."""
    await deposit_all(devnet, planned)
    wanted = Counter(devnet.chains[each.chain].anvil.chain_id for each in planned)

    async def credited() -> bool | None:
        header = await devnet.running_clients()[0].newest_header()
        cursors = {cursor.chain_id: cursor.nonce for cursor in header.deposit_cursors}
        return True if all(cursors.get(chain, 0) >= count for chain, count in wanted.items()) else None

    await until("deposits to be credited", PATIENCE_SECONDS, credited)


async def height_of(client: NodeClient) -> int:
    """The newest decided height."""
    return (await client.state()).height


async def reach(client: NodeClient, height: int) -> None:
    """Until a node has decided a height."""

    async def look() -> bool | None:
        try:
            return True if await height_of(client) >= height else None
        except LocalFault:
            return None

    await until(f"height {height}", PATIENCE_SECONDS, look)


async def roots_equal(devnet: Devnet, above: int) -> int:
    """Until every node has decided a height above `above`, at which all roots are equal; that height."""
    for client in devnet.clients.values():
        await reach(client, above + 1)
    heights = [await height_of(client) for client in devnet.clients.values()]
    height = min(heights)
    headers = [await client.header(height) for client in devnet.clients.values()]
    assert len({header.hash for header in headers}) == 1, f"headers differ at height {height}"
    assert len({header.state_root for header in headers}) == 1
    return height


async def all_proven(devnet: Devnet) -> None:
    """Until some node has the package of each epoch that closed, but for the last, which may still be proven."""
    closed = (await next(iter(devnet.clients.values())).state()).epoch - 1
    missing = set(range(1, closed))
    while missing:
        for client in devnet.clients.values():
            missing -= {each for each in missing if await client.package(each) is not None}
        await trio.sleep(0.2)


async def all_ready(devnet: Devnet) -> None:
    """Until each node says that all its conditions hold."""
    for name, client in devnet.clients.items():

        async def look(client: NodeClient = client) -> bool | None:
            try:
                return True if (await client.readiness()).ready else None
            except LocalFault:
                return None

        await until(f"{name} to be ready", PATIENCE_SECONDS, look)


def send_signal(devnet: Devnet, name: str, number: signal.Signals) -> None:
    """To one validator's process only."""
    process = devnet.nodes[name]._process
    assert process is not None
    os.kill(process.pid, number)


def is_busy(result: SubmitResult) -> bool:
    """Whether more was offered than the network decides soon: to be sent again later."""
    return result.problem is not None and result.problem.code == NodeCode.POOL_BUSY.label


@dataclass
class TradeFlow:
    """Trades of one lot, one after another, through nodes that are chosen; remembers which were accepted."""

    devnet: Devnet
    avoid: str = ""
    """A node that is about to end: what only it has taken in ends with it."""
    accepted: dict[int, Trade] = field(default_factory=dict)
    unanswered: dict[int, Trade] = field(default_factory=dict)
    next_id: int = 1

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for name, client in self.devnet.clients.items():
                if name != self.avoid and self.devnet.nodes[name].running:
                    await self._one(client)
                await trio.sleep(0.05)

    async def _one(self, client: NodeClient) -> None:
        number, self.next_id = self.next_id, self.next_id + 1
        buyer, seller = self.devnet.members[1 + number % 2], self.devnet.members[2 - number % 2]
        try:
            marks = {mark.instrument: int(mark.mark_ticks) for mark in (await client.state()).marks}
        except LocalFault:
            return
        trade = self._trade(number, buyer.id, seller.id, marks[PERPETUAL])
        self.unanswered[number] = trade
        try:
            (result,) = (await client.submit((trade,))).results
        except LocalFault:
            return
        self.unanswered.pop(number)
        if is_busy(result):
            # While the network stands still, what waits exceeds what it decides soon: sent again later, as a new trade.
            return
        assert result.status == "accepted", result
        self.accepted[number] = trade

    def _trade(self, number: int, buyer: int, seller: int, ticks: int) -> Trade:
        named = {member.id: member for member in self.devnet.members}
        network = self.devnet.network
        short = signed_trade(network, number, named[buyer], named[seller], PERPETUAL, 1, ticks, now_ms())
        bare = msgspec.structs.replace(short, not_after_ms=now_ms() + VALID_MS)
        return signed(network, bare, buyer_signature=named[buyer].secret, seller_signature=named[seller].secret)

    async def accepted_more(self, count: int) -> None:
        """Until as many more were accepted."""
        wanted = len(self.accepted) + count

        async def look() -> bool | None:
            return True if len(self.accepted) >= wanted else None

        await until(f"{count} accepted trades", PATIENCE_SECONDS, look)

    async def hand_in_again(self, client: NodeClient) -> None:
        """All of them, as a member does who saw its node end: what was decided may not be done twice.

        A node that started anew takes what was decided for new, so some have to wait for room.
        """
        trades = [*self.accepted.values(), *self.unanswered.values()]
        while trades:
            results = (await client.submit(tuple(trades[:50]))).results
            assert all(result.status in ("accepted", "known") or is_busy(result) for result in results), results
            trades = [trade for trade, result in zip(trades, results, strict=False) if is_busy(result)] + trades[50:]
            await trio.sleep(0.2)
        self.accepted |= self.unanswered
        self.unanswered.clear()


@dataclass
class NodeRecord:
    """What one validator's block log tells when it is executed again."""

    heights: int = 0
    receipts: list[Receipt] = field(default_factory=list)
    fates: dict[int, list[str]] = field(default_factory=dict)
    """Venue trade id to what became of it each time that a block held it."""
    header_hashes: dict[int, bytes] = field(default_factory=dict)

    def note(self, decided: DecidedHeight) -> None:
        """A listener."""
        self.heights = decided.header.height
        self.header_hashes[decided.header.height] = decided.header.hash
        self.receipts += decided.result.receipts
        by_index = {each.index: each for each in decided.result.receipts if isinstance(each, TradeNovated | Refused)}
        for index, transaction in enumerate(decided.block.transactions):
            if isinstance(transaction, Trade):
                receipt = by_index[index]
                fate = "novated" if isinstance(receipt, TradeNovated) else f"refused {receipt.code}"
                self.fates.setdefault(transaction.venue_trade_id, []).append(fate)

    def of_kind(self, kind: type[R]) -> list[R]:
        """Receipts of one type, in order."""
        return [each for each in self.receipts if isinstance(each, kind)]


def recorded(devnet: Devnet, folder: Path) -> list[NodeRecord]:
    """Execute every stopped validator's block log again."""
    found = []
    for node in devnet.testnet.nodes:
        record = NodeRecord()
        log = export_blocks(folder, devnet.network, node)
        replay(devnet.genesis, state_salt(network_seed(node)), read_block_log(log), record.note)
        found.append(record)
    shortest = min(record.heights for record in found)
    assert shortest > 0
    for height in range(1, shortest + 1):
        assert len({record.header_hashes[height] for record in found}) == 1, f"headers differ at height {height}"
    return found


def check_deposits(record: NodeRecord, planned: Sequence[DevnetDeposit], units: Callable[[DevnetDeposit], int]) -> None:
    """Each was credited exactly once, with its amount."""
    credited = record.of_kind(DepositCredited)
    assert len({(each.chain_id, each.nonce) for each in credited}) == len(credited) == len(planned)
    assert sorted((each.account, each.units) for each in credited) == sorted(
        (each.member.id, units(each)) for each in planned
    )
