"""Rules of the node's store."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio

from clearing.base.errors import LocalFault
from consensus.blocks.store import BlockStore
from member.codes import NodeCode
from node.store import database
from node.store.blocks import StoredBlocks
from node.store.records import NEWEST, BlockRecord, PackageRecord, ReceiptRecord, ReceiptsAsked
from node.store.store import SNAPSHOTS_KEPT, Commit, Store
from tests.kit.refusals import refused

NETWORK = b"n" * 32


def block(height: int, body: bytes = b"block") -> BlockRecord:
    return BlockRecord(height=height, block=body + bytes([height]), certificate=b"c", extended_commit=b"e")


def open_store(folder: Path) -> Store:
    return Store(folder / "node.db", NETWORK)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path) as store:
        yield store


def read_beside(folder: Path, query: str) -> list[tuple[object, ...]]:
    """As another process sees the file."""
    with closing(sqlite3.connect(folder / "node.db")) as database, database:
        return database.execute(query).fetchall()


def test_what_was_saved_is_there_after_opening_again(tmp_path: Path) -> None:
    receipts = (ReceiptRecord(1, 0, (7, 8), b"first"), ReceiptRecord(1, 1, (8,), b"second"))
    with open_store(tmp_path) as store:
        assert store.height() == 0
        assert store.block(1) is None
        store.save(Commit(block(1), receipts, snapshot=b"state"))
        store.save(Commit(block(2)))
        store.put("tip", b"x")
    with open_store(tmp_path) as store:
        assert store.height() == 2
        assert store.block(1) == block(1)
        assert store.snapshot() == (1, b"state")
        assert store.receipts_at(1) == (b"first", b"second")
        assert store.get("tip") == b"x"
        assert store.get("other") is None


def test_a_saved_height_is_on_disk_before_save_returns(store: Store, tmp_path: Path) -> None:
    store.save(Commit(block(1)))
    assert read_beside(tmp_path, "SELECT height FROM blocks") == [(1,)]
    assert read_beside(tmp_path, "PRAGMA journal_mode") == [("wal",)]


def test_a_commit_waits_for_the_disk(store: Store) -> None:
    found = store._database.write(lambda connection: connection.execute("PRAGMA synchronous").fetchone())
    assert found == (2,)  # FULL


def test_the_wal_file_stays_bounded_however_fast_blocks_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_WAL_BYTES_MAX", 1 << 20)
    wal, seen = tmp_path / "node.db-wal", 0
    with open_store(tmp_path) as store:
        for height in range(1, 300):
            store.save(Commit(BlockRecord(height, bytes(20_000), b"c", b"e")))
            seen = max(seen, wal.stat().st_size)
    # The bound, and what is written between two looks at it.
    assert seen < (1 << 20) + 2 * 64 * 30_000
    with open_store(tmp_path) as store:
        assert store.height() == 299
    assert not wal.exists() or wal.stat().st_size == 0


def test_a_killed_process_loses_nothing_that_it_was_told_is_saved(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from node.store.records import BlockRecord
from node.store.store import Commit, Store
store = Store(Path({str(tmp_path / "node.db")!r}), {NETWORK!r})
for height in range(1, 100_000):
    store.save(Commit(BlockRecord(height, b"x" * 5000, b"c", b"e")))
    print(height, flush=True)
"""
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=root) as process:
        lines = [process.stdout.readline() for _ in range(20)]
        process.kill()
        lines += [line for line in process.stdout.read().splitlines(keepends=True) if line[-1] == "\n"]
    with open_store(tmp_path) as store:
        assert store.height() >= int(lines[-1])
        assert all(store.block(height) for height in range(1, store.height() + 1))
        store.save(Commit(BlockRecord(store.height() + 1, b"next", b"c", b"e")))


def test_saving_the_same_height_again_changes_nothing(store: Store) -> None:
    commit = Commit(block(1), (ReceiptRecord(1, 0, (7,), b"r"),))
    store.save(commit)
    store.save(commit)
    store.save(Commit(BlockRecord(height=1, block=block(1).block, certificate=b"other", extended_commit=b"")))
    assert store.block(1) == block(1)
    assert store.receipts_at(1) == (b"r",)


def test_another_block_at_a_saved_height_is_refused(store: Store) -> None:
    store.save(Commit(block(1)))
    with refused(NodeCode.STORE_CONFLICT, LocalFault):
        store.save(Commit(block(1, b"forged")))
    assert store.block(1) == block(1)


def test_a_gap_between_heights_is_refused_and_leaves_nothing(store: Store) -> None:
    store.save(Commit(block(1)))
    with refused(NodeCode.STORE_GAP, LocalFault):
        store.save(Commit(block(3), (ReceiptRecord(3, 0, (1,), b"r"),), snapshot=b"s"))
    assert store.height() == 1
    assert store.receipts_at(3) == ()
    assert store.snapshot() is None


def test_a_store_may_begin_at_any_height_after_a_state_sync(store: Store) -> None:
    store.save(Commit(block(90), snapshot=b"s"))
    assert (store.first_height(), store.height()) == (90, 90)


