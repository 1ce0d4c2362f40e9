"""What this node accepted outlives it."""

from pathlib import Path

import pytest
import trio

from clearing.accounts.signatories import signing_addresses
from clearing.base import ed25519
from clearing.base.errors import LocalFault
from member.codes import NodeCode
from node.pool.journal import FRAMES, PoolJournal
from node.pool.mempool import Accepted, Mempool, transaction_hash
from node.pool.transaction_service import TransactionService
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP
from tests.kit.clearing.world import World, funded


def _trades(world: World, count: int, first: int = 1) -> list:  # type: ignore[type-arg]
    return [world.trade(ALICE, BOB, BTC_PERP, 1, 790_000 + number) for number in range(first, first + count)]


async def _keep(path: Path, *transactions: object, over: tuple[bytes, ...] = ()) -> None:
    journal = PoolJournal(path)
    for each in transactions:
        journal.take(each)  # type: ignore[arg-type]
    await journal.synced()
    journal.over(over)
    journal.close()


async def test_what_was_kept_waits_in_order_until_it_is_over(tmp_path: Path) -> None:
    path, trades = tmp_path / "pool.journal", _trades(funded(), 5)
    await _keep(path, *trades, over=(transaction_hash(trades[1]), b"\0" * 32))
    assert PoolJournal(path).waiting == (trades[0], *trades[2:])
    assert path.stat().st_mode & 0o777 == 0o600


async def test_any_torn_tail_loses_only_what_was_not_durable(tmp_path: Path) -> None:
    path, trades = tmp_path / "pool.journal", _trades(funded(), 2)
    await _keep(path, trades[0])
    first = path.stat().st_size
    await _keep(path, trades[1])
    data = path.read_bytes()
    for length in range(first, len(data)):
        path.write_bytes(data[:length])
        journal = PoolJournal(path)
        assert journal.waiting == (trades[0],)
        journal.close()
        assert path.stat().st_size == first


async def test_any_flipped_byte_before_the_tail_is_refused(tmp_path: Path) -> None:
    path, trades = tmp_path / "pool.journal", _trades(funded(), 2)
    await _keep(path, trades[0])
    first = path.stat().st_size
    await _keep(path, trades[1])
    data = path.read_bytes()
    for at in range(first):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(LocalFault) as refused:
            PoolJournal(path)
        assert refused.value.code is NodeCode.POOL_JOURNAL_CORRUPT


async def test_a_frame_inside_of_a_transaction_is_no_frame(tmp_path: Path) -> None:
    path, trades = tmp_path / "pool.journal", _trades(funded(), 1)
    await _keep(path, trades[0])
    whole = path.read_bytes()
    torn = whole[:4] + (2 * len(whole)).to_bytes(4, "big")
    path.write_bytes(torn + FRAMES.magic)
    assert PoolJournal(path).waiting == ()


async def test_the_file_is_written_anew_when_it_has_grown(tmp_path: Path) -> None:
    path, trades = tmp_path / "pool.journal", _trades(funded(), 40)
    journal = PoolJournal(path, rewrite_bytes=2000)
    for each in trades:
        journal.take(each)
        await journal.synced()
        journal.over([transaction_hash(each)] if each is not trades[-1] else [])
        journal.tidy(lambda _: True)
        assert path.stat().st_size < 3000
    journal.tidy(lambda _: True)
    assert journal.waiting == (trades[-1],)
    journal.close()
    assert PoolJournal(path).waiting == (trades[-1],)


async def test_callers_of_one_turn_share_one_frame(tmp_path: Path) -> None:
    path, trades = tmp_path / "pool.journal", _trades(funded(), 3)
    journal = PoolJournal(path)

    async def one(number: int) -> None:
        journal.take(trades[number])
        await journal.synced()
        assert trades[number] in journal.waiting

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(one, number)
    assert path.read_bytes().count(FRAMES.magic) == 1


async def test_nobody_is_told_that_a_failed_disk_has_kept_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, trades = tmp_path / "pool.journal", _trades(funded(), 2)
    journal = PoolJournal(path)

    def fail(_: int) -> None:
        raise OSError(28, "no space left")

    for each in trades:
        journal.take(each)
    with monkeypatch.context() as broken:
        broken.setattr("os.fdatasync", fail)
        for _ in trades:  # each member's own call, of one turn
            with pytest.raises(OSError, match="no space"):
                await journal.synced()
    assert journal.waiting == ()
    await journal.synced()
    journal.close()
    assert PoolJournal(path).waiting == tuple(trades)


def _service(world: World, folder: Path) -> tuple[TransactionService, Mempool]:
    pool = Mempool(world.network, lambda who: signing_addresses(world.state, who))
    secret = b"\x06" * 32
    made = TransactionService(
        pool,
        world.network,
        secret,
        lambda: frozenset((ed25519.public_key(secret),)),
        lambda: world.time_ms,
        lambda: None,
        PoolJournal(folder / "pool.journal"),
    )
    return made, pool


async def test_what_gossip_brought_first_is_kept_when_its_member_is_told(tmp_path: Path) -> None:
    world = funded()
    service, pool = _service(world, tmp_path)
    trade, gossiped, decided = _trades(world, 3)
    for each in (trade, gossiped):
        pool.add(each, world.time_ms)
    service.decided([decided], world.time_ms)
    for each in (trade, decided):
        told = service.submit(each)
        assert isinstance(told, Accepted)
        assert told.known
    await service.journaled()
    assert PoolJournal(tmp_path / "pool.journal").waiting == (trade,)


async def test_a_killed_node_offers_again_what_it_accepted(tmp_path: Path) -> None:
    world = funded()
    trades = _trades(world, 3)
    before, _ = _service(world, tmp_path)
    for each in trades:
        assert isinstance(before.submit(each), Accepted)
    await before.journaled()
    before.decided(trades[:1], world.time_ms)
    # Killed here: nothing is closed.
    after, pool = _service(world, tmp_path)
    assert after.resume() == 2
    assert pool.select(world.time_ms) == tuple(trades[1:])
