"""Every accepted transaction has a fate, also after a crash: in a block with its receipts, dropped, or expired."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import trio

from clearing.accounts.signatories import signing_addresses
from clearing.base import ed25519
from clearing.base.errors import Rejected
from clearing.schema.blocks.transaction import Transaction, transaction_hash
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.trades import BundledTradeRefused, TradeNovated
from member.codes import NodeCode
from node.pool.fates import DAY_MS, SAVE_SECONDS, Fates, NotedBlock, block_fates
from node.pool.journal import PoolJournal
from node.pool.mempool import Accepted, Mempool, PoolLimits
from node.pool.transaction_service import TransactionService
from node.store.fate_table import FateState, FateTable
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP
from tests.kit.clearing.requests import PRICE
from tests.kit.clearing.world import World, funded

OWN = b"\x06" * 32


class Run:
    """One run of a node's pool over the same folder."""

    def __init__(self, folder: Path, world: World, **limits: int) -> None:
        self.world, self.now_ms = world, world.time_ms
        self.table = FateTable(folder / "fates.sqlite", world.network)
        self.journal = PoolJournal(folder / "pool.journal", rewrite_bytes=1)
        self.fates = Fates(self.table, lambda: self.now_ms, 7, 1_000)
        self.pool = Mempool(
            world.network,
            lambda who: signing_addresses(world.state, who),
            PoolLimits(**limits),
            on_expired=self.fates.expired,
        )
        self.service = TransactionService(
            self.pool,
            world.network,
            OWN,
            lambda: frozenset((ed25519.public_key(OWN),)),
            lambda: self.now_ms,
            lambda: None,
            self.journal,
            fates=self.fates,
        )

    def crash(self) -> None:
        """What was not written is lost."""
        self.table.close()
        self.journal.close()

    def state_of(self, transaction: Transaction) -> FateState | None:
        found = self.fates.find(transaction_hash(transaction))
        return found.state if found is not None else None


class Kept:
    """Blocks of a store."""

    def __init__(self, *blocks: NotedBlock) -> None:
        self.blocks = blocks
        self.asked: list[int] = []

    def noted(self, first: int, last: int) -> Iterator[NotedBlock]:
        self.asked += range(first, last + 1)
        yield from (block for block in self.blocks if first <= block.height <= last)


@pytest.fixture
def world() -> World:
    return funded()


def decide(world: World, *transactions: Transaction) -> NotedBlock:
    result = world.block(*transactions)
    hashes = [transaction_hash(each) for each in transactions]
    return NotedBlock(result.height, world.time_ms, hashes, result.receipts)


async def written(fates: Fates, blocks: Kept, executed: int) -> None:
    with trio.move_on_after(0.3 * SAVE_SECONDS):
        await fates.run(blocks, executed)
    await fates.save()


def trades_of(world: World, count: int) -> list[Transaction]:
    return [world.trade(ALICE, BOB, BTC_PERP, 1 + lots, PRICE) for lots in range(count)]


def test_each_transaction_of_a_block_has_its_receipts_and_no_other(world: World) -> None:
    good, huge = world.trade(ALICE, BOB, BTC_PERP, 1, PRICE), world.trade(ALICE, BOB, BTC_PERP, 10**6, PRICE)
    bundle = world.bundle(ALICE, BOB, (BTC_PERP, 1, PRICE), (BTC_PERP, 10**6, PRICE), (BTC_PERP, 2, PRICE))
    block = decide(world, good, huge, bundle, good)
    fates = block_fates(block)
    assert [each.state for each in fates] == [FateState.APPLIED, FateState.REFUSED] * 2
    assert [each.index for each in fates] == [0, 1, 2, 3]
    shown = [block.receipts[each.first_receipt : each.last_receipt + 1] for each in fates]
    assert [[type(receipt) for receipt in each] for each in (shown[0], shown[2])] == [
        [TradeNovated],
        [TradeNovated, BundledTradeRefused, TradeNovated],
    ]
    assert [receipt.code for each in (shown[1], shown[3]) for receipt in each] == [fates[1].code, fates[3].code]  # type: ignore[union-attr]
    assert fates[3].code == ClearingCode.TRADE_ALREADY_NOVATED


async def test_a_transaction_sent_again_by_anybody_stays_applied(world: World, tmp_path: Path) -> None:
    run = Run(tmp_path, world)
    (trade,) = trades_of(world, 1)
    run.fates.decided(decide(world, trade))
    first = run.fates.find(transaction_hash(trade))
    run.fates.decided(decide(world, trade))
    assert run.fates.find(transaction_hash(trade)) == first
    await run.fates.save()
    assert run.fates.find(transaction_hash(trade)) == first
    run.crash()


