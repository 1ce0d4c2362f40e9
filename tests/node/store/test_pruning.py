"""What a node forgets: no more than the settings say, from the oldest on, and nothing that may be needed here."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from node.store.database import copy_heights, keep_whole
from node.store.pruning import ACCOUNTS_AT_ONCE, HEIGHTS_AT_ONCE, Pruner
from node.store.records import BlockRecord, PackageRecord, ReceiptRecord, ReceiptsAsked
from node.store.store import Commit, Store

NETWORK = b"n" * 32
HEIGHTS = 3 * HEIGHTS_AT_ONCE
ALL = 2**63 - 1


def commit(height: int) -> Commit:
    """A receipt for the account of its number, and one for everybody."""
    block = BlockRecord(height=height, block=b"b%d" % height, certificate=b"c", extended_commit=b"e")
    own = ReceiptRecord(height, 0, (height,), b"own")
    return Commit(block, (own, ReceiptRecord(height, 1, (0, 1), b"all")), b"state" if height % 50 == 0 else None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "node.sqlite", NETWORK, snapshots_kept=2) as store:
        for height in range(1, HEIGHTS + 1):
            store.save(commit(height))
        yield store


def pruner(store: Store, folder: Path, blocks: int = 0, packages: int = 0, needed_from: int = ALL) -> Pruner:
    return Pruner(store, folder, blocks, packages, lambda: needed_from)


async def test_by_default_nothing_is_forgotten(store: Store, tmp_path: Path) -> None:
    await pruner(store, tmp_path).prune()
    assert (store.first_height(), store.height()) == (1, HEIGHTS)
    assert len(store.receipts_of(0, ReceiptsAsked(1_000))) == HEIGHTS


@pytest.mark.parametrize(
    ("kept", "needed_from", "first"),
    [
        (120, ALL, HEIGHTS - 119),
        (1, ALL, 100),  # the older of two saved states
        (60, 30, 30),
        (60, 0, 1),
        (HEIGHTS, ALL, 1),
        (HEIGHTS + 1, ALL, 1),
    ],
)
async def test_old_blocks_go_with_their_receipts_and_what_is_needed_stays(
    store: Store, tmp_path: Path, autojump_clock: trio.testing.MockClock, kept: int, needed_from: int, first: int
) -> None:
    assert store.snapshot_heights() == (150, 100)
    await pruner(store, tmp_path, kept, needed_from=needed_from).prune()
    assert [each.height for each in store.blocks()] == list(range(first, HEIGHTS + 1))
    assert store.receipts_at(first - 1) == ()
    assert store.receipts_at(first) == (b"own", b"all")
    assert [each.height for each in store.receipts_of(1, ReceiptsAsked(1_000, (1, 0)))] == list(
        range(max(first, 1), HEIGHTS + 1)
    )
    rows = store._database.read("SELECT COUNT(*) FROM receipt_accounts WHERE height < ?", (first,))
    assert rows == [(0,)], "every account's index, over more than one step"
    assert HEIGHTS > ACCOUNTS_AT_ONCE
    store.save(commit(HEIGHTS + 1))


async def test_without_a_saved_state_every_block_stays(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    with Store(tmp_path / "other.sqlite", NETWORK) as store:
        for height in range(1, 40):
            store.save(commit(height))
        await pruner(store, tmp_path, 1).prune()
        assert store.first_height() == 1


async def test_a_crash_in_between_leaves_no_gap_and_the_rest_is_done_later(
    store: Store, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    work = pruner(store, tmp_path, 1)
    with trio.move_on_after(0):
        await work.prune()
    store.put("what was begun", b"is done")
    reached = store.first_height()
    assert 1 < reached <= 100
    assert [each.height for each in store.blocks()] == list(range(reached, HEIGHTS + 1))
    await work.prune()
    assert store.first_height() == 100


def test_old_packages_go_with_their_files(store: Store, tmp_path: Path) -> None:
    for epoch in range(1, 41):
        path = tmp_path / f"epoch-{epoch}"
        path.write_bytes(b"package")
        store.save_package(PackageRecord(epoch=epoch, height=epoch, path=path.name, size=7, digest=b"d" * 32))
    (tmp_path / "epoch-3").unlink()
    trio.run(pruner(store, tmp_path, packages=5).prune)
    assert [each.epoch for each in store.packages(0, 100)] == [36, 37, 38, 39, 40]
    assert sorted(path.name for path in tmp_path.glob("epoch-*")) == [f"epoch-{epoch}" for epoch in range(36, 41)]


@pytest.mark.parametrize("at", ["blocks", "receipts"])
def test_a_copy_that_is_made_meanwhile_has_only_whole_heights(store: Store, tmp_path: Path, at: str) -> None:
    """Blocks are copied before receipts, and a height goes with both."""

    def meanwhile(copied: int) -> None:
        if store.first_height() == 1 and copied == (HEIGHTS_AT_ONCE if at == "blocks" else HEIGHTS):
            trio.run(pruner(store, tmp_path, 1).prune)

    copy_heights(tmp_path / "node.sqlite", tmp_path / "copy.sqlite", HEIGHTS, meanwhile)
    assert keep_whole(tmp_path / "copy.sqlite", store.first_height(), HEIGHTS) == 100
    with Store(tmp_path / "copy.sqlite", NETWORK) as copied:
        assert [each.height for each in copied.blocks()] == list(range(100, HEIGHTS + 1))
        assert all(copied.receipts_at(height) == (b"own", b"all") for height in range(100, HEIGHTS + 1))
        assert copied.receipts_at(99) == ()
