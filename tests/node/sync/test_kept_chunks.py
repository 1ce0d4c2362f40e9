"""Chunks that outlive a restart: a joiner goes on where it stopped, and believes its own disk no more than a peer."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
import trio

from consensus.sync.messages import CHUNK_BYTES, ChunkRequest, Manifest
from node.store.store import Store
from node.sync.chunks import ChunkStore
from node.sync.state_sync import StateSync
from tests.kit.node.state_sync import NEWEST, Lie, World, copy_of, joined_through
from tests.kit.until import until

CHUNKS = 24
DATA = Random(8).randbytes(CHUNKS * CHUNK_BYTES - 17)


@pytest.fixture
def store(world: World, tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "big.sqlite", world.origin.home.network) as found:
        copy_of(world.origin.store, found, DATA)
        yield found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "incoming-state"


def below(count: int) -> Lie:
    """A peer that dies: the first chunks only, and nothing for the others."""
    return lambda asked, answer: None if isinstance(asked, ChunkRequest) and asked.index >= count else answer


async def killed_after(world: World, store: Store, path: Path, count: int) -> StateSync:
    """A joiner that ended with so many chunks."""
    kept = ChunkStore(path)
    async with trio.open_nursery() as nursery:
        await world.serve(nursery, world.validator, below(count), store)
        async with world.joiner(real=False, kept=kept) as sync, trio.open_nursery() as running:
            running.start_soon(sync.run)
            await until(lambda: sync.progress.chunks_on_disk + sync.progress.chunks >= count)
            running.cancel_scope.cancel()
        nursery.cancel_scope.cancel()
    kept.close()
    return sync


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def is_there(path: Path) -> bool:
    return path.exists()


def make_folder(path: Path) -> None:
    path.mkdir()


def change(path: Path, how: Callable[[bytearray], None]) -> None:
    data = bytearray(path.read_bytes())
    how(data)
    path.write_bytes(data)


async def again(world: World, store: Store, path: Path) -> StateSync:
    kept = ChunkStore(path)
    joined, sync = await joined_through(world, real=False, store=store, kept=kept, offers_seconds=20)
    kept.close()
    assert joined.data == DATA
    return sync


async def test_a_joiner_that_crashed_fetches_only_what_it_lacks(world: World, store: Store, path: Path) -> None:
    await killed_after(world, store, path, 10)
    assert mode_of(path) == 0o600
    sync = await again(world, store, path)
    assert (sync.progress.chunks_on_disk, sync.progress.chunks) == (10, CHUNKS - 10)
    service = world.served[next(iter(world.served))]
    assert service.chunks_sent == CHUNKS - 10


async def test_a_joiner_may_crash_as_often_as_it_likes(world: World, store: Store, path: Path) -> None:
    fetched = 0
    for count in (4, 9, 15):
        fetched += (await killed_after(world, store, path, count)).progress.chunks
    sync = await again(world, store, path)
    assert (fetched, sync.progress.chunks_on_disk, sync.progress.chunks) == (15, 15, CHUNKS - 15)


@pytest.mark.parametrize("place", [0, 3, 50, 100, 5 * CHUNK_BYTES, -1])
async def test_a_changed_byte_on_the_own_disk_is_no_more_than_a_lying_peer(
    world: World, store: Store, path: Path, place: int
) -> None:
    await killed_after(world, store, path, 10)
    change(path, lambda data: data.__setitem__(place, data[place] ^ 0x40))
    sync = await again(world, store, path)
    assert sync.progress.chunks_on_disk < 10
    assert sync.progress.chunks == CHUNKS - sync.progress.chunks_on_disk
    assert sync.progress.chunks_refused == 0
    assert world.reported == []


@pytest.mark.parametrize("cut", [0, 3, 40, 4 * CHUNK_BYTES, -1])
async def test_a_write_that_a_crash_cut_off_is_fetched_again(world: World, store: Store, path: Path, cut: int) -> None:
    await killed_after(world, store, path, 10)
    change(path, lambda data: data.__delitem__(slice(cut, None)))
    sync = await again(world, store, path)
    assert sync.progress.chunks_on_disk + sync.progress.chunks == CHUNKS
    whole = ChunkStore(path)
    taken: list[int] = []
    manifest = whole.manifest()
    assert manifest is not None
    assert whole.begin(manifest, lambda chunk: taken.append(chunk.index)) == CHUNKS
    assert sorted(taken) == list(range(CHUNKS)), "what came after the damage is kept behind what came before it"
    whole.discard()


async def test_what_was_begun_is_ended_though_a_newer_state_is_offered(world: World, store: Store, path: Path) -> None:
    await killed_after(world, store, path, 10)
    older = ChunkStore(path).manifest()
    assert older is not None
    assert older.height == NEWEST
    other = Random(9).randbytes(CHUNKS * CHUNK_BYTES)
    store.save_snapshot(NEWEST + 1, other)
    sync = await again(world, store, path)
    assert sync.progress.chunks_on_disk == 10


async def test_chunks_of_a_state_that_nobody_offers_any_more_are_dropped(
    world: World, store: Store, path: Path
) -> None:
    stale = ChunkStore(path)
    stale.begin(Manifest(format=1, height=3, size=70_000, root=b"r" * 32), lambda chunk: None)
    stale.close()
    sync = await again(world, store, path)
    assert sync.progress.chunks_on_disk == 0
    found = ChunkStore(path).manifest()
    assert found is not None
    assert found.height == NEWEST


async def test_a_place_that_cannot_be_written_costs_nothing_but_the_keeping(
    world: World, store: Store, path: Path
) -> None:
    make_folder(path)
    sync = await again(world, store, path)
    assert (sync.progress.chunks_on_disk, sync.progress.chunks) == (0, CHUNKS)


async def test_a_full_disk_gets_its_room_back_and_the_fetch_goes_on(
    world: World, store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: ChunkStore, data: bytes) -> None:
        if len(data) > 1_000:
            raise OSError(28, os.strerror(28))

    monkeypatch.setattr(ChunkStore, "_write", full)
    sync = await again(world, store, path)
    assert (sync.progress.chunks_on_disk, sync.progress.chunks) == (0, CHUNKS)
    assert not is_there(path)