async def test_what_blocks_have_is_read_from_them_after_a_crash(world: World, tmp_path: Path) -> None:
    trades = trades_of(world, 3)
    blocks = [decide(world, each) for each in trades]
    run = Run(tmp_path, world)
    run.fates.decided(blocks[0])
    await run.fates.save()
    for block in blocks[1:]:
        run.fates.decided(block)
    states = [run.state_of(each) for each in trades]
    assert states == [FateState.APPLIED] * 3, "answered before it is written"
    run.crash()
    run = Run(tmp_path, world)
    assert [run.state_of(each) for each in trades] == [FateState.APPLIED, None, None]
    assert not run.fates.complete
    kept = Kept(*blocks[:2])
    run.fates.decided(blocks[2])  # executed again
    await written(run.fates, kept, blocks[1].height)
    assert run.fates.complete
    assert kept.asked == list(range(blocks[0].height + 1, blocks[1].height + 1)), "and no more of them"
    assert [run.state_of(each) for each in trades] == [FateState.APPLIED] * 3
    run.crash()


async def test_a_block_that_a_rollback_took_away_decided_nothing(world: World, tmp_path: Path) -> None:
    trades = trades_of(world, 2)
    blocks = [decide(world, each) for each in trades]
    run = Run(tmp_path, world)
    for block in blocks:
        run.fates.decided(block)
    await run.fates.save()
    run.crash()
    run = Run(tmp_path, world)
    await written(run.fates, Kept(blocks[0]), blocks[0].height)
    assert [run.state_of(each) for each in trades] == [FateState.APPLIED, None]
    run.crash()


async def test_what_expires_in_the_pool_is_expired_and_stays_so_after_a_crash(world: World, tmp_path: Path) -> None:
    run = Run(tmp_path, world)
    (trade,) = trades_of(world, 1)
    assert isinstance(run.service.submit(trade), Accepted)
    await run.service.journaled()
    run.now_ms = trade.not_after_ms + 1
    run.service.decided((), run.now_ms)
    assert run.state_of(trade) is FateState.EXPIRED
    run.crash()
    run = Run(tmp_path, world)
    run.now_ms = trade.not_after_ms + 1
    assert run.state_of(trade) is None, "it was not written"
    assert run.service.resume() == 0
    assert run.journal.waiting == ()
    run.crash()
    run = Run(tmp_path, world)
    assert run.state_of(trade) is FateState.EXPIRED
    run.crash()


async def test_what_the_pool_has_no_room_for_after_a_restart_is_dropped_with_the_code(
    world: World, tmp_path: Path
) -> None:
    run = Run(tmp_path, world)
    trades = trades_of(world, 3)
    for each in trades:
        assert isinstance(run.service.submit(each), Accepted)
    await run.service.journaled()
    run.crash()
    run = Run(tmp_path, world, transactions_max=2)
    assert run.service.resume() == 2
    run.crash()
    run = Run(tmp_path, world)
    assert run.service.resume() == 2
    held = [run.pool.holds(transaction_hash(each)) for each in trades]
    found = run.fates.find(transaction_hash(trades[2]))
    assert held == [True, True, False]
    assert found is not None
    assert (found.state, found.code, found.place) == (FateState.DROPPED, NodeCode.POOL_FULL, "mempool")
    run.crash()


def test_a_refusal_at_the_door_is_no_fate(world: World, tmp_path: Path) -> None:
    run = Run(tmp_path, world, transactions_max=1)
    first, second = trades_of(world, 2)
    run.service.submit(first)
    assert isinstance(run.service.submit(second), Rejected)
    assert run.state_of(second) is None
    run.crash()


async def test_fates_are_kept_for_the_stated_days(world: World, tmp_path: Path) -> None:
    run = Run(tmp_path, world)
    trades: Sequence[Transaction] = trades_of(world, 2)
    run.fates.decided(decide(world, trades[0]))
    await run.fates.save()
    run.now_ms += 7 * DAY_MS
    assert run.state_of(trades[0]) is FateState.APPLIED
    run.now_ms += 60_000
    run.fates.expired(transaction_hash(trades[1]))
    await run.fates.save()
    assert [run.state_of(each) for each in trades] == [None, FateState.EXPIRED]
    run.crash()
