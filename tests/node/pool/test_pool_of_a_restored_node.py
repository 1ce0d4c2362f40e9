"""A node that starts from a state takes nothing for new that blocks before it have decided."""

from collections.abc import Sequence
from pathlib import Path

import trio
import trio.testing

from clearing.accounts.signatories import signing_addresses
from clearing.base import ed25519
from clearing.base.codec import encode
from clearing.schema.blocks.transaction import Transaction
from node.p2p.network import Incoming, Topic
from node.pool.journal import PoolJournal
from node.pool.mempool import Accepted, Mempool, transaction_hash
from node.pool.transaction_service import CLOCKS_APART_MS, TransactionService, make_batch, open_batch
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP
from tests.kit.clearing.world import World, funded

OWN, OTHER = b"\x06" * 32, b"\x05" * 32


class Node:
    """A pool and its way in, with a clock of its own."""

    def __init__(self, world: World, *, restored: bool, journal: PoolJournal | None = None) -> None:
        self.world, self.now_ms = world, world.time_ms
        self.pool = Mempool(world.network, lambda who: signing_addresses(world.state, who))
        keys = frozenset(ed25519.public_key(each) for each in (OWN, OTHER))
        self.service = TransactionService(
            self.pool, world.network, OWN, lambda: keys, lambda: self.now_ms, lambda: None, journal, restored
        )

    async def hear(self, gathered_ms: int, *transactions: Transaction) -> None:
        """A batch of the other node."""
        send, receive = trio.open_memory_channel[Incoming](1)
        send.send_nowait(Incoming(b"", encode(make_batch(self.world.network, OTHER, gathered_ms, transactions))))
        send.close()
        await self.service.listen(receive)

    def holds(self, transactions: Sequence[Transaction]) -> list[bool]:
        return [self.pool.holds(transaction_hash(each)) for each in transactions]


def _trades(world: World, count: int) -> list[Transaction]:
    return [world.trade(ALICE, BOB, BTC_PERP, 1 + lots, 790_000) for lots in range(count)]


async def test_what_blocks_before_a_snapshot_decided_does_not_wait_until_it_expires() -> None:
    world = funded()
    old, decided, new, late = trades = _trades(world, 4)
    node = Node(world, restored=True)
    first_ms = world.time_ms
    await node.hear(first_ms - 50, old, decided)
    await node.hear(first_ms + CLOCKS_APART_MS, new)
    assert node.holds(trades) == [True, True, True, False]  # a block may still be wanted for them
    node.service.decided([decided], first_ms)
    assert node.holds(trades) == [False, False, True, False]
    await node.hear(first_ms - 20, late, old)
    assert node.holds(trades) == [False, False, True, False]
    await node.hear(first_ms + CLOCKS_APART_MS, late)
    assert node.holds(trades) == [False, False, True, True]


async def test_a_node_that_executed_every_block_takes_in_what_is_old() -> None:
    world = funded()
    trades = _trades(world, 2)
    node = Node(world, restored=False)
    await node.hear(1, trades[0])
    node.service.decided([], world.time_ms)
    await node.hear(1, trades[1])
    assert node.holds(trades) == [True, True]


async def test_what_a_member_was_told_is_accepted_is_kept_whoever_brought_it_first(tmp_path: Path) -> None:
    world = funded()
    trades = _trades(world, 2)
    journal = PoolJournal(tmp_path / "pool.journal")
    node = Node(world, restored=True, journal=journal)
    await node.hear(1, trades[0])
    for each in trades:
        assert isinstance(node.service.submit(each), Accepted)
    node.service.decided([], world.time_ms)
    await node.service.journaled()
    assert node.holds(trades) == [True, True]
    assert journal.waiting == tuple(trades)
    journal.close()


async def test_a_batch_tells_when_the_first_that_waited_came_in(autojump_clock: trio.testing.MockClock) -> None:
    world = funded()
    node = Node(world, restored=False)
    said: list[int] = []

    class Ears:
        def publish(self, topic: Topic, data: bytes) -> None:
            said.append(open_batch(world.network, data).sequence)

    first, second, third = _trades(world, 3)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.service.run, Ears(), 20)
        for each, passed_ms in ((first, 500), (second, 7_000), (third, 0)):
            node.now_ms += passed_ms
            node.service.submit(each)
            node.now_ms += 15  # by the time that it is said
            await trio.sleep(1)
        node.now_ms -= 60_000  # a clock that was set back
        node.service.submit(_trades(world, 4)[3])
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    start = world.time_ms
    assert said == [start + 500, start + 7_515, start + 7_530, start + 7_531]