def test_a_store_of_another_network_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with refused(NodeCode.STORE_OTHER_NETWORK, LocalFault):
        Store(tmp_path / "node.db", b"m" * 32)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "node.db").write_bytes(b"not a database at all" * 100)
    with refused(NodeCode.STORE_CORRUPT, LocalFault):
        open_store(tmp_path)


def test_a_changed_record_is_noticed(store: Store, tmp_path: Path) -> None:
    store.save(Commit(block(1), snapshot=b"state"))
    read_beside(tmp_path, "UPDATE blocks SET certificate = x'64'")
    read_beside(tmp_path, "UPDATE snapshots SET data = x'64'")
    for read in (lambda: store.block(1), store.snapshot):
        with refused(NodeCode.STORE_CORRUPT, LocalFault):
            read()


def test_results_of_a_height_may_be_saved_again_but_never_changed(store: Store) -> None:
    receipts = [ReceiptRecord(1, 0, (7, 8), b"first")]
    store.save(Commit(block(1)))
    for _ in range(2):
        store.save_results(receipts, (1, b"state"))
    assert store.receipts_at(1) == (b"first",)
    assert store.snapshot() == (1, b"state")
    with refused(NodeCode.STORE_CONFLICT, LocalFault):
        store.save_results([ReceiptRecord(1, 0, (7, 8), b"other")], (1, b"changed"))
    assert store.snapshot() == (1, b"state")


def test_consensus_keeps_its_blocks_in_the_store(store: Store) -> None:
    blocks: BlockStore = StoredBlocks(store)
    assert (blocks.height(), blocks.load(1)) == (0, None)
    blocks.save(1, b"b1", b"c1", b"e1")
    blocks.save(2, b"b2", b"c2", b"e2")
    assert (blocks.height(), blocks.load(1)) == (2, (b"b1", b"c1", b"e1"))
    with pytest.raises(LocalFault):
        blocks.save(4, b"b4", b"c4", b"e4")
    assert [record.height for record in store.blocks(2)] == [2]


def test_only_the_newest_snapshots_are_kept(store: Store) -> None:
    for height in range(1, 8):
        store.save_snapshot(height, bytes([height]))
    assert store.snapshot() == (7, b"\x07")
    assert store.snapshot(at_most=5) == (5, b"\x05")
    assert store.snapshot(at_most=7 - SNAPSHOTS_KEPT) is None


def test_an_account_reads_only_its_own_receipts_page_by_page(store: Store) -> None:
    for height in (1, 2):
        receipts = [ReceiptRecord(height, i, (i % 2,), f"{height}.{i}".encode()) for i in range(4)]
        store.save(Commit(block(height), tuple(receipts)))
    page = store.receipts_of(1, ReceiptsAsked(3))
    assert [r.data for r in page] == [b"1.1", b"1.3", b"2.1"]
    rest = store.receipts_of(1, ReceiptsAsked(3, (page[-1].height, page[-1].index)))
    assert [r.data for r in rest] == [b"2.3"]
    newest = store.receipts_of(1, ReceiptsAsked(3, NEWEST, newest_first=True))
    assert [r.data for r in newest] == [b"2.3", b"2.1", b"1.3"]
    before = store.receipts_of(1, ReceiptsAsked(3, (newest[-1].height, newest[-1].index), newest_first=True))
    assert [r.data for r in before] == [b"1.1"]
    assert store.receipts_of(5, ReceiptsAsked(3)) == ()


def test_one_epoch_has_one_package(store: Store) -> None:
    first = PackageRecord(1, 10, "packages/1.ccp", 100, b"d" * 32)
    store.save_package(first)
    store.save_package(first)
    with pytest.raises(LocalFault):
        store.save_package(PackageRecord(1, 10, "packages/1.ccp", 100, b"e" * 32))
    store.save_package(PackageRecord(2, 20, "packages/2.ccp", 100, b"f" * 32))
    assert store.package(1) == first
    newest = store.package()
    assert newest.epoch == 2


def test_a_closed_store_refuses_by_name(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.close()
    store.close()
    for call in (store.height, lambda: store.put("a", b"b")):
        with refused(NodeCode.STORE_CLOSED, LocalFault):
            call()


async def test_the_event_loop_runs_on_while_a_height_is_written(store: Store) -> None:
    turns = 0

    async def spin() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(spin)
        for height in range(1, 6):
            await store.save_results_async((), (height, b"s" * 1_000_000))
        nursery.cancel_scope.cancel()
    assert store.snapshot_heights()[0] == 5
    assert turns > 5


async def test_a_cancelled_writer_still_writes_what_was_queued(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        with trio.CancelScope() as scope:
            scope.cancel()
            await store.save_results_async((), (1, b"state"))
        assert scope.cancelled_caught
    with open_store(tmp_path) as store:
        assert store.snapshot() == (1, b"state")


async def test_a_refused_write_is_told_to_its_caller(store: Store) -> None:
    await store.save_results_async([ReceiptRecord(1, 0, (7,), b"first")])
    with pytest.raises(LocalFault):
        await store.save_results_async([ReceiptRecord(1, 0, (7,), b"other")])
