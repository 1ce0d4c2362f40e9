"""What this node accepted outlives it."""

from pathlib import Path

import pytest
import trio

from clearing.base.errors import LocalFault
from clearing.schema.blocks.transaction import Transaction, transaction_hash
from member.codes import NodeCode
from node.pool.journal import FRAMES, PoolJournal
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP
from tests.kit.clearing.world import funded
from tests.kit.refusals import refused


@pytest.fixture(scope="module")
def trades() -> list[Transaction]:
    world = funded()
    return [world.trade(ALICE, BOB, BTC_PERP, 1, 790_000 + number) for number in range(40)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pool.journal"


def _keep(path: Path, *transactions: Transaction, over: tuple[bytes, ...] = ()) -> bytes:
    """What the file has afterwards."""
    journal = PoolJournal(path)
    for each in transactions:
        journal.take(each)
    trio.run(journal.synced)
    journal.over(over)
    journal.close()
    return path.read_bytes()


def test_what_was_kept_waits_in_order_until_it_is_over(path: Path, trades: list[Transaction]) -> None:
    _keep(path, *trades, over=(transaction_hash(trades[1]), b"\0" * 32))
    assert PoolJournal(path).waiting == (trades[0], *trades[2:])
    assert path.stat().st_mode & 0o777 == 0o600


def test_any_torn_tail_loses_only_what_was_not_durable(path: Path, trades: list[Transaction]) -> None:
    first, data = _keep(path, trades[0]), _keep(path, trades[1])
    for length in range(len(first), len(data)):
        path.write_bytes(data[:length])
        journal = PoolJournal(path)
        assert journal.waiting == (trades[0],)
        journal.close()
        assert path.read_bytes() == first


def test_any_flipped_byte_before_the_tail_is_refused(path: Path, trades: list[Transaction]) -> None:
    first, data = _keep(path, trades[0]), _keep(path, trades[1])
    for at in range(len(first)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with refused(NodeCode.POOL_JOURNAL_CORRUPT, LocalFault):
            PoolJournal(path)


def test_a_frame_inside_of_a_transaction_is_no_frame(path: Path, trades: list[Transaction]) -> None:
    whole = _keep(path, trades[0])
    path.write_bytes(whole[:4] + (2 * len(whole)).to_bytes(4, "big") + FRAMES.magic)
    assert PoolJournal(path).waiting == ()


def test_the_file_is_written_anew_when_it_has_grown(path: Path, trades: list[Transaction]) -> None:
    journal = PoolJournal(path, rewrite_bytes=2000)
    for each in trades:
        journal.take(each)
        trio.run(journal.synced)
        journal.over([transaction_hash(each)] if each is not trades[-1] else [])
        journal.tidy(lambda _: True)
        assert path.stat().st_size < 3000
    journal.tidy(lambda _: True)
    assert journal.waiting == (trades[-1],)
    journal.close()
    assert PoolJournal(path).waiting == (trades[-1],)


def test_callers_of_one_turn_share_one_frame(path: Path, trades: list[Transaction]) -> None:
    journal = PoolJournal(path)

    async def one(trade: Transaction) -> None:
        journal.take(trade)
        await journal.synced()
        assert trade in journal.waiting

    async def all_at_once() -> None:
        async with trio.open_nursery() as nursery:
            for trade in trades:
                nursery.start_soon(one, trade)

    trio.run(all_at_once)
    assert path.read_bytes().count(FRAMES.magic) == 1


async def test_nobody_is_told_that_a_failed_disk_has_kept_something(
    path: Path, trades: list[Transaction], monkeypatch: pytest.MonkeyPatch
) -> None:
    trades = trades[:2]
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
