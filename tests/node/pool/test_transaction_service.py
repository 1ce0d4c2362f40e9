"""The pool's way in: what is new of gossip, what a member was told is accepted, and what a block has decided."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from clearing.accounts.signatories import signing_addresses
from clearing.base import ed25519
from clearing.base.codec import encode
from clearing.base.errors import Rejected
from clearing.schema.blocks.transaction import Transaction, transaction_hash
from member.codes import NodeCode
from node.p2p.network import Incoming, Topic
from node.pool.admission import WINDOW_START
from node.pool.journal import PoolJournal
from node.pool.mempool import Accepted, Mempool
from node.pool.transaction_service import (
    CLOCKS_APART_MS,
    GOSSIP_TRANSACTIONS_MAX,
    TransactionService,
    make_batch,
    open_batch,
    valid_batch_size,
)
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP
from tests.kit.clearing.requests import PRICE
from tests.kit.clearing.world import World, funded

OWN, OTHER = b"\x06" * 32, b"\x05" * 32


class Node:
    """A pool and its way in, with a clock of its own; a network that keeps what is published."""

    def __init__(self, world: World, *, restored: bool = False, journal: PoolJournal | None = None) -> None:
        self.world, self.now_ms = world, world.time_ms
        self.validators = {ed25519.public_key(each) for each in (OWN, OTHER)}
        self.woken = 0
        self.published: list[bytes] = []
        self.pool = Mempool(world.network, lambda who: signing_addresses(world.state, who))
        self.service = TransactionService(
            self.pool,
            world.network,
            OWN,
            lambda: frozenset(self.validators),
            lambda: self.now_ms,
            self._wake,
            journal,
            restored,
        )

    def _wake(self) -> None:
        self.woken += 1

    def publish(self, topic: Topic, data: bytes) -> None:
        self.published.append(data)

    async def hear(self, gathered_ms: int, *transactions: Transaction, secret: bytes = OTHER) -> None:
        """A batch of the other node."""
        send, receive = trio.open_memory_channel[Incoming](1)
        batch = make_batch(self.world.network, secret, gathered_ms, transactions)
        send.send_nowait(Incoming(b"", encode(batch)))
        send.close()
        await self.service.listen(receive)

    def holds(self, transactions: Sequence[Transaction]) -> list[bool]:
        return [self.pool.holds(transaction_hash(each)) for each in transactions]


@pytest.fixture
def world() -> World:
    return funded()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pool.journal"


def trades_of(world: World, count: int) -> list[Transaction]:
    return [world.trade(ALICE, BOB, BTC_PERP, 1 + lots, 790_000) for lots in range(count)]


async def test_a_batch_that_brings_nothing_new_wakes_nobody(world: World) -> None:
    node = Node(world)
    good, other = trades_of(world, 2)
    unsigned = msgspec.structs.replace(good, venue_trade_id=99)
    await node.hear(1, good)
    assert (len(node.pool), node.woken) == (1, 1)
    for gathered_ms in range(2, 20):
        await node.hear(gathered_ms, good, unsigned)
    await node.hear(1, other, secret=b"\x07" * 32)
    assert (len(node.pool), node.woken) == (1, 1), "of nobody who is a validator"


def test_a_node_whose_batches_nobody_takes_accepts_nothing_until_it_is_a_validator(world: World) -> None:
    node = Node(world)
    node.validators.remove(ed25519.public_key(OWN))
    (trade,) = trades_of(world, 1)
    assert node.service.submit(trade).code is NodeCode.BATCH_SENDER
    assert len(node.pool) == 0
    node.validators.add(ed25519.public_key(OWN))
    assert isinstance(node.service.submit(trade), Accepted)


def test_more_than_the_network_decides_is_refused_at_once_with_the_time_to_wait(world: World) -> None:
    node = Node(world)
    flood = trades_of(world, WINDOW_START + 1)
    answers = [node.service.submit(each) for each in flood]
    part = WINDOW_START // 2
    assert [isinstance(each, Accepted) for each in answers] == [True] * part + [False] * (part + 1), "one node of two"
    refusal = answers[-1]
    assert isinstance(refusal, Rejected)
    assert refusal.code is NodeCode.POOL_BUSY
    assert dict(refusal.values)["wait_ms"] == 1
    assert node.service.submit(flood[0]) == Accepted(transaction_hash(flood[0]), known=True), "sent again, not refused"


def test_a_bundle_takes_as_much_of_the_window_as_it_has_trades(world: World) -> None:
    node = Node(world)
    bundles = [world.bundle(ALICE, BOB, *[(BTC_PERP, 1, PRICE)] * 24) for _ in range(12)]
    answers = [node.service.submit(each) for each in bundles]
    # Admitted while there is any room: 24 x 11 of 256.
    assert [isinstance(each, Accepted) for each in answers] == [True] * 11 + [False]
    node.service.decided(bundles[:2], world.time_ms)
    assert [isinstance(node.service.submit(each), Accepted) for each in bundles[11:]] == [True]


async def test_what_other_nodes_accepted_is_not_refused_here(world: World) -> None:
    node = Node(world)
    flood = trades_of(world, WINDOW_START // 2 + 2)
    for each in flood[:-2]:
        node.service.submit(each)
    await node.hear(1, flood[-2])
    assert node.holds(flood[-2:]) == [True, False]


async def test_two_nodes_that_hear_nothing_of_each_other_admit_no_more_than_one_window(world: World) -> None:
    nodes = (Node(world), Node(world))
    for at, each in enumerate(trades_of(world, 3 * WINDOW_START)):
        nodes[at % 2].service.submit(each)
    assert sum(len(node.pool) for node in nodes) == WINDOW_START


async def test_what_a_block_decided_or_nobody_can_decide_any_more_makes_room_at_its_node(world: World) -> None:
    node = Node(world)
    flood = trades_of(world, WINDOW_START)
    part = WINDOW_START // 2
    for each in flood[:part]:
        node.service.submit(each)
    assert isinstance(node.service.submit(flood[part]), Rejected)
    node.service.decided(flood[:10], world.time_ms)
    answers = [node.service.submit(each) for each in flood[part:]]
    assert sum(isinstance(each, Accepted) for each in answers) == 10
    node.now_ms = flood[-1].not_after_ms + 1
    node.service.decided((), node.now_ms)
    late = [msgspec.structs.replace(each, not_after_ms=node.now_ms + 1000) for each in flood[:1]]
    assert node.service.submit(late[0]).code is not NodeCode.POOL_BUSY


async def test_what_is_gossiped_together_fits_one_message(world: World, autojump_clock: trio.testing.MockClock) -> None:
    node = Node(world)
    for _ in range(300):
        node.service.submit(world.trade(ALICE, BOB, BTC_PERP, 2**62, 2**62))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.service.run, node, 20)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert len(node.published) > 1
    assert all(valid_batch_size(Incoming(b"", data)) for data in node.published)
    assert GOSSIP_TRANSACTIONS_MAX <= 100


async def test_a_batch_tells_when_the_first_that_waited_came_in(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    node = Node(world)
    trades = trades_of(world, 4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.service.run, node, 20)
        for trade, passed_ms in zip(trades, (500, 7_000, 0), strict=False):
            node.now_ms += passed_ms
            node.service.submit(trade)
            node.now_ms += 15  # by the time that it is said
            await trio.sleep(1)
        node.now_ms -= 60_000  # a clock that was set back
        node.service.submit(trades[3])
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    gathered = [open_batch(world.network, data).sequence - world.time_ms for data in node.published]
    assert gathered == [500, 7_515, 7_530, 7_531]


async def test_what_blocks_before_a_snapshot_decided_does_not_wait_until_it_expires(world: World) -> None:
    old, decided, new, late = trades = trades_of(world, 4)
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


async def test_a_node_that_executed_every_block_takes_in_what_is_old(world: World) -> None:
    trades = trades_of(world, 2)
    node = Node(world)
    await node.hear(1, trades[0])
    node.service.decided([], world.time_ms)
    await node.hear(1, trades[1])
    assert node.holds(trades) == [True, True]


async def test_what_a_member_was_told_is_accepted_is_kept_whoever_brought_it_first(world: World, path: Path) -> None:
    trades = trades_of(world, 2)
    journal = PoolJournal(path)
    node = Node(world, restored=True, journal=journal)
    await node.hear(1, trades[0])
    for each in trades:
        assert isinstance(node.service.submit(each), Accepted)
    node.service.decided([], world.time_ms)
    await node.service.journaled()
    assert node.holds(trades) == [True, True]
    assert journal.waiting == tuple(trades)
    journal.close()


async def test_what_gossip_brought_first_is_kept_when_its_member_is_told(world: World, path: Path) -> None:
    node = Node(world, journal=PoolJournal(path))
    trade, gossiped, decided = trades_of(world, 3)
    for each in (trade, gossiped):
        node.pool.add(each, world.time_ms)
    node.service.decided([decided], world.time_ms)
    for each in (trade, decided):
        assert node.service.submit(each) == Accepted(transaction_hash(each), known=True)
    await node.service.journaled()
    assert PoolJournal(path).waiting == (trade,)


async def test_a_killed_node_offers_again_what_it_accepted(world: World, path: Path) -> None:
    trades = trades_of(world, 3)
    killed = Node(world, journal=PoolJournal(path))
    for each in trades:
        assert isinstance(killed.service.submit(each), Accepted)
    await killed.service.journaled()
    killed.service.decided(trades[:1], world.time_ms)
    again = Node(world, journal=PoolJournal(path))
    assert again.service.resume() == 2
    assert again.pool.select(world.time_ms) == tuple(trades[1:])
